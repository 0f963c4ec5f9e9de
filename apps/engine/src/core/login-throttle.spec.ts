import { describe, expect, it } from '@jest/globals';
import { Backoff, LoginThrottle } from './login-throttle.js';

describe('Backoff', () => {
  const backoff = (most = 10) => new Backoff({ free: 2, firstMs: 100, maxMs: 1000, forgetAfterMs: 10_000, most });

  it.each([
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 100],
    [4, 200],
    [6, 800],
    [7, 1000],
    [5000, 1000],
  ])('after %i failures at once blocks for %i ms', (failures, waitMs) => {
    const keys = backoff();
    for (let i = 0; i < failures; i++) keys.failed('a', 5000);
    expect(keys.waitMs('a', 5000)).toBe(waitMs);
    expect(keys.waitMs('a', 5000 + waitMs)).toBe(0);
    expect(keys.waitMs('b', 5000)).toBe(0);
  });

  it('starts anew after a while without failures', () => {
    const keys = backoff();
    for (let i = 0; i < 5; i++) keys.failed('a', 0);
    keys.failed('a', 10_000);
    expect(keys.waitMs('a', 10_000)).toBe(0);
  });

  it('remembers no more keys than it may, those that failed last', () => {
    const keys = backoff(3);
    for (let i = 0; i < 4; i++) keys.failed('old', 0);
    for (let i = 0; i < 4; i++) keys.failed('busy', i);
    for (const key of ['x', 'y']) keys.failed(key, 10);
    expect(keys.size).toBe(3);
    expect(keys.waitMs('old', 10)).toBe(0);
    expect(keys.waitMs('busy', 10)).toBeGreaterThan(0);
  });
});

describe('LoginThrottle', () => {
  const failing = (times: number, name: (i: number) => string, address: (i: number) => string): LoginThrottle => {
    const throttle = new LoginThrottle(1000);
    for (let i = 0; i < times; i++) throttle.failed(name(i), address(i), 0);
    return throttle;
  };

  it('blocks one name at one address soon, and leaves its neighbours alone', () => {
    const throttle = failing(
      8,
      () => 'w1',
      () => '10.0.0.1',
    );
    expect(throttle.waitMs('w1', '10.0.0.1', 0)).toBe(4000);
    expect(throttle.waitMs('w2', '10.0.0.1', 0)).toBe(0);
    expect(throttle.waitMs('w1', '10.0.0.2', 0)).toBe(0);
  });

  it('blocks an address that tries many names', () => {
    const throttle = failing(
      103,
      (i) => `guess${i}`,
      () => '10.0.0.1',
    );
    expect(throttle.waitMs('w1', '10.0.0.1', 0)).toBe(4000);
    expect(throttle.waitMs('w1', '10.0.0.2', 0)).toBe(0);
  });

  it('blocks a name that is tried from many addresses', () => {
    const throttle = failing(
      33,
      () => 'w1',
      (i) => `10.0.1.${i}`,
    );
    expect(throttle.waitMs('w1', '10.0.0.1', 0)).toBe(4000);
    expect(throttle.waitMs('w2', '10.0.0.1', 0)).toBe(0);
  });

  it('does not shut out a worker that was here before, whoever fails beside it or under its name', () => {
    const throttle = new LoginThrottle(1000);
    throttle.succeeded('w1', '10.0.0.1');
    for (let i = 0; i < 500; i++) throttle.failed(`guess${i}`, '10.0.0.1', 0);
    for (let i = 0; i < 500; i++) throttle.failed('w1', `10.9.${i % 250}.1`, 0);
    expect(throttle.waitMs('w1', '10.0.0.1', 0)).toBe(0);
    expect(throttle.waitMs('w2', '10.0.0.1', 0)).toBeGreaterThan(0);
    expect(throttle.waitMs('w1', '10.0.0.2', 0)).toBeGreaterThan(0);
  });

  it('forgives a name at an address when it gets in', () => {
    const throttle = failing(
      8,
      () => 'w1',
      () => '10.0.0.1',
    );
    throttle.succeeded('w1', '10.0.0.1');
    expect(throttle.waitMs('w1', '10.0.0.1', 0)).toBe(0);
  });
});
