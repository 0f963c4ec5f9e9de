import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OperationalError, UserError } from './errors.js';
import { loggable, loggableText } from './loggable.js';

const SECRET = 's3cret-of-ours';

describe('loggable', () => {
  it.each<[string, unknown]>([
    ['an address in a text', `cannot connect to mariadb://millrace:${SECRET}@db/ci`],
    ['an address in a field', { url: `nats://ci:${SECRET}@bus:4222` }],
    ['an address far inside', { a: [{ b: { url: `wss://${SECRET}@bus/ws` } }] }],
    ['a query parameter', { url: `https://forge.example/hook?access_token=${SECRET}` }],
    ['a password', { password: SECRET }],
    ['a password inside', { options: { Password: SECRET, busTicket: SECRET, apiKey: SECRET } }],
    ['a header', { headers: { authorization: `Bearer ${SECRET}`, Cookie: SECRET } }],
    ['a token that is a list', { tokens: [SECRET] }],
    ['the message of an error', new Error(`Invalid URL mysql://u:${SECRET}@h`)],
    ['what a driver hangs on an error', Object.assign(new Error('x'), { sql: SECRET, config: { user: SECRET } })],
    ['the input of an invalid URL', Object.assign(new TypeError('Invalid URL'), { input: SECRET })],
    ['an error inside', { err: Object.assign(new Error('x'), { sql: SECRET }) }],
    [
      'the cause of an error',
      new Error('x', { cause: Object.assign(new Error(`ws://u:${SECRET}@h`), { sql: SECRET }) }),
    ],
    [
      'a field of ours',
      new UserError('x', 'x', { password: SECRET, url: `ws://u:${SECRET}@h`, options: { a: SECRET } }),
    ],
    ['one of several errors', new AggregateError([new Error(`ws://u:${SECRET}@h`)], '')],
    ['an address that is cut through', `${'x'.repeat(3_990)} mariadb://millrace:${SECRET}@db/ci`],
    ['a name', { [`ws://u:${SECRET}@h`]: 1 }],
  ])('hides %s', (_what, value) => {
    expect(JSON.stringify(loggable(value))).not.toContain(SECRET);
  });

  it('keeps the described fields of an error, in their order', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', errno: -111 });
    const error = new OperationalError('database-away', 'the database is away', { host: 'db', port: 3306 }, { cause });
    expect(loggable({ err: error, loop: 'x' })).toEqual({
      err: {
        type: 'OperationalError',
        message: 'the database is away',
        code: 'database-away',
        stack: expect.stringContaining('loggable.spec'),
        fields: { host: 'db', port: 3306 },
        cause: { type: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED', stack: expect.any(String) },
      },
      loop: 'x',
    });
  });

  it('keeps plain fields unchanged', () => {
    const fields = { a: 1, b: 'two', c: [true, null], d: { e: 'f' } };
    expect(loggable(fields)).toEqual(fields);
    expect(loggable({ at: new Date(0), bytes: Buffer.alloc(7), map: new Map([[1, 2]]), big: 1n, f: () => 1 })).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      bytes: '7 bytes',
      map: '1 entries',
      big: '1',
    });
  });

  it('limits the size of whatever is logged', () => {
    const circular: Record<string, unknown> = { name: 'x' };
    circular['self'] = circular;
    const loop = new Error('x');
    loop.cause = loop;
    let deep: unknown = 1;
    for (let i = 0; i < 50_000; i++) deep = [deep];
    const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, 'v']));
    let bush: unknown = 'x';
    for (let i = 0; i < 5; i++) bush = new Array<unknown>(100).fill(bush);
    for (const value of [bush, circular, loop, deep, wide, 'x'.repeat(1 << 22), new Error('y'.repeat(1 << 22))]) {
      expect(JSON.stringify(loggable(value)).length).toBeLessThan(50_000);
    }
  });

  it('accepts any value', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (value) => {
          expect(typeof JSON.stringify(loggable(value))).toBe('string');
        },
      ),
    );
  });
});

describe('loggableText', () => {
  it('is cut to a length', () => {
    expect(loggableText('abcdef', 3)).toBe('abc…');
    expect(loggableText('abc', 3)).toBe('abc');
  });
});
