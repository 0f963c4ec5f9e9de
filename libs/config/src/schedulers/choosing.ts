import { type Choosing, type CompiledScheduler, PRIORITY_LIMIT } from '@millrace/contracts';
import { type JsonValue, printable, stampForUsers } from '@millrace/domain';
import type { CallbackTable } from '../callback-table.js';
import type { ObjectReader } from '../object-reader.js';
import type { Decision, PlannedBuildset, Question, SchedulerKind, SeenChange } from './kind.js';
import { changeForUsers } from './on-change/decide.js';

/** The result of a callback that chooses, or why it keeps failing. */
export type Choice = { readonly value: JsonValue } | { readonly failed: string };

/** Reads which of a scheduler's options are callbacks. One that only people and scripts start has none: they say what they want. */
export function compileChoosing(
  reader: ObjectReader,
  { on }: SchedulerKind,
  callbacks: CallbackTable,
): Choosing | null {
  if (!on.change && !on.time && !on.buildset) return null;
  const handleOf = (key: string): string | null =>
    typeof reader.raw(key) === 'function' ? callbacks.keep(reader.at(key), reader.raw(key)) : null;
  const choosing = { builders: handleOf('builders'), priority: handleOf('priority') };
  return choosing.builders === null && choosing.priority === null ? null : choosing;
}

/** Returns the question to a callback about a buildset. */
export function questionAbout(
  handle: string,
  { sourceStamps, builders }: PlannedBuildset,
  changes: readonly SeenChange[],
): Question {
  const value = {
    changes: changes.map((change) => ({ ...changeForUsers(change) })),
    sourceStamps: sourceStamps.map(stampForUsers),
    builders: [...builders],
  };
  return { handle, value };
}

/** Returns the buildset with the builders that were chosen, or why there is none. */
export function withBuilders(
  scheduler: CompiledScheduler,
  planned: PlannedBuildset,
  choice: Choice,
): PlannedBuildset | Refused {
  if ('failed' in choice) return { refused: 'failed', reason: choice.failed };
  const { value } = choice;
  const names: readonly unknown[] = Array.isArray(value) ? value : [value];
  const foreign = names.find((name) => typeof name !== 'string' || !scheduler.builders.includes(name));
  if (foreign !== undefined) return wrong('builders', foreign, 'names of builders');
  if (names.length === 0) return { refused: 'ignored', reason: 'its callback chose no builder' };
  return { ...planned, builders: [...new Set(names as readonly string[])] };
}

/** Returns the buildset with the priority that was chosen, or why there is none. */
export function withPriority(planned: PlannedBuildset, choice: Choice): PlannedBuildset | Refused {
  if ('failed' in choice) return { refused: 'failed', reason: choice.failed };
  const { value: priority } = choice;
  return typeof priority === 'number' && Number.isInteger(priority) && Math.abs(priority) <= PRIORITY_LIMIT
    ? { ...planned, priority }
    : wrong('priority', priority, `a whole number from ${-PRIORITY_LIMIT} to ${PRIORITY_LIMIT}`);
}

/** Why a buildset is not made. */
export interface Refused {
  readonly refused: 'failed' | 'ignored';
  readonly reason: string;
}

function wrong(key: string, value: unknown, expected: string): Refused {
  return {
    refused: 'failed',
    reason: `the callback ${key} returned ${printable(JSON.stringify(value) ?? 'nothing', 100)}; expected ${expected}`,
  };
}

/** Returns a decision without one of its buildsets: why is what was decided about its changes. */
export function without(decision: Decision, planned: PlannedBuildset, { refused, reason }: Refused): Decision {
  const its = new Set(planned.changeIds);
  return {
    ...decision,
    buildsets: decision.buildsets.filter((one) => one !== planned),
    marks: decision.marks.map((mark) => {
      const { changeId, was } = mark;
      return its.has(changeId) && mark.now === 'built' ? { changeId, was, now: refused, reason } : mark;
    }),
  };
}
