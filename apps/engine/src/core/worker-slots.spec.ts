import { describe, expect, it } from '@jest/globals';
import { WorkerSlots } from './worker-slots.js';

function state(slots: WorkerSlots): object {
  const { builds, isIdle, taken, busyBuilders } = slots;
  return { builds, isIdle, taken, busy: [...busyBuilders].sort((a, b) => a - b) };
}

describe('WorkerSlots', () => {
  it('are taken from the reservation to the end of the build', () => {
    const slots = new WorkerSlots();
    expect(state(slots)).toEqual({ builds: 0, isIdle: true, taken: 0, busy: [] });
    slots.reserve(7, 1);
    expect(state(slots)).toEqual({ builds: 0, isIdle: false, taken: 1, busy: [1] });
    slots.unreserve(7);
    slots.begin(7, 1);
    expect(state(slots)).toEqual({ builds: 1, isIdle: false, taken: 1, busy: [1] });
    expect(slots.release(7)).toBe(true);
    expect(slots.release(7)).toBe(false);
    expect(state(slots)).toEqual({ builds: 0, isIdle: true, taken: 0, busy: [] });
  });

  it('are free again when the claim was lost, even if a build has the number of its request', () => {
    const slots = new WorkerSlots();
    slots.begin(7, 1);
    slots.reserve(7, 2);
    slots.unreserve(7);
    expect(state(slots)).toEqual({ builds: 1, isIdle: false, taken: 1, busy: [1] });
  });

  it.each<[running: number[], reserved: number[], all: number[], elsewhere: number]>([
    [[], [], [], 0],
    [[], [], [1, 2], 2],
    [[1], [], [1], 0],
    [[1], [2], [1, 2], 0],
    [[1], [2], [1], 0],
    [[1], [2], [1, 3], 1],
    [[1], [], [1, 1], 1],
  ])('with %j running, %j reserved and %j in the database %i are elsewhere', (running, reserved, all, elsewhere) => {
    const slots = new WorkerSlots();
    running.forEach((builderId, i) => slots.begin(i, builderId));
    reserved.forEach((builderId, i) => slots.reserve(i, builderId));
    slots.countElsewhere(all);
    expect(slots.taken).toBe(running.length + reserved.length + elsewhere);
    expect(slots.isSharedElsewhere).toBe(elsewhere > 0);
  });
});
