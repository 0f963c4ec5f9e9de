import type { BusState } from '@millrace/bus';
import type { Hint } from '@millrace/contracts';

export type { BusState };
export type HintHandler = (topic: string, payload: Hint['payload']) => void;

/** The bus as the main thread sees it: it publishes hints and subscribes to them. */
export abstract class Hints {
  abstract readonly state: BusState;
  /** Sends a hint to other masters through the bus, and at once to the listeners of this one. */
  abstract publish(hint: Hint): void;
  /** Subscribes to every topic that is `prefix` or lies below it. Returns a function that unsubscribes. */
  abstract subscribe(prefix: string, handler: HintHandler): () => void;
  abstract onState(listener: (state: BusState) => void): () => void;
}
