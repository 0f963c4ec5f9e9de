import { describe, expect, it } from '@jest/globals';
import { OperationalError, UserError } from '@millrace/domain';
import { encodeResponse, encodeWorkerRequest } from './messages.js';
import { MsgpackMasterSession } from './msgpack-master-session.js';
import { MsgpackWorkerSession, type WorkerRequestHandlers } from './msgpack-worker-session.js';
import type { CommandSink, CommandUpdate, Transport } from './worker-connection.js';

type StartCommand = (worker: MsgpackWorkerSession, id: string, args: Readonly<Record<string, unknown>>) => void;

/** Connects two sessions. Frames are delivered in order, in microtasks, as long as both are open. */
function connect(startCommand: StartCommand = () => undefined, handlers: Partial<WorkerRequestHandlers> = {}) {
  const heard: string[] = [];
  const closings: string[] = [];
  const deliver = (to: () => { receive(frame: Uint8Array): void; closed(reason: string): void }): Transport => ({
    send: (frame) => queueMicrotask(() => to().receive(frame)),
    close: (reason) => {
      closings.push(reason);
      to().closed(reason);
    },
    bufferedBytes: () => 0,
  });
  const worker: MsgpackWorkerSession = new MsgpackWorkerSession(
    deliver(() => master),
    {
      print: (message) => heard.push(message),
      info: () => ({ basedir: '/w', version: '9', system: 'posix', admin: 'me\n', running_commands: ['old'] }),
      settings: (settings) => heard.push(`max_line_length ${settings.maxLineLength}`),
      startCommand: (id, name, args) => {
        if (name !== 'shell') throw new Error(`(command ${id}): unrecognized WorkerCommand '${name}'`);
        startCommand(worker, id, args);
      },
      interrupt: (id, why) => heard.push(`interrupt ${id}: ${why}`),
      shutdown: () => heard.push('shutdown'),
      ...handlers,
    },
  );
  const master: MsgpackMasterSession = new MsgpackMasterSession(deliver(() => worker));
  return { worker, master, heard, closings };
}

/** Reports as a worker does. Rejections after the connection has ended are ignored. */
function report(
  worker: MsgpackWorkerSession,
  id: string,
  updates: CommandUpdate[],
  failure: string | null = null,
): void {
  worker.sendUpdates(id, updates).acknowledged.catch(() => undefined);
  worker.complete(id, failure).catch(() => undefined);
}

function gathering(): CommandSink & { batches: (readonly CommandUpdate[])[] } {
  const batches: (readonly CommandUpdate[])[] = [];
  return { batches, updates: (batch) => void batches.push(batch) };
}

const RESUMING = { info: () => ({ millrace_features: ['resume'], running_commands: ['c1'], incarnation: 'i1' }) };

/** Returns a session whose worker sends requests and does not read the answers. */
function unread() {
  const sent: Uint8Array[] = [];
  const closings: string[] = [];
  let bufferedBytes = 0;
  const session = new MsgpackMasterSession({
    send: (frame) => {
      sent.push(frame);
      bufferedBytes += frame.length;
    },
    close: (reason) => void closings.push(reason),
    bufferedBytes: () => bufferedBytes,
  });
  return { session, sent, closings };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a session with a worker that does not wait for answers', () => {
  const write = (seq: number, block: Uint8Array): Uint8Array =>
    encodeWorkerRequest(seq, { op: 'update_upload_file_write', commandId: 'c1', block });
  const read = (seq: number): Uint8Array =>
    encodeWorkerRequest(seq, { op: 'update_read_file', commandId: 'c1', length: 1 << 20 });

  it('closes when too many answers wait to be read', async () => {
    const { session, sent, closings } = unread();
    const readDownload = (length: number): Promise<Uint8Array> => Promise.resolve(new Uint8Array(length));
    const lost = session.startCommand('c1', 'download_file', {}, { ...gathering(), readDownload });
    for (let seq = 0; seq < 200; seq++) session.receive(read(seq));
    await expect(lost).rejects.toMatchObject({ code: 'worker-lost' });
    expect(closings).toEqual([expect.stringContaining('does not take what it asks for')]);
    expect(sent.length).toBeLessThan(70);
    expect(session.unacknowledgedBytes).toBe(0);
  });

  it('writes the blocks of a file one after the other, counts their bytes until then, and only then ends the command', async () => {
    const { session, sent, closings } = unread();
    const written: number[] = [];
    let release: () => void = () => undefined;
    const writeUpload = async (block: Uint8Array): Promise<void> => {
      await new Promise<void>((resolve) => (release = resolve));
      written.push(block[0]!);
    };
    const outcome = session.startCommand('c1', 'upload_file', {}, { ...gathering(), writeUpload });
    let ended = false;
    void outcome.then(() => (ended = true));
    for (let seq = 0; seq < 3; seq++) session.receive(write(seq, new Uint8Array(1000).fill(seq)));
    session.receive(encodeWorkerRequest(3, { op: 'complete', commandId: 'c1', failure: null }));
    for (const left of [3, 2, 1]) {
      await settled();
      expect([ended, written.length, Math.floor(session.unacknowledgedBytes / 1000)]).toEqual([false, 3 - left, left]);
      release();
    }
    await outcome;
    expect(written).toEqual([0, 1, 2]);
    await settled();
    expect([session.unacknowledgedBytes, sent.length, closings]).toEqual([0, 5, []]);
  });

  it('writes nothing after a block that could not be written', async () => {
    const { session } = unread();
    let tries = 0;
    const writeUpload = (): Promise<void> =>
      tries++ === 0 ? Promise.reject(new Error('disk full')) : Promise.resolve();
    const outcome = session.startCommand('c1', 'upload_file', {}, { ...gathering(), writeUpload });
    for (let seq = 0; seq < 3; seq++) session.receive(write(seq, new Uint8Array(10)));
    session.receive(encodeWorkerRequest(3, { op: 'complete', commandId: 'c1', failure: null }));
    await expect(outcome).rejects.toThrow('disk full');
    expect(tries).toBe(1);
  });
});

describe('a session with a worker that can resume', () => {
  const line: CommandUpdate = { kind: 'stdout', text: 'a\n' };

  it('resumes a command: events first, then the unacknowledged updates with their numbers', async () => {
    const { worker, master } = connect(undefined, {
      ...RESUMING,
      resume: (id) => () => {
        worker.sendUpdates(id, [{ kind: 'rc', rc: 4 }], 0).acknowledged.catch(() => undefined);
        worker.sendUpdates(id, [line], 7).acknowledged.catch(() => undefined);
        worker.complete(id, null).catch(() => undefined);
      },
    });
    expect(await master.attach()).toMatchObject({ incarnation: 'i1', features: ['resume'], runningCommands: ['c1'] });
    const numbers: (number | null)[] = [];
    const outcome = await master.resumeCommand('c1', { updates: (_batch, number) => void numbers.push(number) });
    expect(outcome).toMatchObject({ rc: 4, failure: null });
    expect(numbers).toEqual([7]);
  });

  it('ignores what was sent before the resume was answered, and of two resumes lets the later one go on', async () => {
    let resumed = 0;
    const { worker, master } = connect(
      (_worker, id) => void worker.sendUpdates(id, [line], 1).acknowledged.catch(() => undefined),
      {
        ...RESUMING,
        resume: (id) => {
          worker.sendUpdates(id, [line], 2).acknowledged.catch(() => undefined);
          return () => {
            worker.sendUpdates(id, [line], 1).acknowledged.catch(() => undefined);
            if (++resumed === 2) worker.complete(id, null).catch(() => undefined);
          };
        },
      },
    );
    await master.attach();
    const heard: string[] = [];
    const sink = (name: string): CommandSink => ({ updates: (_batch, number) => void heard.push(`${name}${number}`) });
    const [a, b, c] = await Promise.allSettled([
      master.startCommand('c1', 'shell', {}, sink('a')),
      master.resumeCommand('c1', sink('b')),
      master.resumeCommand('c1', sink('c')),
    ]);
    expect([a, b]).toMatchObject([{ reason: { code: 'command-resumed' } }, { reason: { code: 'command-resumed' } }]);
    expect(c).toMatchObject({ status: 'fulfilled' });
    expect(heard).toEqual(['a1', 'a2', 'b1', 'b2', 'c1']);
  });

  it('records the outcome before the worker may drop it, and reports when it could not', async () => {
    const answers: string[] = [];
    const { master } = connect(
      (worker, id) =>
        void worker.complete(id, null).then(
          () => answers.push(`${id} recorded`),
          (error: Error) => answers.push(`${id} ${error.message}`),
        ),
      RESUMING,
    );
    await master.attach();
    let recorded = 0;
    await master.startCommand('c1', 'shell', {}, { ...gathering(), completed: () => Promise.resolve(void recorded++) });
    expect(recorded).toBe(1);
    const refusing = { ...gathering(), completed: () => Promise.reject(new Error('fenced')) };
    await expect(master.startCommand('c2', 'shell', {}, refusing)).rejects.toThrow('fenced');
    await master.ping();
    expect(answers).toEqual(['c1 recorded', 'c2 complete: fenced']);
  });

  it('keeps a command that is resumed while its start is refused', async () => {
    const { session } = unread();
    const answer = (seq: number, result: unknown, isException = false): void =>
      session.receive(encodeResponse({ seq, result, isException }));
    const attaching = session.attach();
    for (const seq of [0, 1, 2]) answer(seq, RESUMING.info());
    await attaching;
    const started = session.startCommand('c1', 'shell', {}, gathering());
    const resumed = session.resumeCommand('c1', gathering());
    answer(3, 'too late', true);
    answer(4, null);
    await expect(started).rejects.toThrow();
    session.receive(encodeWorkerRequest(0, { op: 'complete', commandId: 'c1', failure: null }));
    await expect(resumed).resolves.toMatchObject({ failure: null });
  });

  it('forgets commands, and is refused those that the worker does not hold', async () => {
    const forgotten: string[] = [];
    const { master } = connect(undefined, {
      ...RESUMING,
      resume: () => {
        throw new Error('never heard of it');
      },
      forget: (id) => void forgotten.push(id),
    });
    await master.attach();
    await master.forget('c1');
    expect(forgotten).toEqual(['c1']);
    await expect(master.resumeCommand('c1', gathering())).rejects.toMatchObject({ code: 'command-unknown' });
    await expect(master.ping()).resolves.toBeUndefined();
  });

  it('never sends a stock worker any of these requests', async () => {
    const { master, heard } = connect();
    await master.attach();
    await expect(master.resumeCommand('c1', gathering())).rejects.toMatchObject({ code: 'not-resumable' });
    await master.forget('c1');
    expect(heard.at(-1)).toBe('interrupt c1: nobody waits for it');
  });
});

describe('a master and a worker session', () => {
  it('attach: greeting, information, settings', async () => {
    const { master, heard } = connect();
    const info = await master.attach();
    expect(heard).toEqual(['attached', 'max_line_length 1048576']);
    expect(info).toMatchObject({ basedir: '/w', system: 'posix', texts: { admin: 'me\n' }, runningCommands: ['old'] });
    expect(master.info).toBe(info);
  });

  it('run a command whose updates and end come before the answer to its start', async () => {
    const { master } = connect((worker, id) =>
      report(worker, id, [
        { kind: 'stdout', text: 'hello\n' },
        { kind: 'rc', rc: 3 },
        { kind: 'elapsed', seconds: 0.5 },
      ]),
    );
    const sink = gathering();
    const outcome = await master.startCommand('c1', 'shell', {}, sink);
    expect(outcome).toEqual({ rc: 3, failure: null, failureReason: null, elapsedSeconds: 0.5 });
    expect(sink.batches.flat().map(({ kind }) => kind)).toEqual(['stdout', 'rc', 'elapsed']);
    expect(master.unacknowledgedBytes).toBe(0);
  });

  it('report a failure beside the exit status', async () => {
    const { master } = connect((worker, id) => report(worker, id, [{ kind: 'rc', rc: 0 }], 'it broke'));
    await expect(master.startCommand('c1', 'shell', {}, gathering())).resolves.toMatchObject({
      rc: 0,
      failure: 'it broke',
    });
  });

  it('acknowledge an update only when it is stored, and end the command only after that', async () => {
    let acknowledged = false;
    const { master } = connect((worker, id) => {
      void worker.sendUpdates(id, [{ kind: 'stdout', text: 'a\n' }]).acknowledged.then(() => (acknowledged = true));
      void worker.complete(id, null);
    });
    let store: () => void = () => undefined;
    const stored = new Promise<void>((resolve) => (store = resolve));
    const levels: number[] = [];
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    master.onUnacknowledged = (bytes) => void levels.push(bytes);
    const outcome = master.startCommand(
      'c1',
      'shell',
      {},
      {
        updates: () => {
          arrive();
          return stored;
        },
      },
    );
    let ended = false;
    void outcome.then(() => (ended = true));
    await arrived;
    await master.ping();
    expect({ acknowledged, ended, waiting: master.unacknowledgedBytes > 0 }).toEqual({
      acknowledged: false,
      ended: false,
      waiting: true,
    });
    store();
    await outcome;
    await master.ping();
    expect(acknowledged).toBe(true);
    expect(levels).toEqual([expect.any(Number), 0]);
  });

  it('end a command whose log cannot be stored with that error, and interrupt it', async () => {
    const { master, heard } = connect((worker, id) => {
      worker.sendUpdates(id, [{ kind: 'stdout', text: 'a\n' }]).acknowledged.catch((error: Error) => {
        heard.push(error.message);
        void worker.complete(id, null);
      });
    });
    const sink: CommandSink = { updates: () => Promise.reject(new Error('disk full')) };
    await expect(master.startCommand('c1', 'shell', {}, sink)).rejects.toThrow('disk full');
    expect(heard).toEqual(['interrupt c1: disk full', 'update: disk full']);
  });

  it('transfer files both ways', async () => {
    const written: string[] = [];
    const { master } = connect((worker, id) => {
      void (async () => {
        await worker.writeUpload(id, Buffer.from('abc'));
        await worker.closeUpload(id);
        await worker.uploadTimes(id, 1.5, 2.5);
        await worker.writeDirectory(id, Buffer.from('tar'));
        await worker.unpackDirectory(id);
        const block = await worker.readDownload(id, 10);
        const end = await worker.readDownload(id, 10);
        await worker.closeDownload(id);
        written.push(`${Buffer.from(block).toString()}|${end.length}`);
        report(worker, id, [{ kind: 'rc', rc: 0 }]);
      })();
    });
    const reads = [Buffer.from('xyz'), Buffer.alloc(0)];
    const note = (text: string): Promise<void> => Promise.resolve(void written.push(text));
    await master.startCommand(
      'c1',
      'shell',
      {},
      {
        updates: () => undefined,
        writeUpload: (block) => note(Buffer.from(block).toString()),
        closeUpload: () => note('close'),
        uploadTimes: (access, modified) => note(`${access} ${modified}`),
        writeDirectory: (block) => note(Buffer.from(block).toString()),
        unpackDirectory: () => note('unpack'),
        readDownload: () => Promise.resolve(reads.shift() ?? Buffer.alloc(0)),
        closeDownload: () => note('read close'),
      },
    );
    expect(written).toEqual(['abc', 'close', '1.5 2.5', 'tar', 'unpack', 'read close', 'xyz|0']);
  });

  it('refuse a transfer that the command did not ask for', async () => {
    const { master } = connect((worker, id) => {
      worker.writeUpload(id, Buffer.from('abc')).catch((error: Error) => report(worker, id, [], error.message));
    });
    await expect(master.startCommand('c1', 'shell', {}, gathering())).rejects.toMatchObject({ code: 'no-transfer' });
  });

  it('refuse a command that the worker does not know', async () => {
    const { master } = connect();
    const started = master.startCommand('c1', 'glob', {}, gathering());
    await expect(started).rejects.toBeInstanceOf(UserError);
    await expect(started).rejects.toThrow("unrecognized WorkerCommand 'glob'");
    await expect(master.ping()).resolves.toBeUndefined();
  });

  it.each([
    ['a map that is no text', { toString: 1, message: 'm' }, 'print: a map'],
    ['nothing', null, 'print: nil'],
  ])('settle a request that is answered with an exception of %s', async (_what, result, message) => {
    const { master } = connect();
    const asked = master.print('x');
    master.receive(encodeResponse({ seq: 0, result, isException: true }));
    await expect(asked).rejects.toThrow(message);
  });

  it('quote only the beginning of a long id', async () => {
    const { worker } = connect();
    const long = worker.sendUpdates('x'.repeat(200), []).acknowledged;
    await expect(long).rejects.toThrow(/^update: there is no command 'x{100}…' on/);
  });

  it('fail a command that exceeds its limits, and keep the worker', async () => {
    const interrupted: string[] = [];
    const { master } = connect((worker, id) => {
      if (id === 'c2') return void worker.complete(id, null);
      const logs = Array.from({ length: 3000 }, (_, i) => ({ kind: 'log', name: `log ${i}`, text: 'x\n' }) as const);
      worker.sendUpdates(id, logs).acknowledged.catch((error: Error) => {
        interrupted.push(error.message);
        worker.complete(id, null).catch(() => undefined);
      });
    });
    await expect(master.startCommand('c1', 'shell', {}, gathering())).rejects.toMatchObject({ code: 'worker-limit' });
    expect(interrupted).toEqual([expect.stringContaining('at most 200 are allowed')]);
    await expect(master.startCommand('c2', 'shell', {}, gathering())).resolves.toMatchObject({ failure: null });
  });

  it('answer the updates of a command from another connection with an exception', async () => {
    const { worker } = connect();
    await expect(worker.sendUpdates('gone', []).acknowledged).rejects.toThrow("no command 'gone'");
  });

  it('reject everything when the connection is lost, and every later request', async () => {
    const { master, worker } = connect();
    const running = master.startCommand('c1', 'shell', {}, gathering());
    const ping = master.ping();
    master.closed('pulled');
    for (const lost of [running, ping, master.ping(), master.startCommand('c2', 'shell', {}, gathering())]) {
      await expect(lost).rejects.toMatchObject({ code: 'worker-lost', retriable: true });
    }
    worker.closed('pulled');
    await expect(worker.complete('c1', null)).rejects.toBeInstanceOf(OperationalError);
  });

  it.each([
    ['garbage', Buffer.from('c1c1', 'hex'), /expected a map/],
    [
      'an answer to nothing',
      Buffer.from('83a26f70a8726573706f6e7365aa7365715f6e756d62657209a6726573756c74c0', 'hex'),
      /no request 9/,
    ],
    [
      'half an update',
      encodeWorkerRequest(0, { op: 'update', commandId: 'c', updates: [], updateNumber: null }).subarray(0, 9),
      /ends within/,
    ],
  ])('close on %s and say why', async (_name, frame, reason) => {
    const { master, closings } = connect();
    const running = master.startCommand('c1', 'shell', {}, gathering());
    master.receive(frame);
    await expect(running).rejects.toMatchObject({ code: 'worker-lost' });
    expect(closings).toEqual([expect.stringMatching(reason)]);
  });

  it('tell a master what is wrong with its request without closing', async () => {
    const { master, closings } = connect(() => undefined, {
      info: () => {
        throw new Error('no info today');
      },
    });
    await expect(master.attach()).rejects.toThrow('get_worker_info: no info today');
    await expect(master.ping()).resolves.toBeUndefined();
    expect(closings).toEqual([]);
  });
});
