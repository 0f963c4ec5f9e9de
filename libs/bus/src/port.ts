import type { JsonValue } from '@millrace/domain';

/** State of a bus. `off`: there is no bus (the `none:` adapter, or the bus was closed), only polling. */
export type BusState = 'connected' | 'connecting' | 'off';

/** What a hint or a call carries: a plain JSON object. */
export type BusPayload = { readonly [key: string]: JsonValue };

export type HintHandler = (topic: string, payload: BusPayload) => void;
export type ProcedureHandler = (args: BusPayload) => Promise<BusPayload> | BusPayload;

export interface BusStats {
  /** Number of hints that the broker has taken. */
  readonly published: number;
  /** Number of received hints, counted once for every subscribed prefix that they match. */
  readonly received: number;
  /**
   * Number of dropped hints: the queue was full, the topic or payload was bad, the broker refused, or a received message was no JSON
   * object.
   */
  readonly dropped: number;
  /** Number of hints replaced by a later one of the same topic before they were sent. */
  readonly coalesced: number;
  /** Number of connections after the first. */
  readonly reconnects: number;
}

/**
 * Carries "row X changed" hints, which may be lost (I1). A subscriber that must not miss a change also polls, and polls at once when
 * `onState` reports `connected` again. Topics are words with dots between (`builds.42.finished`); realm and URI prefix are configuration.
 */
export interface Bus {
  readonly state: BusState;
  /**
   * Publishes a hint. Never throws and never blocks. The hint is sent at once when the bus is idle. While hints are on their way (or the
   * bus is disconnected), hints of the same topic are merged into the latest, and beyond `maxQueued` topics the oldest is dropped. A hint
   * that was on its way when the connection was lost is sent again, so it may arrive twice.
   */
  publish(topic: string, payload: BusPayload): void;
  /**
   * Subscribes to every topic that is `prefix` or starts with `prefix + '.'`; '' means all topics. Subscriptions survive reconnects. A bus
   * does not receive its own hints. Once `ready` has resolved or the state is `connected`, earlier subscriptions are in place; a later one
   * takes a round trip.
   *
   * @returns unsubscribes; may be called again
   * @throws UserError `bad-topic`
   */
  subscribe(prefix: string, handler: HintHandler): () => void;
  /**
   * Registers a procedure, for diagnostics only. A name belongs to one session: another one that registers it takes it over (WAMP) or
   * answers beside it (NATS).
   *
   * @throws UserError `bad-topic`, `procedure-registered`
   */
  register(procedure: string, handler: ProcedureHandler): () => void;
  /**
   * Calls a procedure, for diagnostics only. The default timeout is 5,000 ms.
   *
   * @throws OperationalError `bus-disconnected` (also when the connection is lost meanwhile), `bus-call-timeout`, `bus-no-such-procedure`,
   *   `bus-call-failed`
   */
  call(procedure: string, args: BusPayload, options?: { readonly timeoutMs?: number }): Promise<BusPayload>;
  /** Calls `listener` at every later change of state. Returns a function that removes the listener. */
  onState(listener: (state: BusState) => void): () => void;
  readonly stats: BusStats;
  /**
   * Resolves when connected for the first time (at once for `off`).
   *
   * @throws OperationalError `bus-unreachable` with the last failure
   */
  ready(timeoutMs: number): Promise<void>;
  /** Sends the queued hints if connected, then disconnects. Idempotent. */
  close(): Promise<void>;
}

export interface BusOptions {
  /**
   * URL of the broker: `none:`, `ws://`, `wss://` (WAMP), `nats://` or `tls://` (NATS). May contain `user:password@`: authid and ticket for
   * WAMP, user and password (or a token alone) for NATS.
   */
  readonly url: string;
  /** WAMP realm. Default `realm1`. */
  readonly realm?: string;
  /** Prefix of every topic and procedure. Default `org.millrace`. */
  readonly prefix?: string;
  /** WAMP authid. Default `millrace` when there is a ticket. */
  readonly authId?: string;
  readonly ticket?: string;
  /** NATS user. */
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Most topics with waiting hints. Default 10,000. */
  readonly maxQueued?: number;
  /** A connection that is silent for two heartbeats is given up. Connecting may take as long. Default 5,000. */
  readonly heartbeatMs?: number;
  /** Delay between attempts to connect. It doubles from `minMs` (100) to `maxMs` (5,000), with jitter. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
  /** Called for problems that no caller is told about: refused subscriptions, handlers that throw, failed connections. */
  readonly onWarning?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}
