import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WORKER_LIMITS } from '../limits.js';
import type { CommandOutcome, CommandSink } from '../worker-connection.js';
import { type Banana, BananaDecoder, encodeBanana, Float, utf8 } from './banana.js';
import { decodeJelly, encodeJelly, type Jelly, Reference, Tagged, textOf, Tuple } from './jelly.js';
import { pbDigest, pbResponse } from './login.js';
import { PbMasterSession, type PbSessionOptions } from './pb-master-session.js';

const captures = join(import.meta.dirname, '../../test/captures/pb');
const PASSWORD = 's3cr3t-pb';
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Recorded {
  readonly dir: string;
  readonly bytes: Buffer;
}

function recorded(name: string): Recorded[] {
  return readFileSync(join(captures, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { dir: string; hex?: string })
    .filter((line) => line.hex !== undefined)
    .map(({ dir, hex }) => ({ dir, bytes: Buffer.from(hex!, 'hex') }));
}

type CallOfMaster = { request: number; luid: number; method: string; args: readonly Jelly[]; keywords: Jelly };

/** A session, and the worker at its other end as the test plays it. */
class Bench {
  readonly session: PbMasterSession;
  readonly calls: CallOfMaster[] = [];
  readonly answers = new Map<number, Jelly>();
  readonly errors = new Map<number, Jelly>();
  readonly closings: string[] = [];
  /** Number of times that the master has said which version it speaks. */
  versions = 0;
  /** Bytes that the worker has not read. */
  unreadBytes = 0;
  private request = 0;
  private readonly decoder = new BananaDecoder((element) => this.received(element));

  constructor(options: Partial<PbSessionOptions> = {}) {
    this.session = new PbMasterSession(
      {
        send: (bytes) => this.decoder.receive(bytes),
        close: (reason) => this.closings.push(reason),
        bufferedBytes: () => this.unreadBytes,
      },
      { onLogin: () => undefined, ...options },
    );
  }

  static async attached(options: Partial<PbSessionOptions> = {}): Promise<Bench> {
    const bench = new Bench(options);
    bench.login();
    const attaching = bench.session.attach();
    await settle();
    bench.answer('print', null);
    const info = new Map<Jelly, Jelly>([
      ['basedir', '/w'],
      ['version', '3.7.0'],
      ['numcpus', 2],
      ['delete_leftover_dirs', 1],
      ['environ', new Map([['HOME', '/h']])],
    ]);
    bench.answer('getWorkerInfo', info);
    await settle();
    bench.declareLanes();
    await attaching;
    return bench;
  }

  send(...element: Banana[]): void {
    this.session.receive(encodeBanana(element, 'pb'));
  }

  login(password = PASSWORD): void {
    this.session.receive(encodeBanana(Buffer.from('pb'), 'none'));
    this.send(Buffer.from('version'), 6);
    const request = this.call('root', 'login', Buffer.from('w-pb'));
    const [challenge, challenger] = (this.answers.get(request) as Tuple).items as [Uint8Array, Reference];
    const response = pbResponse(pbDigest(password), challenge);
    this.call(challenger.luid, 'respond', response, new Reference('remote', 1));
  }

  /** Calls an object of the master and returns the number of the call, by which its answer is found. */
  call(object: number | 'root', method: string, ...args: Jelly[]): number {
    const request = ++this.request;
    const target = object === 'root' ? Buffer.from('root') : object;
    const [positional, keywords] = [encodeJelly(new Tuple(args)), encodeJelly(new Map())];
    this.send(Buffer.from('message'), request, target, Buffer.from(method), 1, positional, keywords);
    return request;
  }

  /** Answers the oldest unanswered call of a method. */
  answer(method: string, value: Jelly): CallOfMaster {
    const call = this.take(method);
    this.send(Buffer.from('answer'), call.request, encodeJelly(value));
    return call;
  }

  take(method: string): CallOfMaster {
    const index = this.calls.findIndex((call) => call.method === method);
    if (index < 0) throw new Error(`the master has not called ${method}`);
    return this.calls.splice(index, 1)[0]!;
  }

  /** Answers `setBuilderList`. Returns lane names with their directories. */
  declareLanes(): Map<string, string> {
    const call = this.take('setBuilderList');
    const pairs = (call.args[0] as Tuple[]).map(({ items }) => items as [string, string]);
    const lanes = pairs.map(([name], index) => [name, new Reference('remote', 100 + index)] as const);
    this.send(Buffer.from('answer'), call.request, encodeJelly(new Map<Jelly, Jelly>(lanes)));
    return new Map(pairs);
  }

  /** Starts a command. Returns the number of its progress object, its lane and its arguments. */
  async started(name?: string): Promise<{ progress: number; lane: number; args: ReadonlyMap<Jelly, Jelly> }> {
    await settle();
    const { luid, args } = this.answer('startCommand', null);
    const [progress, , started, parameters] = args as [Reference, string, string, ReadonlyMap<Jelly, Jelly>];
    if (name !== undefined) expect(started).toBe(name);
    return { progress: progress.luid, lane: luid, args: parameters };
  }

  private received(element: Banana): void {
    const [op, request, ...rest] = element as readonly Banana[];
    switch (utf8(op as Uint8Array)) {
      case 'version':
        this.versions++;
        break;
      case 'message': {
        const [luid, method, , args, keywords] = rest;
        this.calls.push({
          request: request as number,
          luid: luid as number,
          method: utf8(method as Uint8Array),
          args: (decodeJelly(args!) as Tuple).items,
          keywords: decodeJelly(keywords!),
        });
        break;
      }
      case 'answer':
        this.answers.set(request as number, decodeJelly(rest[0]!));
        break;
      case 'error':
        this.errors.set(request as number, decodeJelly(rest[0]!));
        break;
      default:
    }
  }
}

const update = (...pairs: [string, Jelly][]): Jelly => pairs.map((pair) => [new Map<Jelly, Jelly>([pair]), 0]);
const nothing: CommandSink = { updates: () => undefined };
const SHELL = { command: 'x', workdir: '/w/b' };

describe('the recorded logins', () => {
  it('replays a login with its challenge, byte by byte, and asks what the real master asked', async () => {
    const messages = recorded('pb-real-master37-worker37-login-to-first-command.jsonl');
    const sent: string[] = [];
    const names: string[] = [];
    const session = new PbMasterSession(
      {
        send: (bytes) => sent.push(Buffer.from(bytes).toString('hex')),
        close: (reason) => sent.push(reason),
        bufferedBytes: () => 0,
      },
      {
        onLogin: (credentials) => {
          names.push(credentials.name);
          expect(credentials.matches(pbDigest(PASSWORD))).toBe(true);
        },
        challenge: () => Buffer.from('9683f5807e894ada56ad1a641b6a0117', 'hex'),
      },
    );
    for (const byte of messages
      .filter(({ dir }) => dir === 'W>M')
      .slice(0, 5)
      .flatMap(({ bytes }) => [...bytes])) {
      session.receive(Uint8Array.of(byte));
    }
    expect(names).toEqual(['w-pb']);
    const attaching = session.attach();
    attaching.catch(() => undefined);
    await settle();
    const asked = messages.filter(({ dir }) => dir === 'M>W').map(({ bytes }) => bytes.toString('hex'));
    // The dialects, version, challenge, print "attached", and getWorkerInfo (the real master waits for an answer between the last two).
    expect(sent).toEqual(asked.slice(0, 5).filter((hex) => sent.includes(hex)));
    expect(sent).toHaveLength(5);
    session.closed('the test is over');
    await expect(attaching).rejects.toMatchObject({ code: 'worker-lost' });
  });

  it('refuses a login with the failure that every worker understands', async () => {
    const bench: Bench = new Bench({
      onLogin: (credentials) => {
        expect(credentials.matches(pbDigest(PASSWORD))).toBe(false);
        bench.session.refuse();
      },
    });
    bench.login('wrong');
    await settle();
    const failure = bench.errors.get(2);
    expect(failure).toBeInstanceOf(Tagged);
    expect(encodeBanana([Buffer.from('error'), 2, encodeJelly(failure!)], 'pb').toString('hex')).toBe(
      '03801c87028102802182747769737465642e7370726561642e70622e436f707961626c654661696c75726505800587028002800782756e69636f64650482747970652482747769737465642e637265642e6572726f722e556e617574686f72697a65644c6f67696e028002800782756e69636f6465058276616c756502800782756e69636f64650082028002800782756e69636f6465098274726163656261636b02800782756e69636f64650082028002800782756e69636f64650782706172656e74730280088702800782756e69636f64652482747769737465642e637265642e6572726f722e556e617574686f72697a65644c6f67696e',
    );
    expect(bench.closings).toEqual([]);
  });
});

describe('PbMasterSession', () => {
  it('says something at once when a call is answered, so that what the worker writes next is not held back', async () => {
    const bench = await Bench.attached();
    const before = bench.versions;
    void bench.session.startCommand('c1', 'shell', SHELL, nothing);
    await bench.started('shell');
    expect(bench.versions).toBe(before + 1);
  });

  it("attaches: prints, reads the worker's information, declares its lanes, and answers the login last", async () => {
    const bench = new Bench({ builddirs: () => ['b', 'c'] });
    bench.login();
    const attaching = bench.session.attach();
    await settle();
    expect(bench.answer('print', null).keywords).toEqual(new Map([['message', 'attached']]));
    bench.answer(
      'getWorkerInfo',
      new Map<Jelly, Jelly>([
        ['delete_leftover_dirs', true],
        ['basedir', '/w'],
      ]),
    );
    await settle();
    expect(bench.answers.has(2)).toBe(false);
    // Build directories are declared only for workers that delete undeclared ones.
    expect([...bench.declareLanes().values()].filter((directory) => directory !== '.')).toEqual(['b', 'c']);
    expect(await attaching).toMatchObject({ basedir: '/w', features: ['obfuscation'] });
    expect(bench.answers.get(2)).toBeInstanceOf(Reference);
  });

  it('passes on updates, answers them when they are stored, and ends with the last unterminated line', async () => {
    const bench = await Bench.attached();
    let store: () => void = () => undefined;
    const batches: unknown[] = [];
    const running = bench.session.startCommand('c1', 'shell', SHELL, {
      updates: (batch) => {
        batches.push(batch);
        return new Promise((resolve) => (store = resolve));
      },
    });
    const { progress } = await bench.started('shell');
    const request = bench.call(progress, 'update', update(['stdout', 'hel'], ['stdout', 'lo\nrest'], ['rc', 0]));
    await settle();
    expect(bench.answers.has(request)).toBe(false);
    expect(bench.session.unacknowledgedBytes).toBeGreaterThan(20);
    store();
    await settle();
    expect(bench.answers.get(request)).toBe(0);
    expect(bench.session.unacknowledgedBytes).toBe(0);
    bench.call(progress, 'update', update(['elapsed', new Float(0.5)]));
    store();
    bench.call(progress, 'complete', null);
    store();
    expect(await running).toMatchObject({ rc: 0, failure: null, elapsedSeconds: 0.5 });
    expect(batches).toEqual([
      [
        { kind: 'stdout', text: 'hello\n' },
        { kind: 'rc', rc: 0 },
      ],
      [{ kind: 'elapsed', seconds: 0.5 }],
      [{ kind: 'stdout', text: 'rest\n' }],
    ]);
  });

  it('answers an update with nothing to store together with those before it', async () => {
    const bench = await Bench.attached();
    let store: () => void = () => undefined;
    void bench.session.startCommand('c1', 'shell', SHELL, {
      updates: ([first]) => (first!.kind === 'rc' ? undefined : new Promise((resolve) => (store = resolve))),
    });
    const { progress } = await bench.started('shell');
    const requests = [
      bench.call(progress, 'update', update(['stdout', 'x\n'])),
      bench.call(progress, 'update', update(['rc', 0])),
    ];
    await settle();
    expect(requests.filter((request) => bench.answers.has(request))).toEqual([]);
    store();
    await settle();
    expect(requests.map((request) => bench.answers.get(request))).toEqual([0, 0]);
  });

  it('never has two commands on one lane, and makes more lanes when all are taken', async () => {
    const bench = await Bench.attached();
    const running = Array.from({ length: 5 }, (_none, index) =>
      bench.session.startCommand(`c${index}`, 'shell', SHELL, nothing),
    );
    const started = [];
    for (let index = 0; index < 4; index++) started.push(await bench.started());
    expect(bench.calls.map(({ method }) => method)).toEqual(['setBuilderList']);
    bench.declareLanes();
    started.push(await bench.started());
    expect(new Set(started.map(({ lane }) => lane)).size).toBe(5);
    for (const { progress } of started) bench.call(progress, 'complete', null);
    await Promise.all(running);
    await settle();
    const next = bench.session.startCommand('c9', 'shell', SHELL, nothing);
    bench.call((await bench.started()).progress, 'complete', null);
    expect(await next).toMatchObject({ rc: null, failure: null });
  });

  it('runs one mkdir after the other until one fails', async () => {
    const bench = await Bench.attached();
    const running = bench.session.startCommand('m', 'mkdir', { paths: ['/w/a', '/w/b', '/w/c'] }, nothing);
    for (const [dir, rc] of [
      ['/w/a', 0],
      ['/w/b', 13],
    ] as const) {
      const { progress, args } = await bench.started('mkdir');
      expect(args.get('dir')).toBe(dir);
      bench.call(progress, 'update', update(['rc', rc]));
      bench.call(progress, 'complete', null);
    }
    expect(await running).toMatchObject({ rc: 13 });
    await settle();
    expect(bench.calls).toEqual([]);
  });

  it('interrupts the command on its lane, and never another', async () => {
    const bench = await Bench.attached();
    const running = bench.session.startCommand('c', 'shell', SHELL, nothing);
    const { progress, lane } = await bench.started();
    const interrupting = bench.session.interrupt('c', 'enough');
    const call = bench.answer('interruptCommand', null);
    expect([call.luid, ...call.args]).toEqual([lane, 'c', 'enough']);
    await interrupting;
    bench.call(progress, 'complete', null);
    await running;
    await bench.session.interrupt('c', 'late');
    await bench.session.interrupt('nobody', 'why not');
    expect(bench.calls).toEqual([]);
    // A command that was not sent yet is never sent.
    const early = bench.session.startCommand('early', 'shell', SHELL, nothing);
    await bench.session.interrupt('early', 'enough');
    expect(await early).toMatchObject({ rc: null, failure: null });
    expect(bench.calls).toEqual([]);
  });

  it('tells why a command did not start, and what it failed with', async () => {
    const bench = await Bench.attached();
    const failure = new Tagged('twisted.spread.pb.CopyableFailure', [
      encodeJelly(
        new Map<Jelly, Jelly>([
          ['type', Buffer.from('builtins.ValueError')],
          ['value', 'missing args'],
        ]),
      ),
    ]);
    const refused = bench.session.startCommand('a', 'shell', {}, nothing);
    await settle();
    bench.send(Buffer.from('error'), bench.take('startCommand').request, encodeJelly(failure));
    await expect(refused).rejects.toMatchObject({
      code: 'command-refused',
      message: expect.stringContaining('builtins.ValueError: missing args'),
    });
    const died = bench.session.startCommand('b', 'shell', SHELL, nothing);
    const { progress } = await bench.started();
    bench.call(progress, 'complete', failure);
    expect(await died).toMatchObject({ rc: null, failure: 'builtins.ValueError: missing args' });
  });

  it('refuses arguments that cannot be sent to a PB worker, and goes on', async () => {
    const bench = await Bench.attached();
    const args = { ...SHELL, initial_stdin: 'x'.repeat(655_361) };
    await expect(bench.session.startCommand('a', 'shell', args, nothing)).rejects.toMatchObject({
      code: 'command-refused',
      message: expect.stringContaining('655361 is too long'),
    });
    const ping = bench.session.ping();
    bench.answer('print', null);
    await ping;
    expect(bench.closings).toEqual([]);
  });

  it('hands an outcome over while output is being stored, and answers the worker when both are', async () => {
    const bench = await Bench.attached();
    const stored: (() => void)[] = [];
    const store = (): Promise<void> => new Promise((resolve) => stored.push(resolve));
    const outcomes: CommandOutcome[] = [];
    const running = bench.session.startCommand('c', 'shell', SHELL, {
      updates: store,
      completed: (outcome) => {
        outcomes.push(outcome);
        return store();
      },
    });
    const { progress } = await bench.started();
    const requests = [
      bench.call(progress, 'update', update(['stdout', 'x\n'], ['rc', 0])),
      bench.call(progress, 'complete', null),
    ];
    await settle();
    expect(outcomes).toMatchObject([{ rc: 0, failure: null }]);
    expect(requests.filter((request) => bench.answers.has(request))).toEqual([]);
    for (const resolve of stored) resolve();
    await expect(running).resolves.toMatchObject({ rc: 0 });
    expect(requests.map((request) => bench.answers.get(request))).toEqual([0, null]);
  });

  it('never answers a file object with an exception: the failed upload is interrupted and fails with its reason', async () => {
    const bench = await Bench.attached();
    const full = new Error('the disk is full');
    const running = bench.session.startCommand(
      'u',
      'upload_file',
      { path: '/w/f', maxsize: null, blocksize: 10 },
      {
        ...nothing,
        writeUpload: () => Promise.reject(full),
        closeUpload: () => Promise.resolve(),
      },
    );
    const { progress, args } = await bench.started('uploadFile');
    const writer = (args.get('writer') as Reference).luid;
    const requests = [bench.call(writer, 'write', Buffer.from('data'))];
    await settle();
    expect(bench.answer('interruptCommand', null).args[1]).toBe('the disk is full');
    requests.push(bench.call(writer, 'close'), bench.call(progress, 'update', update(['rc', 1])));
    bench.call(progress, 'complete', null);
    await expect(running).rejects.toBe(full);
    await settle();
    expect(requests.map((request) => bench.answers.get(request))).toEqual([null, null, 0]);
    expect(bench.errors.size).toBe(0);
  });

  it('serves a download with bytes, and ends it when the source fails', async () => {
    const bench = await Bench.attached();
    const blocks: (() => Promise<Uint8Array>)[] = [
      () => Promise.resolve(Buffer.from('abc')),
      () => Promise.reject(new Error('gone')),
    ];
    const running = bench.session.startCommand(
      'd',
      'download_file',
      { path: '/w/f', blocksize: 3 },
      {
        ...nothing,
        readDownload: () => blocks.shift()!(),
      },
    );
    const { progress, args } = await bench.started('downloadFile');
    const reader = (args.get('reader') as Reference).luid;
    const answers = [bench.call(reader, 'read', 3), bench.call(reader, 'read', 3)];
    await settle();
    expect(answers.map((request) => textOf(bench.answers.get(request)))).toEqual(['abc', '']);
    bench.answer('interruptCommand', null);
    bench.call(progress, 'complete', null);
    await expect(running).rejects.toThrow('gone');
  });

  it('writes the blocks of a worker that does not wait one after the other, and counts their bytes until they are written', async () => {
    const bench = await Bench.attached();
    const written: string[] = [];
    let release: () => void = () => undefined;
    const running = bench.session.startCommand(
      'u',
      'upload_file',
      { path: '/w/f', maxsize: null, blocksize: 10 },
      {
        ...nothing,
        writeUpload: async (block) => {
          await new Promise<void>((resolve) => (release = resolve));
          written.push(utf8(block));
        },
      },
    );
    const { progress, args } = await bench.started('uploadFile');
    const writer = (args.get('writer') as Reference).luid;
    for (const block of ['one', 'two']) bench.call(writer, 'write', Buffer.from(block));
    bench.call(progress, 'complete', null);
    const counted: number[] = [];
    for (let blocks = 0; blocks < 2; blocks++) {
      await settle();
      expect(written).toHaveLength(blocks);
      counted.push(bench.session.unacknowledgedBytes);
      release();
    }
    await running;
    expect(written).toEqual(['one', 'two']);
    expect(counted[0]).toBe(2 * counted[1]!);
    expect(bench.session.unacknowledgedBytes).toBe(0);
  });

  it('closes when a worker sends requests and does not read the answers', async () => {
    const bench = await Bench.attached();
    bench.unreadBytes = 65 << 20;
    await expect(bench.session.ping()).rejects.toMatchObject({ code: 'worker-lost' });
    expect(bench.closings).toEqual([expect.stringContaining('does not take what it asks for')]);
  });

  it('closes when an update repeats its text beyond the message limit, before the sink sees it', async () => {
    const bench = await Bench.attached();
    const sizes: number[] = [];
    const sink: CommandSink = { updates: (batch) => void sizes.push(batch.length) };
    const running = bench.session.startCommand('c', 'shell', SHELL, sink);
    const { progress } = await bench.started();
    const word = (text: string): Buffer => Buffer.from(text);
    const pair = encodeJelly(update(['stdout', `${'x'.repeat(640_000)}\n`])) as readonly Banana[];
    const repeated = (times: number): Banana[] => {
      const again = Array.from({ length: times }, (): Banana => [word('dereference'), 1]);
      const list = [word('list'), [word('reference'), 1, pair[1]!], ...again];
      const args = [word('tuple'), list];
      return [word('message'), 1000, progress, word('update'), 1, args, encodeJelly(new Map())];
    };
    bench.send(...repeated(3));
    bench.send(...repeated(1000));
    await expect(running).rejects.toMatchObject({ code: 'worker-lost' });
    expect(bench.closings).toEqual(['a message refers to its own parts too often']);
    expect(sizes).toEqual([4]);
  });

  it('forgets objects when the worker drops them', async () => {
    const bench = await Bench.attached();
    const running = bench.session.startCommand('c', 'shell', SHELL, nothing);
    const { progress } = await bench.started();
    bench.call(progress, 'complete', null);
    await running;
    bench.send(Buffer.from('decref'), progress);
    bench.send(Buffer.from('decref'), progress);
    const request = bench.call(progress, 'update', update(['rc', 0]));
    await settle();
    expect(bench.errors.get(request)).toBeInstanceOf(Tagged);
    expect(bench.closings).toEqual([]);
  });

  it('closes the connection of a worker that drops no references', async () => {
    const bench = await Bench.attached();
    let lost: unknown;
    for (let i = 0; lost === undefined && i <= WORKER_LIMITS.exposedObjects; i++) {
      const running = bench.session
        .startCommand(`c${i}`, 'shell', SHELL, nothing)
        .catch((error: unknown) => (lost = error));
      await settle();
      if (lost !== undefined) break;
      const { progress } = await bench.started();
      bench.call(progress, 'complete', null);
      await running;
    }
    expect(lost).toMatchObject({ code: 'worker-lost' });
    expect(bench.closings).toEqual([expect.stringContaining('objects of commands that are over')]);
  });

  it('fails a command that exceeds its limits, and keeps the worker', async () => {
    const bench = await Bench.attached();
    const running = bench.session.startCommand('c', 'shell', SHELL, nothing);
    const { progress } = await bench.started();
    const logs = Array.from({ length: 3000 }, (_, i): [string, Jelly] => ['log', new Tuple([`log ${i}`, 'x\n'])]);
    const request = bench.call(progress, 'update', update(...logs));
    await settle();
    expect(bench.answers.get(request)).toBe(0);
    expect(bench.take('interruptCommand').args).toEqual(['c', expect.stringContaining('at most 200 are allowed')]);
    bench.call(progress, 'complete', null);
    await expect(running).rejects.toMatchObject({ code: 'worker-limit' });
    expect(bench.closings).toEqual([]);
    const other = bench.session.startCommand('d', 'shell', SHELL, nothing);
    bench.call((await bench.started()).progress, 'complete', null);
    await expect(other).resolves.toMatchObject({ failure: null });
  });

  it('passes a shutdown request on, and answers keepalives', async () => {
    let wishes = 0;
    const bench = await Bench.attached({ onShutdownRequested: () => wishes++ });
    const perspective = (bench.answers.get(2) as Reference).luid;
    const requests = ['keepalive', 'shutdown'].map((method) => bench.call(perspective, method));
    await settle();
    expect(requests.map((request) => bench.answers.get(request))).toEqual([null, null]);
    expect(wishes).toBe(1);
    const request = bench.call(perspective, 'frobnicate');
    await settle();
    expect(bench.errors.get(request)).toBeInstanceOf(Tagged);
  });

  it('rejects everything outstanding when the connection is lost', async () => {
    const bench = await Bench.attached();
    const running = bench.session.startCommand('c', 'shell', SHELL, nothing);
    await bench.started();
    const ping = bench.session.ping();
    bench.session.closed('it broke');
    await expect(running).rejects.toMatchObject({ code: 'worker-lost' });
    await expect(ping).rejects.toMatchObject({ code: 'worker-lost' });
    await expect(bench.session.startCommand('d', 'shell', SHELL, nothing)).rejects.toMatchObject({
      code: 'worker-lost',
    });
  });

  it.each<[string, (bench: Bench) => void]>([
    ['an answer to nothing', (bench) => bench.send(Buffer.from('answer'), 99, 0)],
    ['an operation that is none', (bench) => bench.send(Buffer.from('frobnicate'), 1)],
    ['a second login', (bench) => bench.call('root', 'login', Buffer.from('x'))],
    ['a call without arguments', (bench) => bench.send(Buffer.from('message'), 1, 1)],
    ['another version', (bench) => bench.send(Buffer.from('version'), 5)],
  ])('closes the connection on %s', async (_what, send) => {
    const bench = await Bench.attached();
    send(bench);
    expect(bench.closings).toHaveLength(1);
    await expect(bench.session.ping()).rejects.toMatchObject({ code: 'worker-lost' });
  });
});
