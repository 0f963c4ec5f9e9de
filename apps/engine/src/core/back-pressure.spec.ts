import { describe, expect, it } from '@jest/globals';
import { BackPressure } from './back-pressure.js';

const MB = 1 << 20;

describe('BackPressure', () => {
  it.each<[number, boolean, 'pause' | 'resume' | null]>([
    [8 * MB, false, null],
    [8 * MB + 1, false, 'pause'],
    [9 * MB, true, null],
    [2 * MB, true, null],
    [2 * MB - 1, true, 'resume'],
    [0, false, null],
  ])('one worker with %i bytes, paused %s: %s', (bytes, isPaused, expected) => {
    expect(new BackPressure().share()(bytes, isPaused)).toBe(expected);
  });

  it('leaves little to each worker when there are many, and forgets those that are gone', () => {
    const pressure = new BackPressure();
    const crowd = Array.from({ length: 40 }, () => pressure.share());
    const late = pressure.share();
    for (const one of crowd) expect(one(7 * MB, false)).toBe(crowd.indexOf(one) * 7 > 250 ? 'pause' : null);
    expect(late(MB, false)).toBe('pause');
    expect(late(100_000, true)).toBe(null);
    expect(late(60_000, true)).toBe('resume');
    for (const one of crowd) one(0, false);
    expect(late(MB, false)).toBe(null);
  });

  it('bounds what hundreds of workers send at once', () => {
    const pressure = new BackPressure();
    const workers = Array.from({ length: 500 }, () => ({ judge: pressure.share(), bytes: 0, isPaused: false }));
    for (let round = 0; round < 200; round++) {
      for (const worker of workers) {
        if (worker.isPaused) continue;
        worker.bytes += 64 << 10;
        worker.isPaused = worker.judge(worker.bytes, false) === 'pause';
      }
    }
    expect(workers.every(({ isPaused }) => isPaused)).toBe(true);
    expect(workers.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(300 * MB);
  });
});
