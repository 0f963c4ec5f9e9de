import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseBasicAuthorization } from './basic-auth.js';
import { cut, WORKER_LIMITS } from './limits.js';
import { decodeWorkerMessage } from './messages.js';
import { MsgpackMasterSession } from './msgpack-master-session.js';
import { encodeMessage } from './msgpack-writer.js';
import { UpdateReader } from './pb/pb-updates.js';
import type { Jelly } from './pb/jelly.js';
import { ProtocolError, shown } from './protocol-error.js';
import { decodeRelayFrame } from './relay/relay-frames.js';
import { parseWorkerInfo } from './worker-info.js';

const { files, filesCharacters, infoCharacters, infoTexts, logNameCharacters, logs, openLineCharacters, statFields } =
  WORKER_LIMITS;
const log = (name: string) => ['log', [name, ['x\n', [], []]]] as const;
const many = <T>(count: number, one: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => one(i));

type Updates = readonly (readonly [string, unknown])[];

const overMsgpack = (args: Updates): unknown => {
  const message = decodeWorkerMessage(encodeMessage({ op: 'update', seq_number: 1, command_id: 'c', args }));
  if (message.op === 'excess') throw message.error;
  return message;
};
const jellyOf = (value: unknown): Jelly => value as Jelly;
const overPb = (updates: Updates): unknown =>
  new UpdateReader(1 << 20).read(
    updates.map(([key, value]) => [
      jellyOf(new Map([[key, key === 'log' ? [(value as string[])[0], (value as string[][])[1]![0]] : value]])),
      0,
    ]),
  );

describe.each([
  ['msgpack', overMsgpack],
  ['PB', overPb],
])('updates over %s', (_protocol, read) => {
  it.each<[string, Updates, string | null]>([
    ['as many logs as a step may have', many(logs, (i) => log(`l${i}`)), null],
    ['the same log over and over', many(10 * logs, () => log('l')), null],
    ['more logs', many(logs + 1, (i) => log(`l${i}`)), 'worker-limit'],
    ['3,000 logs', many(3000, (i) => log(`l${i}`)), 'worker-limit'],
    ['a long name of a log', [log('x'.repeat(logNameCharacters))], null],
    ['a longer one', [log('x'.repeat(logNameCharacters + 1))], 'worker-limit'],
    ['too many files', [['files', many(files + 1, () => 'f')]], 'worker-limit'],
    ['too long names of files', [['files', ['x'.repeat(filesCharacters), 'y']]], 'worker-limit'],
    ['many fields of stat', [['stat', many(statFields + 1, () => 1)]], 'worker-protocol'],
  ])('with %s: %j', (_what, updates, code) => {
    if (code === null) read(updates);
    else expect(() => read(updates)).toThrow(expect.objectContaining({ code }));
  });

  it('errors have a message of bounded length', () => {
    const [update] = [read([['failure_reason', 'x'.repeat(1e6)]])].flatMap((one) =>
      Array.isArray(one) ? one : (one as { updates: unknown[] }).updates,
    );
    expect((update as { reason: string }).reason).toHaveLength(WORKER_LIMITS.reasonCharacters);
  });
});

it('unterminated lines are bounded over all streams of a command', () => {
  const reader = new UpdateReader(1 << 20);
  const piece = 'x'.repeat(1 << 20);
  const feed = (name: string) => reader.read([[jellyOf(new Map([['log', [name, piece]]])), 0]]);
  for (let i = 0; i < openLineCharacters / piece.length; i++) feed(`l${i}`);
  expect(() => feed('one more')).toThrow(expect.objectContaining({ code: 'worker-limit' }));
});

describe('worker information', () => {
  it('is kept unchanged when it is small', () => {
    const answer = { admin: 'a', host: 'h', basedir: '/w', version: '4', environ: { PATH: '/bin' }, numcpus: 2 };
    const { texts, environ, basedir } = parseWorkerInfo(answer);
    expect({ texts, environ, basedir }).toEqual({
      texts: { admin: 'a', host: 'h' },
      environ: { PATH: '/bin' },
      basedir: '/w',
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['50 MB in one text', { host: 'h', big: 'x'.repeat(50 << 20) }],
    ['many texts', { host: 'h', ...Object.fromEntries(many(5000, (i) => [`k${i}`, 'some text'])) }],
    ['long keys', { host: 'h', ['k'.repeat(1000)]: 'x' }],
    ['much together', { host: 'h', ...Object.fromEntries(many(60, (i) => [`k${i}`, 'x'.repeat(1000)])) }],
  ])('keeps what is small of %s, and says that something is left out', (_what, answer) => {
    const { texts } = parseWorkerInfo(answer);
    expect(texts).toMatchObject({ host: 'h', left_out: expect.stringMatching(/^\d+ entries are left out/) });
    expect(Object.keys(texts).length).toBeLessThanOrEqual(infoTexts + 1);
    expect(JSON.stringify(texts).length).toBeLessThan(infoCharacters + 2000);
  });

  it.each<[string, Record<string, unknown>]>([
    ['environ', { environ: { a: 'x'.repeat(1 << 20) } }],
    ['environ', { environ: Object.fromEntries(many(10_000, (i) => [`v${i}`, 'x'])) }],
    ['commands', { worker_commands: Object.fromEntries(many(10_000, (i) => [`v${i}`, 'x'])) }],
    ['runningCommands', { running_commands: many(100_000, (i) => `c${i}`) }],
    ['runningCommands', { running_commands: ['x'.repeat(1 << 20)] }],
    ['features', { millrace_features: many(10_000, () => 'f') }],
    ['basedir', { basedir: 'x'.repeat(1 << 20) }],
    ['version', { version: 'x'.repeat(1 << 20) }],
    ['incarnation', { incarnation: 'x'.repeat(1 << 20) }],
  ])('bounds %s', (key, answer) => {
    const info = parseWorkerInfo(answer) as unknown as Record<string, unknown>;
    expect(JSON.stringify(info[key]).length).toBeLessThan(WORKER_LIMITS.environCharacters);
  });
});

describe('a session', () => {
  const closings: string[] = [];
  const open = () =>
    new MsgpackMasterSession({
      send: () => undefined,
      close: (reason) => closings.push(reason),
      bufferedBytes: () => 0,
    });

  it('ends on a long message before the worker has attached', () => {
    const session = open();
    const attached = session.attach();
    attached.catch(() => undefined);
    session.receive(Buffer.alloc(WORKER_LIMITS.attachMessageBytes + 1));
    expect(closings).toEqual([expect.stringContaining('longer than')]);
    return expect(attached).rejects.toMatchObject({ code: 'worker-lost' });
  });
});

describe('login', () => {
  const header = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  it.each([
    ['a long name', `${'n'.repeat(191)}:p`],
    ['a long password', `n:${'p'.repeat(5000)}`],
  ])('refuses %s', (_what, text) => {
    expect(() => parseBasicAuthorization(header(text))).toThrow(ProtocolError);
  });

  const opening = (fields: Record<string, unknown>) =>
    Buffer.concat([
      Buffer.from([1, 0, 0, 0, 1]),
      encodeMessage({ protocol: 'pb', authorization: null, remoteAddress: '::1', ...fields }),
    ]);
  it.each<[string, Record<string, unknown>]>([
    ['20 MB of address', { remoteAddress: '1'.repeat(20 << 20) }],
    ['a long address', { remoteAddress: '1'.repeat(100) }],
    ['an address that a terminal obeys', { remoteAddress: '\u001b[2J' }],
    ['a long authorization', { authorization: 'x'.repeat(10_000) }],
    ['much else', { else: 'x'.repeat(20_000) }],
  ])('refuses a channel with %s', (_what, fields) => {
    expect(() => decodeRelayFrame(opening(fields))).toThrow(ProtocolError);
    expect(decodeRelayFrame(opening({}))).toMatchObject({ kind: 'open' });
  });
});

describe('quoted text from the other side', () => {
  it('is short and has no control characters, whatever the value is', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true }), (value) => {
        const message = new ProtocolError(`x ${shown(value)}`).message;
        expect(message.length).toBeLessThanOrEqual(400);
        expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
    expect(shown('\u001b[2J'.repeat(1e6)).length).toBeLessThan(500);
    expect(shown(Object.fromEntries(many(1e5, (i) => [i, i])))).toBe('a map');
  });

  it('is copied by `cut`, not sliced', () => {
    expect(cut('abc', 3)).toBe('abc');
    expect(cut('abcd', 3)).toBe('ab…');
  });
});
