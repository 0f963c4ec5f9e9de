import type { Admission, AdmissionFacts, Refusal } from './facts.js';
import { oneBuildOfABuilder } from './one-build-of-a-builder.js';
import { workerHasRoom } from './worker-has-room.js';
import { workerIsNotHeld } from './worker-is-not-held.js';
import { workerIsThere } from './worker-is-there.js';

/** Everything that decides a claim, from the most to the least serious: of what waits, the one that the best of its workers got to
 * is shown. */
export const ADMISSIONS: readonly Admission[] = [workerIsThere, workerIsNotHeld, workerHasRoom, oneBuildOfABuilder];

/** How far down the list a build got on a worker, and why no further. */
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

/** The first refusal; null: the build may begin. */
export function refusalOf(facts: AdmissionFacts): Refusal | null {
  return stopOf(facts)?.refusal ?? null;
}

/** Why a build may begin on none of its builder's workers, of which there is one at least; null: it may on one of them. */
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

/** A claim that is wanted: of a request of some builder, for some worker. */
export interface Wanted {
  readonly workerId: number;
  readonly builderId: number;
}

/** What is known of a worker. */
export interface WorkerFacts extends Pick<AdmissionFacts, 'heldBy' | 'maxBuilds'> {
  /** The builder of each build that it has now, on all engines together. */
  readonly builderIds: readonly number[];
}

/**
 * Which claims are admitted, in order: each sees those that were admitted before it. A worker that nothing is known of is not there.
 * @param placeOf where the claim's worker is for it
 */
export function admitted<T extends Wanted>(
  claims: readonly T[],
  workers: ReadonlyMap<number, WorkerFacts>,
  placeOf: (claim: T) => AdmissionFacts['place'],
): T[] {
  const builderIds = new Map([...workers].map(([workerId, facts]) => [workerId, [...facts.builderIds]]));
  return claims.filter((claim) => {
    const worker = workers.get(claim.workerId);
    const busy = builderIds.get(claim.workerId);
    if (!worker || !busy) return false;
    const { heldBy, maxBuilds } = worker;
    const buildsOfBuilder = busy.filter((builderId) => builderId === claim.builderId).length;
    if (refusalOf({ place: placeOf(claim), heldBy, maxBuilds, builds: busy.length, buildsOfBuilder })) return false;
    busy.push(claim.builderId);
    return true;
  });
}
