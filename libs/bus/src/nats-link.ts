import { messageOf, OperationalError, UserError } from '@millrace/domain';
import {
  ClosedConnectionError,
  connect,
  type Msg,
  type NatsConnection,
  NoRespondersError,
  RequestError,
} from '@nats-io/transport-node';
import type { Hint } from './hint-queue.js';
import type { Dial, Link, Unbind } from './link.js';
import type { BusSettings } from './options.js';
import type { BusPayload, ProcedureHandler } from './port.js';
import { isPayload, parseWire } from './topics.js';

/**
 * Subject prefix of calls. NATS has one name space for topics and procedures, and calls lie outside of the configured prefix so that a
 * subscriber of every topic does not count as a responder. Credentials need `<prefix>.>`, `_call.<prefix>.>` and `_INBOX.>`.
 */
const CALLS = '_call';

/** A callee's answer. */
type Answer = { readonly result: BusPayload } | { readonly error: string };

/** Connects once. The bus reconnects, in the same way for every broker. */
export function dialNats(settings: BusSettings): Dial {
  return async (onLost) => {
    const connection = await connect({
      servers: settings.url,
      noEcho: true,
      reconnect: false,
      maxReconnectAttempts: 0,
      // Requires TLS. Without this the server decides about TLS, and so could an attacker in between.
      ...(settings.url.startsWith('tls:') && { tls: {} }),
      timeout: 2 * settings.heartbeatMs,
      pingInterval: settings.heartbeatMs,
      maxPingOut: 2,
      ...(settings.user === undefined ? {} : { user: settings.user, pass: settings.password }),
      ...(settings.token === undefined ? {} : { token: settings.token }),
    });
    const link = new NatsLink(connection, settings);
    void connection.closed().then((error) => {
      if (!link.isClosing) onLost(error ? messageOf(error) : 'the broker closed the connection');
    });
    void link.watch().catch((error: unknown) => settings.onWarning('bus refused', { error: messageOf(error) }));
    return link;
  };
}

class NatsLink implements Link {
  isClosing = false;

  constructor(
    private readonly connection: NatsConnection,
    private readonly settings: BusSettings,
  ) {}

  /** Reports the server's refusals, which belong to no particular request. */
  async watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'error') this.settings.onWarning('bus refused', { error: status.error.message });
    }
  }

  async publish(hints: readonly Hint[]): Promise<number> {
    let refused = 0;
    for (const { topic, payload } of hints) {
      try {
        this.connection.publish(this.subject(topic), JSON.stringify(payload));
      } catch (error) {
        if (this.connection.isClosed()) throw error;
        refused++; // The hint cannot be encoded as JSON, or is larger than the server's max_payload.
      }
    }
    await this.connection.flush();
    return refused;
  }

  async subscribe(prefix: string, onHint: (topic: string, payload: unknown) => void): Promise<Unbind> {
    const skip = this.settings.prefix.length + 1;
    const callback = (error: Error | null, message: Msg): void => {
      if (error) return this.settings.onWarning('bus refused', { error: error.message });
      onHint(message.subject.slice(skip), parse(message));
    };
    const subjects = prefix === '' ? [this.subject('>')] : [this.subject(prefix), this.subject(`${prefix}.>`)];
    const subscriptions = subjects.map((subject) => this.connection.subscribe(subject, { callback }));
    await this.connection.flush();
    return async () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
      await this.connection.flush();
    };
  }

  async register(procedure: string, handler: ProcedureHandler): Promise<Unbind> {
    const answer = async (message: Msg): Promise<void> => {
      let reply: Answer;
      try {
        reply = { result: await handler(parse(message) as BusPayload) };
      } catch (error) {
        reply = { error: messageOf(error) };
      }
      try {
        message.respond(JSON.stringify(reply));
      } catch (error) {
        this.settings.onWarning('answer could not be sent', { procedure, error: messageOf(error) });
      }
    };
    const subscription = this.connection.subscribe(`${CALLS}.${this.subject(procedure)}`, {
      callback: (error, message) => {
        if (error) this.settings.onWarning('bus refused', { procedure, error: error.message });
        else void answer(message);
      },
    });
    await this.connection.flush();
    return async () => {
      subscription.unsubscribe();
      await this.connection.flush();
    };
  }

  async call(procedure: string, args: BusPayload, timeoutMs: number): Promise<unknown> {
    let message: Msg;
    try {
      message = await this.connection.request(`${CALLS}.${this.subject(procedure)}`, JSON.stringify(args), {
        timeout: timeoutMs + 1_000, // The bus's own timer comes first.
      });
    } catch (error) {
      const cause = error instanceof RequestError ? (error.cause ?? error) : error;
      const nobody = cause instanceof NoRespondersError;
      // "connection closed" comes as a plain RequestError, before the connection reports that it is closed.
      const lost =
        cause instanceof ClosedConnectionError || cause instanceof RequestError || this.connection.isClosed();
      const code = nobody ? 'bus-no-such-procedure' : lost ? 'bus-disconnected' : 'bus-call-failed';
      throw new OperationalError(code, `${procedure}: ${messageOf(error)}`, { procedure }, { cause: error });
    }
    const answer = parse(message);
    if (!isPayload(answer)) return undefined;
    const { error, result } = answer;
    if (error === undefined) return result;
    const text = typeof error === 'string' ? error.slice(0, 1000) : `${procedure} failed without a word`;
    throw new OperationalError('bus-call-failed', text, { procedure });
  }

  async close(): Promise<void> {
    this.isClosing = true;
    await this.connection.close();
  }

  private subject(topic: string): string {
    return `${this.settings.prefix}.${topic}`;
  }
}

/** Parses a message. Returns undefined, which is not a valid payload, for text that is not JSON or too large. */
function parse(message: Msg): unknown {
  try {
    return parseWire(message.string());
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
