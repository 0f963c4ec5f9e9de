import { describe, expect, it } from '@jest/globals';
import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { decodeWorkerMessage, encodedUpdates, encodeUpdate, encodeUpdates, encodeWorkerRequest } from './messages.js';
import { MsgpackReader } from './msgpack-reader.js';
import { encodeMessage, MsgpackWriter } from './msgpack-writer.js';
import { ProtocolError } from './protocol-error.js';
import type { CommandUpdate } from './worker-connection.js';

const key = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__proto__');
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.integer({ min: -300, max: 70_000 }),
    fc.double({ noNaN: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

const line = fc.string({ unit: 'grapheme' }).map((text) => `${text.replaceAll('\n', '')}\n`);
const lines = fc.array(line, { minLength: 1, maxLength: 30 }).map((all) => ({
  text: all.join(''),
  times: all.map((_line, index) => 1.7e9 + index + 0.25),
}));
const update: fc.Arbitrary<CommandUpdate> = fc.oneof(
  fc
    .record({ kind: fc.constantFrom('stdout', 'stderr', 'header'), lines })
    .map(({ kind, lines: of }) => ({ kind, ...of })),
  fc.record({ name: fc.string(), lines }).map(({ name, lines: of }) => ({ kind: 'log' as const, name, ...of })),
  fc.integer({ min: -1, max: 255 }).map((rc) => ({ kind: 'rc' as const, rc })),
  fc.double({ min: 0, max: 1e6, noNaN: true }).map((seconds) => ({ kind: 'elapsed' as const, seconds })),
  fc.string().map((reason) => ({ kind: 'failure_reason' as const, reason })),
  fc.array(fc.string()).map((files) => ({ kind: 'files' as const, files })),
  fc
    .array(fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 60n, max: 2n ** 64n - 1n })), {
      minLength: 10,
      maxLength: 10,
    })
    .map((stat) => ({ kind: 'stat' as const, stat })),
);

describe('MsgpackReader', () => {
  it('reads and skips exactly what the reference implementation reads', () => {
    fc.assert(
      fc.property(value, (sample) => {
        const bytes = encode(sample);
        const reader = new MsgpackReader(bytes);
        expect(reader.value()).toEqual(decode(bytes));
        expect(reader.atEnd).toBe(true);
        const skipping = new MsgpackReader(bytes);
        skipping.skip();
        expect(skipping.atEnd).toBe(true);
      }),
    );
  });

  it('reads what was written, bigints included', () => {
    const withBigints = fc.array(
      fc.oneof(
        value,
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
        fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
      ),
    );
    fc.assert(
      fc.property(withBigints, (sample) => {
        const writer = new MsgpackWriter();
        writer.value(sample);
        expect(new MsgpackReader(writer.finish()).value()).toEqual(sample);
      }),
    );
  });

  it('refuses a truncated value with a protocol error, whether it reads or skips', () => {
    fc.assert(
      fc.property(value, fc.nat(), (sample, cut) => {
        const bytes = encode(sample);
        const part = bytes.subarray(0, cut % bytes.length);
        expect(() => new MsgpackReader(part).value()).toThrow(ProtocolError);
        expect(() => new MsgpackReader(part).skip()).toThrow(ProtocolError);
      }),
    );
  });

  it('answers any garbage with a value or a protocol error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (garbage) => {
        for (const read of [(reader: MsgpackReader) => reader.value(), (reader: MsgpackReader) => reader.skip()]) {
          try {
            read(new MsgpackReader(garbage));
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('allocates nothing for nested lists that claim the rest of the frame, and keeps no more values than its limit', () => {
    const claims = Array.from({ length: 30 }, () => [0xdd, 0x01, 0xc0, 0, 0]).flat();
    const nested = Buffer.concat([Buffer.from(claims), Buffer.alloc(32 << 20)]);
    const empty = Buffer.concat([Buffer.from([0xdd, 0x01, 0xc0, 0, 0]), Buffer.alloc(32 << 20, 0x90)]);
    for (const frame of [nested, empty]) {
      const before = process.memoryUsage().heapUsed;
      expect(() => new MsgpackReader(frame).value()).toThrow('more than 2097152 values');
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(50 << 20);
    }
  });

  it('rejects a forged length', () => {
    expect(() => new MsgpackReader(Buffer.from('ddffffffff00', 'hex')).value()).toThrow(/ends within/);
    expect(() => new MsgpackReader(Buffer.from('91'.repeat(100), 'hex')).value()).toThrow(/nested/);
  });
});

describe('MsgpackWriter', () => {
  it('writes what the reference implementation writes, byte for byte', () => {
    fc.assert(
      fc.property(value, (sample) => {
        const writer = new MsgpackWriter();
        writer.value(sample);
        expect(Buffer.from(writer.finish()).toString('hex')).toBe(Buffer.from(encode(sample)).toString('hex'));
      }),
    );
  });

  it.each([0, 31, 32, 255, 256, 65_535, 65_536])(
    'writes texts, lists and bytes of %i as the reference does',
    (length) => {
      for (const sample of ['é'.repeat(length), Array.from({ length }, () => 1), new Uint8Array(length)]) {
        const writer = new MsgpackWriter();
        writer.value(sample);
        expect(Buffer.from(writer.finish()).equals(Buffer.from(encode(sample)))).toBe(true);
      }
    },
  );
});

describe('update messages', () => {
  it('are read as the general decoder reads them, except for positions', () => {
    fc.assert(
      fc.property(fc.array(update), fc.nat({ max: 2 ** 31 }), fc.option(fc.nat()), (updates, seq, updateNumber) => {
        const bytes = encodeWorkerRequest(seq, { op: 'update', commandId: 'c1', updates, updateNumber });
        expect(decodeWorkerMessage(bytes, true)).toEqual({ op: 'update', seq, commandId: 'c1', updates, updateNumber });
        expect(encodeUpdate(seq, 'c1', encodedUpdates(encodeUpdates(updates).bytes), updateNumber)).toEqual(bytes);
        const general = decode(bytes, { useBigInt64: false }) as { args: unknown[] };
        expect(general.args).toHaveLength(updates.length);
        const withoutTimes = updates.map((one) => ('times' in one ? { ...one, times: undefined } : one));
        const plain = { op: 'update', seq, commandId: 'c1', updates: withoutTimes, updateNumber };
        expect(decodeWorkerMessage(bytes)).toEqual(plain);
      }),
    );
  });

  it('have their positions and times skipped, as a stock worker sends them', () => {
    const args = [
      ['stdout', ['é𝄞\nx\n', [2, 4], [1.5, 2.5]]],
      ['log', ['lf', ['one\n', [3], [1795279291.6120665]]]],
      ['some_day', { what: 'ever' }],
      ['rc', 0],
    ];
    const bytes = encodeMessage({ op: 'update', args, command_id: 'c1', seq_number: 7 });
    expect(decodeWorkerMessage(bytes)).toEqual({
      op: 'update',
      seq: 7,
      commandId: 'c1',
      updates: [
        { kind: 'stdout', text: 'é𝄞\nx\n' },
        { kind: 'log', name: 'lf', text: 'one\n' },
        { kind: 'rc', rc: 0 },
      ],
      updateNumber: null,
    });
  });

  it.each([
    ['a text for rc', [['rc', 'x']], "'rc' must be a number, not 'x'"],
    ['a float in stat', [['stat', [1.5]]], "'stat' must be a list of integers, not 1.5"],
    ['bytes for text', [['stdout', [new Uint8Array([1]), [], []]]], /expected text/],
    ['a short value', [['stdout', ['a\n', []]]], 'the value of a log update must have 3 parts, not 2'],
    ['no list', 5, /expected a list/],
  ])('name what is wrong: %s', (_name, args, message) => {
    const bytes = encode({ op: 'update', args, command_id: 'c1', seq_number: 7 });
    expect(() => decodeWorkerMessage(bytes)).toThrow(message);
  });

  it('have a limited number of keys', () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`key${index}`, null]));
    expect(() => decodeWorkerMessage(encode({ op: 'update', seq_number: 1, ...many }))).toThrow('has 42 keys');
  });

  it.each([
    [{ seq_number: 1 }, "the message has no 'op'"],
    [{ op: 'update', seq_number: 'x', args: [] }, "'seq_number' must be an integer, not 'x' (op 'update')"],
    [{ op: 'complete', seq_number: 1, args: 5, command_id: 'c' }, "'args' must be text or nil, not 5 (op 'complete')"],
    [{ op: 'update_read_file', seq_number: 1, command_id: 'c', length: -1 }, "'length' must be an integer, not -1"],
  ])('name the key and the value: %j', (message, problem) => {
    expect(() => decodeWorkerMessage(encode(message))).toThrow(problem);
  });
});
