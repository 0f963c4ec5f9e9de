import type { CompiledScheduler } from '@millrace/contracts';
import { answerCall } from '../call.js';
import { latestStamps, stampOf } from '../codebases.js';
import {
  type Ask,
  type ChangeCause,
  type Decision,
  type Mark,
  type Reactions,
  type SchedulerState,
  type TimeCause,
  unchanged,
  type WaitingChange,
} from '../kind.js';
import { foreign, weigh } from '../on-change/decide.js';
import { planBuildset } from '../plan.js';
import type { Timed } from './compile.js';
import { isSlot, nextSlot, type Slots } from './slots.js';

type Scheduler = CompiledScheduler & Timed;

/** A slot is missed when it is this late: a master that takes over from a dead one is sooner. */
const MISSED_AFTER_MS = 5 * 60_000;
const WHATEVER = 'it builds at its times, whatever changes';
/** Number of changes that are let go at once when more wait than are looked at together. */
const LET_GO = 500;

/** The decisions of a scheduler by time. The stored time to wake up is the next slot. */
export const TIMED: Reactions<Scheduler> = { change: decideChange, time: decideTime, call: answerCall };

function decideChange(scheduler: Scheduler, state: SchedulerState, cause: ChangeCause): Decision | Ask {
  const nothing = unchanged(state);
  const { change } = cause;
  const mark = { changeId: change.changeId, was: 'new' } as const;
  const ignored = (reason: string): Decision => ({ ...nothing, marks: [{ ...mark, now: 'ignored', reason }] });
  const { onlyIfChanged, isAbsolute } = scheduler;
  if (!onlyIfChanged && !isAbsolute) return ignored(WHATEVER);
  const stamp = scheduler.codebases.find(({ codebase }) => codebase === change.codebase);
  if (!stamp) return { ...nothing, marks: [foreign(change)] };
  if (stamp.branch !== null && stamp.branch !== change.branch) return ignored(`it builds the branch '${stamp.branch}'`);
  const weight = weigh(scheduler, cause);
  if ('ask' in weight) return weight;
  if ('settled' in weight) return { ...nothing, marks: [weight.settled] };
  const remember = isAbsolute ? { remember: [stampOf(change)] } : {};
  return onlyIfChanged
    ? { ...nothing, ...remember, marks: [{ ...mark, now: 'waiting', important: weight.important }] }
    : { ...ignored(WHATEVER), ...remember };
}

function decideTime(scheduler: Scheduler, state: SchedulerState, { waiting, hasMore }: TimeCause): Decision {
  const { slots } = scheduler;
  const { nowMs, wakeAtMs } = state;
  if (hasMore) return { buildsets: [], marks: letGo(waiting), wakeAtMs: wakeAtMs ?? nextSlot(slots, nowMs) };
  const next: Decision = { buildsets: [], marks: [], wakeAtMs: nextSlot(slots, nowMs) };
  const dueMs = dueSlot(scheduler, state);
  if (dueMs === null) return next;
  const isForced = scheduler.forceAt !== null && isSlot(scheduler.forceAt, dueMs);
  if (scheduler.onlyIfChanged && !isForced && !waiting.some(({ important }) => important)) return next;
  const changes = waiting.map(({ change }) => change);
  const slot = new Date(dueMs).toISOString();
  return {
    ...next,
    buildsets: [
      planBuildset(scheduler, {
        cause: `time:${slot}`,
        reason: `scheduler '${scheduler.name}' at ${slot}`,
        changes,
        sourceStamps: latestStamps(scheduler.codebases, scheduler.isAbsolute ? state.known : [], changes),
      }),
    ],
    marks: waiting.map(({ change: { changeId }, important }) => ({
      ...{ changeId, was: 'waiting', now: 'built', important },
    })),
  };
}

/** Returns the slot that has come; null when none has, or it is to be skipped. */
export function dueSlot(
  { slots, missed }: { readonly slots: Slots; readonly missed: Timed['missed'] },
  { nowMs, wakeAtMs }: SchedulerState,
): number | null {
  // A time that is no slot is from another configuration.
  if (wakeAtMs === null || wakeAtMs > nowMs || !isSlot(slots, wakeAtMs)) return null;
  return missed === 'skip' && nowMs - wakeAtMs > MISSED_AFTER_MS ? null : wakeAtMs;
}

/** Lets go of the oldest changes but for what later ones do not stand for: one that is important, and the last of each codebase. */
function letGo(waiting: readonly WaitingChange[]): Mark[] {
  const oldest = waiting.slice(0, LET_GO);
  const kept = new Set(new Map(oldest.map((one) => [one.change.codebase, one])).values());
  const important = oldest.findLast((one) => one.important);
  if (important) kept.add(important);
  return oldest
    .filter((one) => !kept.has(one))
    .map(({ change: { changeId } }) => ({
      ...{ changeId, was: 'waiting', now: 'ignored', reason: 'later changes that wait contain it' },
    }));
}
