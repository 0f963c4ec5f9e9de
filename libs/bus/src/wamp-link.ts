import { messageOf, OperationalError } from '@millrace/domain';
import autobahn from 'autobahn';
import type { Hint } from './hint-queue.js';
import type { Dial, Link, Unbind } from './link.js';
import type { BusSettings } from './options.js';
import type { BusPayload, ProcedureHandler } from './port.js';
import { WampTransport } from './wamp-transport.js';

/** How long a broker may take to answer our GOODBYE. */
const GOODBYE_TIMEOUT_MS = 1_000;

/** autobahn's error handler. Its constructor takes two more arguments than its types declare. */
type ErrorHandler = (error: unknown, message?: string) => void;
const AutobahnSession = autobahn.Session as new (
  transport: autobahn.ITransport,
  defer: autobahn.DeferFactory,
  onChallenge: autobahn.OnChallengeHandler,
  onUserError: ErrorHandler,
  onInternalError: ErrorHandler,
) => autobahn.Session;

/** A call that can be cancelled, which autobahn's types do not declare either. */
interface Cancellable {
  cancel?(options: { readonly mode: 'kill' }): void;
}

/** The value that autobahn rejects with. */
interface WampError {
  readonly error: string;
  readonly args?: readonly unknown[];
}

/** Connects and joins the realm, as `authId` with the ticket when there is one. */
export function dialWamp(settings: BusSettings): Dial {
  return (onLost) =>
    new Promise((resolve, reject) => {
      const transport = new WampTransport(settings.url, settings.heartbeatMs);
      let goodbye = '';
      let link: WampLink | undefined;
      const onChallenge = (_session: unknown, method: string): string => {
        if (method === 'ticket' && settings.ticket !== undefined) return settings.ticket;
        throw new OperationalError('bus-challenge', `the broker wants '${method}', which needs a ticket`);
      };
      const session = new AutobahnSession(
        transport,
        nativeDeferred as unknown as autobahn.DeferFactory,
        onChallenge,
        (error) => (goodbye ||= messageOf(error)),
        () => undefined, // A rejection means a protocol violation: autobahn has closed the transport with the text.
      );
      transport.onopen = () => {
        const methods = settings.ticket === undefined ? ['anonymous'] : ['ticket'];
        session.join(settings.realm, methods, settings.ticket === undefined ? '' : settings.authId);
      };
      session.onjoin = () => {
        link = new WampLink(session, transport, settings.prefix);
        resolve(link);
      };
      session.onleave = (reason: string, details: { readonly message?: string }) => {
        goodbye = details.message ? `${reason}: ${details.message}` : reason;
        transport.close();
      };
      transport.onclose = ({ reason }) => {
        const text = goodbye || reason;
        if (!link) reject(new OperationalError('bus-unreachable', text, { url: settings.url }));
        else if (!link.isClosing) onLost(text);
      };
    });
}

class WampLink implements Link {
  isClosing = false;

  constructor(
    private readonly session: autobahn.Session,
    private readonly transport: WampTransport,
    private readonly prefix: string,
  ) {}

  /** Publishes hints. Only the last one is acknowledged: a broker handles a session's messages in order, so it has then taken all. */
  async publish(hints: readonly Hint[]): Promise<number> {
    let refused = 0;
    let acknowledged: PromiseLike<unknown> | undefined;
    hints.forEach(({ topic, payload }, index) => {
      const acknowledge = index === hints.length - 1;
      try {
        const sent = this.session.publish(this.uri(topic), [payload], {}, acknowledge ? { acknowledge } : {});
        if (acknowledge) acknowledged = sent;
      } catch (error) {
        // The broker has said GOODBYE. The hints are kept for the next link.
        if (!this.session.isOpen) throw new OperationalError('bus-disconnected', messageOf(error));
        refused++; // The hint cannot be encoded as JSON.
      }
    });
    try {
      await acknowledged;
    } catch {
      refused++; // The broker refuses the hint because a permission is missing.
    }
    return refused;
  }

  async subscribe(prefix: string, onHint: (topic: string, payload: unknown) => void): Promise<Unbind> {
    const skip = this.prefix.length + 1;
    const subscription = await wampCall(
      this.session.subscribe<unknown[]>(
        this.uri(prefix),
        (args, _kwargs, event) => onHint(event!.topic.slice(skip), args?.[0]),
        { match: 'prefix' },
      ),
    );
    return async () => {
      await wampCall(this.session.unsubscribe(subscription));
    };
  }

  async register(procedure: string, handler: ProcedureHandler): Promise<Unbind> {
    const answer = async (args?: unknown[]): Promise<BusPayload> => {
      try {
        return await handler(args?.[0] as BusPayload);
      } catch (error) {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- autobahn's own error class, which it turns into an ERROR
        throw new autobahn.Error('wamp.error.runtime_error', [messageOf(error)], {});
      }
    };
    // A session of ours that the router has not yet noticed to be dead may still hold the name.
    const options = { force_reregister: true } as autobahn.IRegisterOptions;
    const registration = await wampCall(this.session.register(this.uri(procedure), answer, options));
    return async () => {
      await wampCall(this.session.unregister(registration));
    };
  }

  async call(procedure: string, args: BusPayload, timeoutMs: number): Promise<unknown> {
    const answer: PromiseLike<unknown> & Cancellable = this.session.call<unknown>(this.uri(procedure), [args]);
    // Without `kill` autobahn forgets the call, and takes the broker's answer for a violation of the protocol.
    const cancel = (): void => void (this.session.isOpen && answer.cancel?.({ mode: 'kill' }));
    const timer = setTimeout(cancel, timeoutMs + 1_000).unref(); // The bus's own timer comes first.
    try {
      return await wampCall(answer, procedure);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.isClosing = true;
    const closed = new Promise<void>((resolve) => (this.transport.onclose = () => resolve()));
    if (this.transport.isClosed) return;
    const timer = setTimeout(() => this.transport.abort('the broker did not answer our goodbye'), GOODBYE_TIMEOUT_MS);
    if (this.session.isOpen) this.session.leave('wamp.close.normal', '');
    else this.transport.close();
    await closed;
    clearTimeout(timer);
  }

  private uri(topic: string): string {
    return `${this.prefix}.${topic}`;
  }
}

/** Converts autobahn's rejections, which are no `Error`s, into ours. */
async function wampCall<T>(answer: PromiseLike<T>, procedure?: string): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { error: uri, args = [] } = error as WampError;
    const text = args.length > 0 ? `${uri}: ${args.map(String).join(', ')}` : uri;
    const code = procedure === undefined ? 'bus-refused' : 'bus-call-failed';
    throw new OperationalError(uri === 'wamp.error.no_such_procedure' ? 'bus-no-such-procedure' : code, text, {
      procedure,
    });
  }
}

function nativeDeferred(): { promise: Promise<unknown>; resolve: unknown; reject: unknown } {
  let resolve: unknown;
  let reject: unknown;
  const promise = new Promise((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  return { promise, resolve, reject };
}
