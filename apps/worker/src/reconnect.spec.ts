import { expect, it } from '@jest/globals';
import { reconnectDelayMs } from './reconnect.js';

it('waits longer after every failure, up to five seconds, and never for two workers alike', () => {
  expect(reconnectDelayMs(1, 0)).toBe(400);
  expect(reconnectDelayMs(1, 1)).toBe(900);
  expect(reconnectDelayMs(4, 0)).toBeCloseTo(1638.4);
  expect(reconnectDelayMs(1000, 0.5)).toBe(5250);
});
