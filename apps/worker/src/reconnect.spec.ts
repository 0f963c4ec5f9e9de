import { expect, it } from '@jest/globals';
import { reconnectDelayMs } from './reconnect.js';

it('waits longer after every failure, up to a minute, and never for two workers alike', () => {
  expect(reconnectDelayMs(1, 0)).toBe(1500);
  expect(reconnectDelayMs(1, 1)).toBe(2500);
  expect(reconnectDelayMs(4, 0)).toBeCloseTo(5062.5);
  expect(reconnectDelayMs(1000, 0.5)).toBe(60_500);
});
