import { describe, expect, it } from '@jest/globals';
import { LoginFailures } from './login-failures.js';

describe('LoginFailures', () => {
  it('counts repeated refusals, the latest first', () => {
    const failures = new LoginFailures();
    failures.record('wrong-credentials', 'w1', '10.0.0.1', 1000);
    failures.record('duplicate', 'w2', '10.0.0.2', 2000);
    failures.record('wrong-credentials', 'w1', '10.0.0.1', 3000);
    expect(failures.snapshot()).toEqual([
      { name: 'w1', address: '10.0.0.1', reason: 'wrong-credentials', count: 2, firstAtMs: 1000, lastAtMs: 3000 },
      { name: 'w2', address: '10.0.0.2', reason: 'duplicate', count: 1, firstAtMs: 2000, lastAtMs: 2000 },
    ]);
    expect(failures.total('wrong-credentials')).toBe(2);
    expect(failures.total('full')).toBe(0);
  });

  it('logs the first refusal of a kind, and summarises the rest', () => {
    const failures = new LoginFailures();
    const record = (name: string) => failures.record('wrong-credentials', name, '10.0.0.1', 0);
    expect([record('a'), record('a'), record('b'), record('a')]).toEqual([true, false, true, false]);
    expect(failures.summary()).toEqual({ count: 2, addresses: 1, byReason: { 'wrong-credentials': 2 } });
    expect(failures.summary()).toBeNull();
    expect(record('a')).toBe(false);
  });

  it('neither floods the log nor grows when every name is another', () => {
    const failures = new LoginFailures({ most: 50, linesPerSummary: 10 });
    let lines = 0;
    for (let i = 0; i < 10_000; i++) {
      if (failures.record('wrong-credentials', `${i} ${'x'.repeat(10_000)}`, `10.0.0.${i % 200}`, i)) lines++;
    }
    expect(lines).toBe(10);
    expect(failures.summary()).toMatchObject({ count: 9990, addresses: 50 });
    const rows = failures.snapshot();
    expect(rows).toHaveLength(50);
    expect(rows[0]!.name).toMatch(/^9999 x{95}…$/);
    expect(rows[0]!.lastAtMs).toBe(9999);
    expect(failures.total('wrong-credentials')).toBe(10_000);
  });
});
