import type { LockNeed, LockPlace } from './needs.js';

/** The `step` of what a build as a whole holds or waits for. */
export const WHOLE_BUILD = -1;

/** A build, or a request that is to become one, or a step of a build. */
export interface LockParty {
  readonly requestId: number;
  /** Number of the step, or `WHOLE_BUILD`. */
  readonly step: number;
}

interface LockUse extends LockParty, LockPlace {
  readonly mode: LockNeed['mode'];
  readonly count: number;
}

/** A lock that is taken. */
export interface LockHold extends LockUse {
  /** The resources taken. Empty for locks. */
  readonly resources: readonly string[];
}

/** A lock that is waited for. Whoever waits for several locks has several of these. */
export interface LockWait extends LockUse {
  readonly capacity: number;
  /** When the party asked for the lock first. It is its position in the queue. */
  readonly sinceMs: number;
}

/** What a party has to wait for. */
export interface LockObstacle {
  readonly need: LockNeed;
  /**
   * `held`: others have too much of the lock. `behind`: others have waited for longer, and would have to wait for this one too. `never`:
   * the lock does not have so many units.
   */
  readonly why: 'held' | 'behind' | 'never';
  /** The requests that are in the way. */
  readonly requestIds: readonly number[];
}

/** Returns whether a need fits in beside other uses of the lock. */
export function fitsBeside(
  { mode, count, capacity }: Pick<LockWait, 'mode' | 'count' | 'capacity'>,
  others: readonly Pick<LockUse, 'mode' | 'count'>[],
): boolean {
  if (mode === 'exclusive') return others.length === 0;
  if (others.some((other) => other.mode === 'exclusive')) return false;
  return others.reduce((sum, other) => sum + other.count, count) <= capacity;
}

/** Returns whether a need could ever be met. */
export function isPossible({ mode, count, capacity }: Pick<LockWait, 'mode' | 'count' | 'capacity'>): boolean {
  return capacity > 0 && (mode === 'exclusive' || count <= capacity);
}

/** Returns the key of a lock for maps. */
export function placeKey({ lockId, workerId }: LockPlace): string {
  return `${lockId}/${workerId}`;
}

/**
 * The state of some locks: who has them, and who waits for them. First come, first served: a party gets all its locks at once, or none. A
 * later one passes earlier ones only where there is room for all of them together, so that nobody who needs many units is passed for ever.
 */
export class LockTable {
  private readonly holds = new Map<string, LockHold[]>();
  private readonly waits = new Map<string, LockWait[]>();

  constructor(holds: readonly LockHold[], waits: readonly LockWait[]) {
    for (const hold of holds) push(this.holds, hold);
    for (const wait of waits) if (isPossible(wait)) push(this.waits, wait);
  }

  /**
   * Returns what keeps a party from taking these locks; null when it may take them now. What the same request holds is not in its way.
   * @param passed requests that may be passed, although they have waited for longer
   */
  obstacleOf(
    party: LockParty,
    needs: readonly LockNeed[],
    passed: ReadonlySet<number> = new Set(),
  ): LockObstacle | null {
    for (const need of needs) {
      if (!isPossible(need)) return { need, why: 'never', requestIds: [] };
      const holders = (this.holds.get(placeKey(need)) ?? []).filter(({ requestId }) => requestId !== party.requestId);
      if (!fitsBeside(need, holders)) return { need, why: 'held', requestIds: requestsOf(holders) };
    }
    for (const need of needs) {
      const holders = (this.holds.get(placeKey(need)) ?? []).filter(({ requestId }) => requestId !== party.requestId);
      const earlier = this.before(party, need).filter(({ requestId }) => !passed.has(requestId));
      if (!fitsBeside(need, [...holders, ...earlier])) return { need, why: 'behind', requestIds: requestsOf(earlier) };
    }
    return null;
  }

  /** Takes locks that are free. Returns the holds, with the resources that were chosen. */
  take(party: LockParty, needs: readonly LockNeed[]): LockHold[] {
    return needs.map((need) => {
      const taken = new Set((this.holds.get(placeKey(need)) ?? []).flatMap(({ resources }) => resources));
      const { lockId, workerId, mode, count } = need;
      const resources = need.resources.filter((name) => !taken.has(name)).slice(0, count);
      const hold: LockHold = { ...pick(party), lockId, workerId, mode, count, resources };
      push(this.holds, hold);
      const waits = this.waits.get(placeKey(need));
      if (waits)
        this.waits.set(
          placeKey(need),
          waits.filter((wait) => !isSame(wait, party)),
        );
      return hold;
    });
  }

  /** Returns the waits for the lock that are earlier than the party's own. A party that has not waited yet comes last. */
  private before(party: LockParty, need: LockNeed): LockWait[] {
    const waits = this.waits.get(placeKey(need)) ?? [];
    const own = waits.find((wait) => isSame(wait, party));
    return waits.filter((wait) => wait.requestId !== party.requestId && (!own || isEarlier(wait, own)));
  }
}

/** Returns whether one wait comes before another. */
export function isEarlier(a: LockWait, b: LockWait): boolean {
  return a.sinceMs === b.sinceMs ? a.requestId < b.requestId : a.sinceMs < b.sinceMs;
}

function pick({ requestId, step }: LockParty): LockParty {
  return { requestId, step };
}

function isSame(a: LockParty, b: LockParty): boolean {
  return a.requestId === b.requestId && a.step === b.step;
}

function requestsOf(uses: readonly LockUse[]): number[] {
  return [...new Set(uses.map(({ requestId }) => requestId))];
}

function push<T extends LockPlace>(map: Map<string, T[]>, item: T): void {
  const key = placeKey(item);
  const items = map.get(key);
  if (items) items.push(item);
  else map.set(key, [item]);
}
