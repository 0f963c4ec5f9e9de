import type { BusState } from '@millrace/bus';
import type { Hint } from '@millrace/contracts';

export type { BusState };
export type HintHandler = (topic: string, payload: Hint['payload']) => void;

/** The bus as the main thread sees it: hints in, hints out. */
export abstract class Hints {
  abstract readonly state: BusState;
  /** To other masters through the bus, and at once to the listeners of this one. */
  abstract publish(hint: Hint): void;
  /** Hears every topic that is `prefix` or lies below it; returns what ends that. */
  abstract subscribe(prefix: string, handler: HintHandler): () => void;
  abstract onState(listener: (state: BusState) => void): () => void;
}
