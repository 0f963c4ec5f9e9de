import { type JsonValue, parseJson, UserError } from '@millrace/domain';
import { StepNames } from './step-sequence.js';

/** Limits of the steps that steps add. */
export const ADDED_LIMITS = {
  /** In all, in one build. */
  steps: 1000,
  /** Steps that were added by steps that were added, and so on. */
  depth: 10,
  /** Calls of one step. */
  calls: 50,
  /** Of what the steps of one step are made of, as JSON. */
  characters: 256 << 10,
} as const;

/** What added steps are made of, and where they go: right after the step that adds them, or after all others. */
export interface AddedSteps {
  readonly after: 'current' | 'last';
  readonly data: JsonValue;
}

/** Steps that were made by one call of a step. */
export interface MadeSteps<T> {
  readonly after: AddedSteps['after'];
  readonly steps: readonly T[];
}

/** A step that is to be run. */
export interface PlannedStep<T> {
  readonly step: T;
  readonly name: string;
  /** 0 for a step of the factory, otherwise one more than that of the step that added it. */
  readonly depth: number;
}

/** The steps of a build that are still to be run. */
export class StepPlan<T extends { readonly name: string }> {
  private readonly names = new StepNames();
  private readonly steps: PlannedStep<T>[];
  private added = 0;

  constructor(factory: readonly T[]) {
    this.steps = factory.map((step) => this.planned(step, 0));
  }

  next(): PlannedStep<T> | undefined {
    return this.steps.shift();
  }

  /**
   * Checks that a step may add so many, and counts them.
   * @throws UserError `too-many-steps`
   */
  admit(by: { readonly depth: number }, count: number): void {
    const refused = (problem: string): UserError => new UserError('too-many-steps', problem, { count });
    const added = this.added + count;
    if (added > ADDED_LIMITS.steps)
      throw refused(`a build has at most ${ADDED_LIMITS.steps} added steps: these would be ${added}`);
    if (count > 0 && by.depth >= ADDED_LIMITS.depth)
      throw refused(`steps have added one another ${by.depth} times: that is the limit`);
    this.added = added;
  }

  /** Adds what a step has added, in the order of its calls. */
  add(by: { readonly depth: number }, calls: readonly MadeSteps<T>[]): void {
    const planned = calls.map(({ after, steps }) => ({
      after,
      steps: steps.map((step) => this.planned(step, by.depth + 1)),
    }));
    const of = (after: AddedSteps['after']) =>
      planned.filter((one) => one.after === after).flatMap(({ steps }) => steps);
    this.steps.unshift(...of('current'));
    this.steps.push(...of('last'));
  }

  private planned(step: T, depth: number): PlannedStep<T> {
    return { step, name: this.names.take(step.name), depth };
  }
}

/** Returns what was recorded of a step's added steps. */
export function readAdded(json: string | null): readonly AddedSteps[] {
  if (json === null) return [];
  const limits = { maxCharacters: 2 * ADDED_LIMITS.characters, maxValues: ADDED_LIMITS.characters };
  return parseJson(json, limits, 'recorded steps') as AddedSteps[];
}
