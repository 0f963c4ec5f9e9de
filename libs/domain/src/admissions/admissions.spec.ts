import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { admitted, type ClaimLocks, refusalOf, refusalOfAll, type Wanted, type WorkerFacts } from './admissions.js';
import type { LockObstacle } from '../locks/lock-table.js';
import type { AdmissionFacts } from './facts.js';

const LOCK: LockObstacle = {
  need: {
    lockId: 1,
    workerId: 0,
    lock: 'db',
    mode: 'exclusive',
    count: 1,
    capacity: 1,
    resources: [],
    property: null,
  },
  why: 'held',
  requestIds: [7],
};
const READY: AdmissionFacts = { place: 'here', heldBy: null, maxBuilds: 2, builds: 1, buildsOfBuilder: 0, lock: null };

describe('refusalOf', () => {
  it.each<[Partial<AdmissionFacts>, string | null]>([
    [{}, null],
    [{ place: 'startable' }, null],
    [{ place: 'away' }, 'no-worker: not connected'],
    [{ place: 'elsewhere' }, 'no-worker: connected anew, or to another engine'],
    [{ heldBy: 'pause' }, 'workers-paused: paused'],
    [{ heldBy: 'shutdown' }, 'workers-paused: about to shut down'],
    [{ heldBy: 'quarantine' }, 'workers-paused: in quarantine after failures'],
    [{ builds: 2 }, 'workers-busy: busy'],
    [{ builds: 5 }, 'workers-busy: busy'],
    [{ maxBuilds: 0, builds: 0 }, 'workers-busy: busy'],
    [{ buildsOfBuilder: 1 }, 'workers-busy: busy with another build of this builder'],
    [{ lock: LOCK }, "locks: without the lock 'db'"],
    [{ lock: LOCK, builds: 2 }, 'workers-busy: busy'],
    [{ place: 'away', heldBy: 'pause', builds: 2 }, 'no-worker: not connected'],
    [{ heldBy: 'pause', builds: 2, buildsOfBuilder: 1 }, 'workers-paused: paused'],
  ])('of %j is %s', (facts, expected) => {
    const refusal = refusalOf({ ...READY, ...facts });
    expect(refusal && `${refusal.reason}: ${refusal.text}`).toBe(expected);
  });
});

describe('refusalOfAll', () => {
  const away = { place: 'away' } as const;
  const paused = { heldBy: 'pause' } as const;
  const full = { builds: 2 } as const;
  it.each<[Partial<AdmissionFacts>[], string | null, string]>([
    [[{}], null, ''],
    [[away, paused, full, {}], null, ''],
    [[away], 'no-worker', 'The worker of this builder is not connected.'],
    [[away, away], 'no-worker', 'All 2 workers of this builder are not connected.'],
    [
      [away, paused, away],
      'workers-paused',
      'No worker of this builder can take it: 2 are not connected, 1 is paused.',
    ],
    [[full, away], 'workers-busy', 'No worker of this builder can take it: 1 is not connected, 1 is busy.'],
  ])('of workers that are %j is %s: %s', (workers, reason, text) => {
    const refusal = refusalOfAll(workers.map((facts) => ({ ...READY, ...facts })));
    expect(refusal).toEqual(reason === null ? null : { reason, text });
  });
});

describe('admitted', () => {
  const worker = (more: Partial<WorkerFacts> = {}): WorkerFacts => ({
    heldBy: null,
    maxBuilds: 2,
    builderIds: [],
    ...more,
  });
  const names = (claims: readonly (Wanted & { name: string })[], workers: Record<number, WorkerFacts>): string => {
    const known = new Map(Object.entries(workers).map(([id, facts]) => [Number(id), facts]));
    return admitted(claims, known, () => 'here')
      .claims.map(({ name }) => name)
      .join(' ');
  };
  const a = { name: 'a', workerId: 1, builderId: 10 };
  const b = { name: 'b', workerId: 1, builderId: 11 };
  const c = { name: 'c', workerId: 1, builderId: 12 };
  const otherA = { name: 'other-a', workerId: 2, builderId: 10 };

  it.each<[string, (Wanted & { name: string })[], Record<number, WorkerFacts>, string]>([
    ['up to the room of the worker', [a, b, c], { 1: worker() }, 'a b'],
    ['what other engines have counts', [a, b], { 1: worker({ builderIds: [12] }) }, 'a'],
    ['one of a builder on a worker', [a, a, b], { 1: worker() }, 'a b'],
    ['on another worker, too', [a, otherA], { 1: worker(), 2: worker() }, 'a other-a'],
    ['not the builder that it has', [a, b], { 1: worker({ builderIds: [10] }) }, 'b'],
    ['nothing for a worker that is held', [a, otherA], { 1: worker({ heldBy: 'pause' }), 2: worker() }, 'other-a'],
    ['nothing for one that is unknown', [otherA], { 1: worker() }, ''],
  ])('%s', (_what, claims, workers, expected) => expect(names(claims, workers)).toBe(expected));

  it('a refused claim takes no room', () => {
    const claims = [a, b, c];
    const won = admitted(claims, new Map([[1, worker()]]), (claim) => (claim === a ? 'elsewhere' : 'here'));
    expect(won).toEqual({ claims: [b, c], waiting: [] });
  });

  it('asks for locks only where nothing else refuses, and has each taken before the next is asked for', () => {
    const asked: string[] = [];
    const taken = new Set<string>();
    const locks: ClaimLocks<Wanted & { name: string }> = {
      obstacleOf: ({ name }) => {
        asked.push(name);
        return taken.size > 0 ? LOCK : null;
      },
      take: ({ name }) => void taken.add(name),
    };
    const workers = new Map([
      [1, worker({ maxBuilds: 3 })],
      [2, worker({ heldBy: 'pause' })],
    ]);
    const won = admitted([otherA, a, b], workers, () => 'here', locks);
    expect(won).toEqual({ claims: [a], waiting: [{ claim: b, lock: LOCK }] });
    expect(asked).toEqual(['a', 'b']);
    expect([...taken]).toEqual(['a']);
  });

  it('never exceeds the room, nor gives a worker two builds of a builder', () => {
    const ids = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ workerId: ids, builderId: ids })),
        fc.array(fc.uniqueArray(ids), { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 0, max: 4 }),
        (claims, before, maxBuilds) => {
          const workers = new Map(before.map((builderIds, i) => [i + 1, worker({ maxBuilds, builderIds })]));
          const { claims: won } = admitted(claims, workers, () => 'here');
          for (const [workerId, { builderIds }] of workers) {
            const mine = won.filter((claim) => claim.workerId === workerId).map((claim) => claim.builderId);
            if (mine.length > 0) expect(mine.length + builderIds.length).toBeLessThanOrEqual(maxBuilds);
            expect(new Set([...mine, ...builderIds]).size).toBe(mine.length + builderIds.length);
          }
        },
      ),
    );
  });
});
