import { fitsBeside, isEarlier, type LockHold, type LockWait, placeKey } from './lock-table.js';

/** A request in a deadlock, and the lock that it waits for. */
export interface DeadlockMember {
  readonly wait: LockWait;
  /** The next member, which has that lock. */
  readonly holderId: number;
}

/** Everything that is held and waited for. */
export interface LockGraph {
  readonly holds: readonly LockHold[];
  readonly waits: readonly LockWait[];
}

/**
 * Returns the waiting requests that cannot go on unless others of them do. All others, it is supposed, end some time and leave what they
 * hold. Who has waited for longer does not matter: whoever others wait for passes them.
 */
export function stuckRequests(graph: LockGraph): Set<number> {
  return remaining(graph, requestsOf(graph.waits), () => []);
}

/** Returns the waiting requests that wait for this one: for what it holds, or behind others that do. */
export function requestsWaitingFor({ holds, waits }: LockGraph, requestId: number): Set<number> {
  const others = waits.filter((wait) => wait.requestId !== requestId);
  const places = byPlace(others);
  const waiting = remaining({ holds, waits: others }, requestsOf(others).add(requestId), (wait, left) =>
    places.get(placeKey(wait))!.filter((other) => left.has(other.requestId) && isEarlier(other, wait)),
  );
  waiting.delete(requestId);
  return waiting;
}

/**
 * Returns those that are left when whoever can go on has gone on, one after the other. A request that waits for nothing, and is one of
 * them all the same, never ends.
 * @param ahead returns the waits that come before a wait, of those that are left
 */
function remaining(
  { holds, waits }: LockGraph,
  requestIds: ReadonlySet<number>,
  ahead: (wait: LockWait, left: ReadonlySet<number>) => readonly LockWait[],
): Set<number> {
  const left = new Set(requestIds);
  const held = byPlace(holds);
  const waiting = new Map<number, LockWait[]>();
  for (const wait of waits) waiting.set(wait.requestId, [...(waiting.get(wait.requestId) ?? []), wait]);
  const mayGoOn = (requestId: number) =>
    waiting.get(requestId)?.every((wait) => {
      const holders = held.get(placeKey(wait)) ?? [];
      const others = holders.filter((hold) => hold.requestId !== requestId && left.has(hold.requestId));
      return fitsBeside(wait, [...others, ...ahead(wait, left)]);
    }) ?? false;
  for (let before = -1; before !== left.size;) {
    before = left.size;
    for (const requestId of left) if (mayGoOn(requestId)) left.delete(requestId);
  }
  return left;
}

function requestsOf(waits: readonly LockWait[]): Set<number> {
  return new Set(waits.map(({ requestId }) => requestId));
}

function byPlace<T extends LockHold | LockWait>(uses: readonly T[]): Map<string, T[]> {
  const places = new Map<string, T[]>();
  for (const use of uses) {
    const key = placeKey(use);
    places.set(key, [...(places.get(key) ?? []), use]);
  }
  return places;
}

/** Returns a deadlock that the request is part of, beginning with it; null when there is none. */
export function deadlockOf(graph: LockGraph, requestId: number): DeadlockMember[] | null {
  const stuck = stuckRequests(graph);
  if (!stuck.has(requestId)) return null;
  const held = byPlace(graph.holds.filter((hold) => stuck.has(hold.requestId)));
  const seen = new Set<number>();
  const paths: DeadlockMember[][] = [[]];
  // Breadth first, so that the shortest cycle is reported.
  for (const path of paths) {
    const at = path.at(-1)?.holderId ?? requestId;
    for (const wait of graph.waits.filter((one) => one.requestId === at)) {
      for (const { requestId: holderId } of held.get(placeKey(wait)) ?? []) {
        if (holderId === at) continue;
        const longer = [...path, { wait, holderId }];
        if (holderId === requestId) return longer;
        if (seen.has(holderId)) continue;
        seen.add(holderId);
        paths.push(longer);
      }
    }
  }
  return null;
}

/** Returns the request of a deadlock that is to give up: the one that has waited for the shortest time. */
export function victimOf(deadlock: readonly DeadlockMember[]): number {
  return deadlock.map(({ wait }) => wait).reduce((last, wait) => (isEarlier(last, wait) ? wait : last)).requestId;
}
