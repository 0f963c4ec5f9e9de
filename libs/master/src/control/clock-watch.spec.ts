import { expect, it } from '@jest/globals';
import { ClockWatch } from './clock-watch.js';

it.each([
  ['goes on', 12_000, 0],
  ['is set forward', 3_612_000, 3_600_000],
  ['is set back', -3_588_000, -3_600_000],
])('a clock that %s', (_what, reading, step) => {
  const watch = new ClockWatch();
  expect(watch.step(10_000, 500)).toBe(0);
  expect(watch.step(reading, 2_500)).toBe(step);
  expect(watch.step(reading + 1_000, 3_500)).toBe(0);
});
