import { expect, it } from '@jest/globals';
import { reconnectDelayMs } from './reconnect.js';

it('waits longer after every failure, up to five seconds, and differently for each worker', () => {
  expect(reconnectDelayMs(1, 0)).toBeCloseTo(160);
  expect(reconnectDelayMs(1, 1)).toBeCloseTo(560);
  expect(reconnectDelayMs(4, 0)).toBeCloseTo(655.36);
  expect(reconnectDelayMs(1000, 0.5)).toBe(5200);
});
