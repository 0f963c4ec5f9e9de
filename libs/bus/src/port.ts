import type { JsonValue } from '@millrace/domain';

/** `off`: there is no bus (the `none:` adapter, or the bus was closed), only polling. */
export type BusState = 'connected' | 'connecting' | 'off';

/** What a hint or a call carries: a plain JSON object. */
export type BusPayload = { readonly [key: string]: JsonValue };

export type HintHandler = (topic: string, payload: BusPayload) => void;
export type ProcedureHandler = (args: BusPayload) => Promise<BusPayload> | BusPayload;

export interface BusStats {
  /** Hints that the broker has taken. */
  readonly published: number;
  /** Hints that came in, counted once for every subscribed prefix that they fit. */
  readonly received: number;
  /** Hints given up: the queue was full, the topic or payload bad, the broker refused, or what came in was no JSON object. */
  readonly dropped: number;
  /** Hints replaced by a later one of the same topic before they were sent. */
  readonly coalesced: number;
  /** Connections after the first. */
  readonly reconnects: number;
}

/**
 * Carries "row X changed" hints, which may be lost (I1): whoever needs to know also polls, and polls at once when `onState` says
 * `connected` again. Topics are words with dots between (`builds.42.finished`); realm and URI prefix are configuration.
 */
export interface Bus {
  readonly state: BusState;
  /**
   * Never throws and never blocks. Sent at once when idle; while hints are on their way (or the bus is away), those of the same
   * topic are merged into the latest, and beyond `maxQueued` topics the oldest is dropped. A hint that was on its way when the
   * connection was lost is sent again, so it may arrive twice.
   */
  publish(topic: string, payload: BusPayload): void;
  /**
   * Hears every topic that is `prefix` or starts with `prefix + '.'`; '' hears all. Survives reconnects. A bus does not hear
   * itself. Once `ready` has resolved or the state is `connected`, what was subscribed before is in place; a later subscription
   * takes a round trip.
   *
   * @returns unsubscribes; may be called again
   * @throws UserError `bad-topic`
   */
  subscribe(prefix: string, handler: HintHandler): () => void;
  /**
   * Diagnostics only. A name belongs to one session: another one that registers it takes it over (WAMP) or answers beside it (NATS).
   *
   * @throws UserError `bad-topic`, `procedure-registered`
   */
  register(procedure: string, handler: ProcedureHandler): () => void;
  /**
   * Diagnostics only; default timeout 5,000 ms.
   *
   * @throws OperationalError `bus-disconnected` (also when the connection is lost meanwhile), `bus-call-timeout`,
   *   `bus-no-such-procedure`, `bus-call-failed`
   */
  call(procedure: string, args: BusPayload, options?: { readonly timeoutMs?: number }): Promise<BusPayload>;
  /** Hears every later change of state; returns how to stop that. */
  onState(listener: (state: BusState) => void): () => void;
  readonly stats: BusStats;
  /**
   * Resolves when connected for the first time (at once for `off`).
   *
   * @throws OperationalError `bus-unreachable` with the last failure
   */
  ready(timeoutMs: number): Promise<void>;
  /** Sends what is queued if connected, then disconnects. Idempotent. */
  close(): Promise<void>;
}

export interface BusOptions {
  /**
   * `none:`, `ws://`, `wss://` (WAMP), `nats://` or `tls://` (NATS). May carry `user:password@`: authid and ticket for WAMP, user
   * and password (or a token alone) for NATS.
   */
  readonly url: string;
  /** WAMP only; default `realm1`. */
  readonly realm?: string;
  /** Before every topic and procedure; default `org.millrace`. */
  readonly prefix?: string;
  /** WAMP; default `millrace` when there is a ticket. */
  readonly authId?: string;
  readonly ticket?: string;
  /** NATS. */
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Topics that may wait; default 10,000. */
  readonly maxQueued?: number;
  /** A connection that is silent for two of these is given up; also half of what connecting may take. Default 5,000. */
  readonly heartbeatMs?: number;
  /** Between attempts to connect: doubles from `minMs` (100) to `maxMs` (5,000), with jitter. */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
  /** What goes wrong without being anybody's exception: refused subscriptions, handlers that throw, failed connections. */
  readonly onWarning?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}
