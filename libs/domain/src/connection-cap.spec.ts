import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addressGroup, type CapLimits, ConnectionCap } from './connection-cap.js';

const named = (name: string): { name: string } => ({ name });

describe('ConnectionCap', () => {
  it('ends the oldest connection that is not in use, never one in use', () => {
    const cap = new ConnectionCap<{ name: string }>({ max: 3 });
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(named);
    for (const connection of [a!, b!, c!]) expect(cap.admit(connection, '10.0.0.1')).toBeNull();
    cap.use(a!);
    expect(cap.admit(d!, '10.0.0.2')).toBe(b);
    cap.use(c!);
    cap.use(d!);
    expect(cap.admit(e!, '10.0.0.3')).toBe(e);
    cap.rest(d!);
    expect(cap.admit(e!, '10.0.0.3')).toBe(d);
    expect(cap.size).toBe(3);
  });

  it('makes a connection that comes to rest the youngest', () => {
    const cap = new ConnectionCap<{ name: string }>({ max: 2 });
    const [a, b, c] = [named('a'), named('b'), named('c')];
    cap.admit(a, null);
    cap.admit(b, null);
    cap.use(a);
    cap.rest(a);
    expect(cap.admit(c, null)).toBe(b);
  });

  it('lets an address displace its own connections only', () => {
    const cap = new ConnectionCap<{ name: string }>({ max: 100, maxPerAddress: 2 });
    const other = named('other');
    cap.admit(other, '10.0.0.9');
    const own = Array.from({ length: 50 }, (_, i) => named(String(i)));
    own.forEach((connection, i) => expect(cap.admit(connection, '10.0.0.1')).toBe(i < 2 ? null : own[i - 2]));
    expect(cap.size).toBe(3);
    for (const local of own) cap.remove(local);
    for (let i = 0; i < 50; i++) expect(cap.admit(named('local'), null)).toBeNull();
  });

  it.each([
    [true, 'itself'],
    [false, 'nobody'],
  ])('counts those in use towards their address: %s', (countsInUse, expected) => {
    const cap = new ConnectionCap<{ name: string }>({ max: 100, maxPerAddress: 1, countsInUse });
    const joined = named('joined');
    cap.admit(joined, '10.0.0.1');
    cap.use(joined);
    const next = named('next');
    expect(cap.admit(next, '10.0.0.1')).toBe(expected === 'itself' ? next : null);
  });

  it('stays within its limits, forgets removed connections, and never ends one in use, after any operations', () => {
    const step = fc.record({
      act: fc.constantFrom('admit', 'use', 'rest', 'remove'),
      who: fc.integer({ min: 0, max: 11 }),
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', '2001:db8::1', null),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, countsInUse) => {
        const limits: CapLimits = { max: 5, maxPerAddress: 2, countsInUse };
        const cap = new ConnectionCap<{ name: string }>(limits);
        const all = Array.from({ length: 12 }, (_, i) => named(String(i)));
        const alive = new Map<object, boolean>();
        for (const { act, who, address } of steps) {
          const connection = all[who]!;
          if (act === 'admit' && !alive.has(connection)) {
            const loser = cap.admit(connection, address);
            if (loser !== connection) alive.set(connection, false);
            if (loser !== null && loser !== connection) {
              expect(alive.get(loser)).toBe(false);
              alive.delete(loser);
            }
          } else if (act === 'use') {
            cap.use(connection);
            if (alive.has(connection)) alive.set(connection, true);
          } else if (act === 'rest') {
            cap.rest(connection);
            if (alive.has(connection)) alive.set(connection, false);
          } else if (act === 'remove') {
            cap.remove(connection);
            alive.delete(connection);
          }
          expect(cap.size).toBe(alive.size);
          expect(cap.size).toBeLessThanOrEqual(5);
        }
        for (const connection of all) cap.remove(connection);
        // No counter keeps an entry.
        for (const part of Object.values(cap))
          if (part instanceof Map || part instanceof Set) expect(part.size).toBe(0);
      }),
    );
  });
});

describe('addressGroup', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['2001:DB8:1:2::7', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('of %s is %s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});
