import { describe, expect, it } from '@jest/globals';
import { judgeSilence } from './silence.js';

const LEASE_MS = 3000;

describe('judgeSilence', () => {
  it.each<[string, 'renew' | 'wait' | 'end', { silentMs: number; lateMs: number; isLeaseOver: boolean }]>([
    ['a loop that turns', 'renew', { silentMs: 200, lateMs: 0, isLeaseOver: false }],
    ['a loop that turns, after an outage of the database', 'renew', { silentMs: 200, lateMs: 0, isLeaseOver: true }],
    ['a hung loop while the lease stands', 'wait', { silentMs: 2000, lateMs: 10, isLeaseOver: false }],
    ['a hung loop without a lease', 'end', { silentMs: 4000, lateMs: 10, isLeaseOver: true }],
    ['a process that stood still', 'wait', { silentMs: 9000, lateMs: 8900, isLeaseOver: true }],
  ])('%s: %s', (_name, expected, silence) => {
    expect(judgeSilence({ ...silence, leaseMs: LEASE_MS })).toBe(expected);
  });
});
