import type { CompiledScheduler } from '@millrace/contracts';
import { answerCall } from '../call.js';
import { latestStamps } from '../codebases.js';
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
import { weigh } from '../on-change/decide.js';
import { planBuildset } from '../plan.js';
import type { Timed } from './compile.js';
import { isSlot, nextSlot } from './slots.js';

type Scheduler = CompiledScheduler & Timed;

/** A slot is missed when it is this late: a master that takes over from a dead one is sooner. */
const MISSED_AFTER_MS = 5 * 60_000;
/** Number of changes that are let go at once when more wait than are looked at together. */
const LET_GO = 500;

/** The decisions of a scheduler by time. The stored time to wake up is the next slot. */
export const TIMED: Reactions<Scheduler> = { change: decideChange, time: decideTime, call: answerCall };

function decideChange(scheduler: Scheduler, state: SchedulerState, cause: ChangeCause): Decision | Ask {
  const nothing = unchanged(state);
  const { change } = cause;
  const mark = { changeId: change.changeId, was: 'new' } as const;
  const ignored = (reason: string): Decision => ({ ...nothing, marks: [{ ...mark, now: 'ignored', reason }] });
  if (!scheduler.onlyIfChanged) return ignored('it builds at its times, whatever changes');
  const stamp = scheduler.sourceStamps.find(({ codebase }) => codebase === change.codebase);
  if (!stamp) return ignored(`the codebase '${change.codebase}' is not one of its own`);
  if (stamp.branch !== null && stamp.branch !== change.branch) return ignored(`it builds the branch '${stamp.branch}'`);
  const weight = weigh(scheduler, cause);
  if ('ask' in weight) return weight;
  return {
    ...nothing,
    marks: ['settled' in weight ? weight.settled : { ...mark, now: 'waiting', important: weight.important }],
  };
}

function decideTime(scheduler: Scheduler, state: SchedulerState, { waiting, hasMore }: TimeCause): Decision {
  const { slots } = scheduler;
  const { nowMs, wakeAtMs } = state;
  if (hasMore) return { buildsets: [], marks: letGo(waiting), wakeAtMs: wakeAtMs ?? nextSlot(slots, nowMs) };
  const next: Decision = { buildsets: [], marks: [], wakeAtMs: nextSlot(slots, nowMs) };
  // A time that is no slot is from another configuration.
  if (wakeAtMs === null || wakeAtMs > nowMs || !isSlot(slots, wakeAtMs)) return next;
  if (scheduler.missed === 'skip' && nowMs - wakeAtMs > MISSED_AFTER_MS) return next;
  const isForced = scheduler.forceAt !== null && isSlot(scheduler.forceAt, wakeAtMs);
  if (scheduler.onlyIfChanged && !isForced && !waiting.some(({ important }) => important)) return next;
  const changes = waiting.map(({ change }) => change);
  const slot = new Date(wakeAtMs).toISOString();
  return {
    ...next,
    buildsets: [
      planBuildset(scheduler, {
        cause: `time:${slot}`,
        reason: `scheduler '${scheduler.name}' at ${slot}`,
        changes,
        sourceStamps: latestStamps(scheduler.sourceStamps, changes),
      }),
    ],
    marks: waiting.map(({ change: { changeId }, important }) => ({
      ...{ changeId, was: 'waiting', now: 'built', important },
    })),
  };
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
