import type { BusOptions, BusState } from '@millrace/bus';
import type { Hint } from '@millrace/contracts';
import type { Incarnation } from '@millrace/database';

/** Data that the control thread is started with. */
export interface ControlSetup {
  readonly databaseUrl: string;
  readonly bus: BusOptions;
  readonly me: Incarnation;
  readonly leaseMs: number;
  /** One `BigInt64`: when the main loop last turned, by `monotonicMs`. */
  readonly heartbeat: SharedArrayBuffer;
}

/** A hint for one subscription. */
export interface HeardHint extends Hint {
  readonly id: number;
}

export type ToControl =
  | { readonly kind: 'publish'; readonly hints: readonly Hint[] }
  | { readonly kind: 'subscribe'; readonly id: number; readonly prefix: string }
  | { readonly kind: 'unsubscribe'; readonly id: number }
  | { readonly kind: 'stop' };

export type FromControl =
  | { readonly kind: 'bus-state'; readonly state: BusState }
  | { readonly kind: 'hints'; readonly heard: readonly HeardHint[] }
  /** Messages on the bus were no hints. `count` is their number since the last report; there is at most one report a minute. */
  | { readonly kind: 'dropped-hints'; readonly count: number; readonly topic: string }
  /** A warning of the bus about a problem that no caller is told about. */
  | { readonly kind: 'bus-warning'; readonly text: string; readonly fields: Readonly<Record<string, string | number>> }
  /** Whether the database answered when the lease was to be renewed. */
  | { readonly kind: 'renewal'; readonly ok: boolean; readonly reason: string | null }
  /** The database's clock was set forward. */
  | { readonly kind: 'clock-set'; readonly stepMs: number }
  | { readonly kind: 'stopped' };
