import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  byRank,
  type ChoiceLimits,
  distribute,
  type Distribution,
  type FreeWorker,
  type Head,
} from './distribution.js';

const head = (requestId: number, builderId = 1, rank = 0): Head => ({ requestId, builderId, rank });
const worker = (workerId: number, freeSlots = 1, idleSince = workerId, busy: number[] = []): FreeWorker => ({
  workerId,
  state: 'attached',
  freeSlots,
  busyBuilders: new Set(busy),
  idleSince,
});
const startable = (one: FreeWorker): FreeWorker => ({ ...one, state: 'startable' });
function queuesOf(heads: readonly Head[]): Map<number, Head[]> {
  const queues = new Map<number, Head[]>();
  for (const one of [...heads].sort(byRank)) queues.set(one.builderId, [...(queues.get(one.builderId) ?? []), one]);
  return queues;
}
const pairs = (
  heads: Head[],
  workers: FreeWorker[],
  builders: readonly number[] = heads.map(({ builderId }) => builderId),
): [number, number][] => placed(distribute({ queues: queuesOf(heads), workers, buildersOf: () => new Set(builders) }));
const placed = ({ assignments }: Distribution<FreeWorker>): [number, number][] =>
  assignments.map(({ head: { requestId }, worker: { workerId } }) => [requestId, workerId]);

describe('distribute', () => {
  it.each<[string, Head[], FreeWorker[], [number, number][]]>([
    ['nothing queued', [], [worker(1)], []],
    ['nobody free', [head(1)], [worker(1, 0)], []],
    ['the oldest first', [head(2), head(1)], [worker(1)], [[1, 1]]],
    ['the best rank before the oldest', [head(1), head(2, 1, -5)], [worker(1)], [[2, 1]]],
    ['the worker that has been idle longest', [head(1)], [worker(1, 1, 9), worker(2, 1, 3)], [[1, 2]]],
    ['one that is attached before one to be started', [head(1)], [startable(worker(1)), worker(2)], [[1, 2]]],
    ['one that is to be started when no other is free', [head(1)], [startable(worker(1)), worker(2, 0)], [[1, 1]]],
    [
      'several slots of one worker',
      [head(1, 1), head(2, 2), head(3, 3)],
      [worker(1, 2)],
      [
        [1, 1],
        [2, 1],
      ],
    ],
    ['a builder once at a time on a worker', [head(1), head(2)], [worker(1, 2)], [[1, 1]]],
    ['not the builder that a worker is building', [head(1, 1), head(2, 2)], [worker(1, 2, 1, [1])], [[2, 1]]],
    [
      'a builder on two workers',
      [head(1), head(2)],
      [worker(1, 2), worker(2, 2)],
      [
        [1, 1],
        [2, 2],
      ],
    ],
  ])('%s', (_name, heads, workers, expected) => {
    expect(pairs(heads, workers)).toEqual(expected);
  });

  it.each<[string, Head[], { locked: number[]; waits: string[] }, [number, number][]]>([
    ['one request of a builder with locks', [head(1), head(2)], { locked: [1], waits: [] }, [[1, 1]]],
    ['none that waits for a lock', [head(1), head(2, 2)], { locked: [1], waits: ['1/1', '1/2'] }, [[2, 1]]],
    ['on another worker than that whose lock it waits for', [head(1)], { locked: [1], waits: ['1/1'] }, [[1, 2]]],
  ])('%s', (_name, heads, { locked, waits }, expected) => {
    const locks = {
      isLocked: (builderId: number) => locked.includes(builderId),
      waits: (builderId: number, workerId: number) => waits.includes(`${builderId}/${workerId}`),
    };
    const workers = [worker(1, 2), worker(2, 2)];
    const input = { queues: queuesOf(heads), workers, buildersOf: () => new Set([1, 2]), locks };
    expect(placed(distribute(input))).toEqual(expected);
  });

  it.each<[string, Head[], Partial<ChoiceLimits>, [number, number][], [number, number[]][]]>([
    ['all free workers, and keeps a slot of each', [head(1), head(2, 2)], {}, [], [[1, [1, 2]]]],
    ['the workers that are left when its turn comes', [head(2), head(1, 2)], {}, [[1, 1]], [[1, [2]]]],
    ['nothing while another choice keeps the slots', [head(1)], { kept: () => 1 }, [], []],
    ['nothing while it rests, and leaves its workers', [head(1), head(2, 2)], { rests: () => true }, [[2, 1]], []],
    [
      'in the place of the builder, not of the request',
      [head(1), head(2, 2)],
      { placeOf: (builderId) => -builderId },
      [[2, 1]],
      [[1, [2]]],
    ],
  ])('offers a builder with callbacks %s', (_name, heads, choices, expected, offered) => {
    const { assignments, offers } = distribute({
      queues: queuesOf(heads),
      workers: [worker(1), worker(2)],
      buildersOf: () => new Set([1, 2]),
      choices: {
        chooses: (builderId) => builderId === 1,
        rests: () => false,
        kept: () => 0,
        placeOf: () => 0,
        ...choices,
      },
    });
    expect(placed({ assignments, offers })).toEqual(expected);
    expect(offers.map(({ builderId, workers }) => [builderId, workers.map(({ workerId }) => workerId)])).toEqual(
      offered,
    );
  });

  it('skips requests that no free worker may build', () => {
    expect(pairs([head(1, 7), head(2, 8)], [worker(1)], [8, 9, 10])).toEqual([[2, 1]]);
  });

  it('takes little time when thousands of requests wait for other workers than the free ones', () => {
    const queues = new Map(Array.from({ length: 4000 }, (_, id) => [id, [head(id, id)]]));
    let asked = 0;
    class Builders extends Set<number> {
      override [Symbol.iterator](): ReturnType<Set<number>['values']> {
        asked += this.size;
        return super.values();
      }
    }
    const own = new Builders([5000, 5001, 3999]);
    const idle = Array.from({ length: 500 }, (_, id) => worker(id));
    expect(distribute({ queues, workers: idle, buildersOf: () => own }).assignments).toHaveLength(1);
    expect(asked).toBe(1500);
  });

  it('never uses a request twice, nor more slots than there are', () => {
    const heads = fc.uniqueArray(
      fc.record({ requestId: fc.nat(), builderId: fc.nat(3), rank: fc.integer({ min: -3, max: 3 }) }),
      {
        selector: ({ requestId }) => requestId,
      },
    );
    const workers = fc.uniqueArray(
      fc.record({
        workerId: fc.nat(9),
        state: fc.constantFrom('attached' as const, 'startable' as const),
        freeSlots: fc.nat(3),
        idleSince: fc.nat(),
        busyBuilders: fc.constant(new Set<number>()),
      }),
      {
        selector: ({ workerId }) => workerId,
      },
    );
    fc.assert(
      fc.property(heads, workers, (queued, free) => {
        const { assignments: assigned } = distribute({
          queues: queuesOf(queued),
          workers: free,
          buildersOf: (workerId) => new Set(workerId % 2 === 0 ? [0, 2] : [1, 3]),
        });
        expect(new Set(assigned.map((one) => one.head.requestId)).size).toBe(assigned.length);
        for (const { workerId, freeSlots } of free) {
          expect(assigned.filter((one) => one.worker.workerId === workerId).length).toBeLessThanOrEqual(freeSlots);
        }
        const places = assigned.map((one) => `${one.head.builderId} on ${one.worker.workerId}`);
        expect(new Set(places).size).toBe(places.length);
        for (const one of assigned) expect((one.head.builderId + one.worker.workerId) % 2).toBe(0);
        // No request is left waiting that a free slot could have.
        const left = new Map(free.map(({ workerId, freeSlots }) => [workerId, freeSlots]));
        for (const {
          worker: { workerId },
        } of assigned)
          left.set(workerId, left.get(workerId)! - 1);
        const served = new Set(assigned.map((one) => one.head.requestId));
        for (const one of queued.filter(({ requestId }) => !served.has(requestId))) {
          const idle = free.filter(
            ({ workerId }) =>
              left.get(workerId)! > 0 &&
              (one.builderId + workerId) % 2 === 0 &&
              !places.includes(`${one.builderId} on ${workerId}`),
          );
          expect(idle).toEqual([]);
        }
      }),
    );
  });
});
