import type { LockObstacle } from '../locks/lock-table.js';
import type { Admission, AdmissionFacts, Refusal } from './facts.js';
import { locksAreFree } from './locks-are-free.js';
import { oneBuildOfABuilder } from './one-build-of-a-builder.js';
import { workerHasRoom } from './worker-has-room.js';
import { workerIsNotHeld } from './worker-is-not-held.js';
import { workerIsThere } from './worker-is-there.js';

/**
 * All rules that decide a claim, from the most to the least serious. For a waiting request the furthest rule that any of its workers got to
 * is shown.
 */
export const ADMISSIONS: readonly Admission[] = [
  workerIsThere,
  workerIsNotHeld,
  workerHasRoom,
  oneBuildOfABuilder,
  locksAreFree,
];

/** The rule that refused a build on a worker, with its position in the list. */
interface Stop {
  readonly rule: number;
  readonly refusal: Refusal;
}

function stopOf(facts: AdmissionFacts): Stop | null {
  for (const [rule, admission] of ADMISSIONS.entries()) {
    const refusal = admission(facts);
    if (refusal) return { rule, refusal };
  }
  return null;
}

/** Returns the first refusal; null when the build may begin. */
export function refusalOf(facts: AdmissionFacts): Refusal | null {
  return stopOf(facts)?.refusal ?? null;
}

/**
 * Returns why a build may not begin on any of its builder's workers, of which there is at least one; null when it may begin on one of them.
 */
export function refusalOfAll(workers: readonly AdmissionFacts[]): Refusal | null {
  const stops: Stop[] = [];
  for (const facts of workers) {
    const stop = stopOf(facts);
    if (!stop) return null;
    stops.push(stop);
  }
  stops.sort((a, b) => a.rule - b.rule);
  return { reason: stops.at(-1)!.refusal.reason, text: sentenceOf(stops.map(({ refusal }) => refusal.text)) };
}

function sentenceOf(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  if (texts.length === 1) return `The worker of this builder is ${texts[0]}.`;
  if (counts.size === 1) return `All ${texts.length} workers of this builder are ${texts[0]}.`;
  const parts = [...counts].map(([text, count]) => `${count} ${count === 1 ? 'is' : 'are'} ${text}`);
  return `No worker of this builder can take it: ${parts.join(', ')}.`;
}

/** A wanted claim: of a request of some builder, for some worker. */
export interface Wanted {
  readonly workerId: number;
  readonly builderId: number;
}

/** The state of a worker. */
export interface WorkerFacts extends Pick<AdmissionFacts, 'heldBy' | 'maxBuilds'> {
  /** The builder of each build that the worker has now, on all engines together. */
  readonly builderIds: readonly number[];
}

/** The locks that claims need. */
export interface ClaimLocks<T extends Wanted> {
  obstacleOf(claim: T): LockObstacle | null;
  /** Takes the locks of an admitted claim. */
  take(claim: T): void;
}

export interface Admitted<T extends Wanted> {
  /** In order. */
  readonly claims: readonly T[];
  /** Claims that nothing but a lock keeps from beginning. */
  readonly waiting: readonly { readonly claim: T; readonly lock: LockObstacle }[];
}

/**
 * Returns the claims that are admitted: each rule takes the claims admitted before into account. A worker without facts counts as absent.
 * @param placeOf returns the place of the claim's worker
 * @param locks null when no claim needs any
 */
export function admitted<T extends Wanted>(
  claims: readonly T[],
  workers: ReadonlyMap<number, WorkerFacts>,
  placeOf: (claim: T) => AdmissionFacts['place'],
  locks: ClaimLocks<T> | null = null,
): Admitted<T> {
  const builderIds = new Map([...workers].map(([workerId, facts]) => [workerId, [...facts.builderIds]]));
  const waiting: { claim: T; lock: LockObstacle }[] = [];
  const won = claims.filter((claim) => {
    const worker = workers.get(claim.workerId);
    const busy = builderIds.get(claim.workerId);
    if (!worker || !busy) return false;
    const { heldBy, maxBuilds } = worker;
    const refusal = refusalOf({
      place: placeOf(claim),
      heldBy,
      maxBuilds,
      builds: busy.length,
      buildsOfBuilder: busy.filter((builderId) => builderId === claim.builderId).length,
      // Asked only for a claim that no earlier rule refuses.
      get lock() {
        return locks?.obstacleOf(claim) ?? null;
      },
    });
    if (refusal?.lock) waiting.push({ claim, lock: refusal.lock });
    if (refusal) return false;
    busy.push(claim.builderId);
    locks?.take(claim);
    return true;
  });
  return { claims: won, waiting };
}
