import type { CompiledScheduler } from '@millrace/contracts';
import { filterChange, MillraceError } from '@millrace/domain';
import type { ChangeInfo } from '../../step.js';
import { answerCall } from '../call.js';
import {
  type Answers,
  type Ask,
  type ChangeCause,
  type Decision,
  type Mark,
  type PlannedBuildset,
  type Question,
  type Reactions,
  type SchedulerState,
  type SeenChange,
  type TimeCause,
  unchanged,
} from '../kind.js';
import { hasCodebase, latestStamps, stampOf } from '../codebases.js';
import { planBuildset } from '../plan.js';
import type { OnChange, Weighing } from './compile.js';
import { decideStable } from './tree-stable.js';

type Scheduler = CompiledScheduler & OnChange;

const NOT_IMPORTANT = 'not important';

/**
 * Returns the decisions of a scheduler over changes.
 * @param groupOf returns the group of a change; changes of one group that wait for a stable tree are built together
 */
export function onChange(groupOf: (change: SeenChange, scheduler: Scheduler) => string): Reactions<Scheduler> {
  return {
    change: decideChange,
    time: (scheduler, state, cause) => decideWaiting(scheduler, state, cause, (change) => groupOf(change, scheduler)),
    call: answerCall,
  };
}

function decideChange(scheduler: Scheduler, state: SchedulerState, cause: ChangeCause): Decision | Ask {
  const { change } = cause;
  const nothing = unchanged(state);
  if (!hasCodebase(scheduler, change.codebase)) return { ...nothing, marks: [foreign(change)] };
  const weight = weigh(scheduler, cause);
  if ('ask' in weight) return weight;
  if ('settled' in weight) return { ...nothing, marks: [weight.settled] };
  const mark = { changeId: change.changeId, was: 'new' } as const;
  const { treeStableMs } = scheduler;
  const { important } = weight;
  const remember = scheduler.isAbsolute ? { remember: [stampOf(change)] } : {};
  // Without a timer no change waits, so an unimportant one cannot be built together with a later one.
  if (!important && treeStableMs === null)
    return { ...nothing, ...remember, marks: [{ ...mark, now: 'ignored', reason: NOT_IMPORTANT }] };
  if (treeStableMs === null) {
    const buildset = buildsetFor(scheduler, state, [change], `change:${change.changeId}`);
    return { ...nothing, ...remember, buildsets: [buildset], marks: [{ ...mark, now: 'built', important }] };
  }
  const quietAtMs = state.nowMs + treeStableMs;
  return {
    ...nothing,
    ...remember,
    marks: [{ ...mark, now: 'waiting', important }],
    wakeAtMs: important ? Math.min(state.wakeAtMs ?? Infinity, quietAtMs) : state.wakeAtMs,
  };
}

function decideWaiting(
  scheduler: Scheduler,
  state: SchedulerState,
  { waiting, hasMore }: TimeCause,
  groupOf: (change: SeenChange) => string,
): Decision {
  const { nowMs } = state;
  const stable = decideStable(
    waiting.map(({ change, important, sinceMs }) => ({ change, important, sinceMs, group: groupOf(change) })),
    // The change may wait because an earlier configuration had a timer.
    { nowMs, treeStableMs: scheduler.treeStableMs ?? 0, isFull: hasMore },
  );
  const marks = { was: 'waiting' } as const;
  return {
    buildsets: stable.batches.map((batch) => {
      const changes = batch.map(({ change }) => change);
      return buildsetFor(scheduler, state, changes, `changes:${changes[0]!.changeId}-${changes.at(-1)!.changeId}`);
    }),
    marks: [
      ...stable.batches.flat().map(({ change: { changeId }, important }) => ({
        ...{ ...marks, changeId, now: 'built' as const, important },
      })),
      ...stable.letGo.map(({ change: { changeId } }) => ({
        ...{ ...marks, changeId, now: 'ignored' as const, reason: NOT_IMPORTANT },
      })),
      ...stable.again.map(({ change: { changeId }, important }) => ({
        ...{ ...marks, changeId, now: 'waiting' as const, important },
      })),
    ],
    wakeAtMs: hasMore && (stable.batches.length > 0 || stable.letGo.length > 0) ? nowMs : stable.wakeAtMs,
  };
}

/** Returns the mark of a change whose codebase is none of the scheduler's. */
export function foreign({ changeId, codebase }: SeenChange): Mark {
  return { changeId, was: 'new', now: 'ignored', reason: `the codebase '${codebase}' is not one of its own` };
}

/** Weighs a change: whether it is important, or why it starts nothing and waits for nothing. */
export function weigh(
  scheduler: CompiledScheduler & Weighing,
  { change, answers }: ChangeCause,
): { readonly important: boolean } | { readonly settled: Mark } | Ask {
  const mark = { changeId: change.changeId, was: 'new' } as const;
  const passes = passesFilter(scheduler, change, answers);
  if ('ask' in passes) return passes;
  if ('failed' in passes) return { settled: { ...mark, now: 'failed', reason: passes.failed } };
  if ('no' in passes) return { settled: { ...mark, now: 'ignored', reason: passes.no } };
  const importance = isImportant(scheduler, change, answers);
  if ('ask' in importance) return importance;
  if ('failed' in importance) return { settled: { ...mark, now: 'failed', reason: importance.failed } };
  const important = 'yes' in importance;
  if (!important && scheduler.onlyImportant) return { settled: { ...mark, now: 'ignored', reason: NOT_IMPORTANT } };
  return { important };
}

type Verdict = { readonly yes: true } | { readonly no: string } | { readonly failed: string } | Ask;

/** A question, with the reason in words when it is answered no. */
type Condition = Question & { readonly refusal: string };

function passesFilter({ filter }: Weighing, change: SeenChange, answers: Answers): Verdict {
  try {
    const decision = filterChange(filter, change);
    if (decision.kind === 'undecided') return allSay(decision.ask, answers);
    return decision.kind === 'passes' ? { yes: true } : { no: decision.reason };
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'bad-pattern') return { failed: error.message };
    throw error;
  }
}

function isImportant({ isImportant: handle }: Weighing, change: SeenChange, answers: Answers): Verdict {
  if (handle === null) return { yes: true };
  return allSay([{ handle, value: { ...changeForUsers(change) }, refusal: NOT_IMPORTANT }], answers);
}

/** Whether all callbacks return true. They are asked in order; after the first that returns false no others are asked. */
function allSay(conditions: readonly Condition[], answers: Answers): Verdict {
  for (const { refusal, ...ask } of conditions) {
    const answer = answers.get(ask.handle);
    if (answer === undefined) return { ask };
    if (typeof answer === 'object') return answer;
    if (!answer) return { no: refusal };
  }
  return { yes: true };
}

/** Returns a change as callbacks get it. */
export function changeForUsers({ changeId, whenMs, ...change }: SeenChange): ChangeInfo {
  const { author, comments, branch, revision, files, repository, project, codebase, category } = change;
  return {
    ...{ id: changeId, author, comments, branch, revision, files: [...files], repository, project, codebase, category },
    when: whenMs,
  };
}

function buildsetFor(
  scheduler: Scheduler,
  { known }: SchedulerState,
  changes: readonly SeenChange[],
  cause: string,
): PlannedBuildset {
  const { codebases, isAbsolute } = scheduler;
  const sourceStamps = codebases
    ? latestStamps(codebases, isAbsolute ? known : [], changes)
    : [stampOf(changes.at(-1)!)];
  return planBuildset(scheduler, { cause, reason: reasonFor(scheduler, changes), changes, sourceStamps });
}

function reasonFor(scheduler: Scheduler, changes: readonly SeenChange[]): string {
  const what = changes.length === 1 ? 'a change' : `${changes.length} changes`;
  return `scheduler '${scheduler.name}' saw ${what} on ${changes.at(-1)!.branch ?? 'the default branch'}`;
}
