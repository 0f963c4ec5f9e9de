import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FailureCount, LoginThrottle, MOST_WRONG_MS, SUSPECT_MS } from './login-throttle.js';

describe('FailureCount', () => {
  const count = (most = 10) => new FailureCount({ forgetAfterMs: 10_000, most });

  it('counts failures in a row, and starts again after a while without one', () => {
    const keys = count();
    for (let i = 0; i < 5; i++) keys.failed('a', i);
    expect([keys.of('a', 4), keys.of('a', 10_003), keys.of('a', 10_004), keys.of('b', 4)]).toEqual([5, 5, 0, 0]);
    keys.failed('a', 10_004);
    expect(keys.of('a', 10_004)).toBe(1);
  });

  it('remembers a limited number of keys, those that failed last', () => {
    const keys = count(3);
    for (const key of ['old', 'busy', 'busy', 'x', 'busy', 'y']) keys.failed(key, 0);
    expect(keys.size).toBe(3);
    expect([keys.of('old', 0), keys.of('busy', 0), keys.of('y', 0)]).toEqual([0, 3, 1]);
  });
});

describe('LoginThrottle', () => {
  const failing = (times: number, name: (i: number) => string, address: (i: number) => string): LoginThrottle => {
    const throttle = new LoginThrottle(1000);
    for (let i = 0; i < times; i++) throttle.judged(false, name(i), address(i), 0);
    return throttle;
  };
  const w1 = () => 'w1';
  const here = () => '10.0.0.1';

  it.each([
    [1, 0],
    [5, 0],
    [6, 1000],
    [7, 2000],
    [8, 4000],
    [5000, 4000],
  ])('answers failure %i of a name at an address after %i ms', (failures, waitMs) => {
    expect(failing(failures - 1, w1, here).judged(false, 'w1', '10.0.0.1', 0)).toBe(waitMs);
  });

  it.each<[string, LoginThrottle, [string, string], number]>([
    ['nobody failed', failing(0, w1, here), ['w1', '10.0.0.1'], 0],
    ['it failed a few times itself', failing(4, w1, here), ['w1', '10.0.0.1'], 0],
    ['somebody failed under its name at its address', failing(8, w1, here), ['w1', '10.0.0.1'], 1000],
    ['a neighbour failed', failing(8, w1, here), ['w2', '10.0.0.1'], 0],
    ['somebody failed under its name elsewhere', failing(8, w1, here), ['w1', '10.0.0.2'], 0],
    ['its neighbours tried many names', failing(100, (i) => `guess${i}`, here), ['w1', '10.0.0.1'], 1000],
    ['everybody tried its name', failing(30, w1, (i) => `10.0.1.${i}`), ['w1', '10.0.0.1'], 1000],
  ])('lets the right one in soon when %s', (_when, throttle, [name, address], waitMs) => {
    expect(throttle.judged(true, name, address, 0)).toBe(waitMs);
  });

  it('does not delay a worker at an address where it logged in before, whoever fails under its name elsewhere', () => {
    const throttle = new LoginThrottle();
    throttle.judged(true, 'w1', '10.0.0.1', 0);
    for (let i = 0; i < 500; i++) throttle.judged(false, 'w1', `10.9.${i % 250}.1`, 0);
    expect(throttle.judged(true, 'w1', '10.0.0.1', 0)).toBe(0);
    expect(throttle.judged(true, 'w1', '10.0.0.2', 0)).toBe(SUSPECT_MS);
  });

  it('forgives a name at an address when it logs in', () => {
    const throttle = failing(8, w1, here);
    throttle.judged(true, 'w1', '10.0.0.1', 0);
    expect(throttle.judged(false, 'w1', '10.0.0.1', 0)).toBe(0);
  });

  const login = fc.record({
    name: fc.constantFrom('w1', 'w2', 'w3'),
    address: fc.constantFrom('a', 'b'),
    isRight: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    afterMs: fc.nat(1000),
  });

  it('never delays the right credentials for longer than a second, nor wrong ones for less than right ones, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(login, { maxLength: 200 }), login, (before, probe) => {
        const waits = [true, false].map((isRight) => {
          const throttle = new LoginThrottle(100);
          let now = 0;
          for (const one of before) throttle.judged(one.isRight, one.name, one.address, (now += one.afterMs));
          return throttle.judged(isRight, probe.name, probe.address, now + probe.afterMs);
        });
        expect(waits[0]).toBeLessThanOrEqual(SUSPECT_MS);
        expect(waits[1]).toBeGreaterThanOrEqual(waits[0]!);
        expect(waits[1]).toBeLessThanOrEqual(MOST_WRONG_MS);
      }),
    );
  });

  it('makes each guess at an address take a second, after some free ones', () => {
    fc.assert(
      fc.property(fc.array(login, { minLength: 150, maxLength: 300 }), (logins) => {
        const throttle = new LoginThrottle();
        let failures = 0;
        for (const { name, isRight } of logins) {
          const waitMs = throttle.judged(isRight, name, 'a', 0);
          if (failures >= 100) expect(waitMs).toBeGreaterThanOrEqual(SUSPECT_MS);
          if (!isRight) failures++;
        }
      }),
    );
  });
});
