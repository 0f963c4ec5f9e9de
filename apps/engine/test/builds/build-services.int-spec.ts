import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ClaimedBuild,
  ClaimStore,
  ConfigurationStore,
  createBuildset,
  type Database,
  type DefinitionIds,
  type Incarnation,
  Journal,
  LockStore,
  readLogLines,
} from '@millrace/database';
import { registerMaster, type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import {
  type CommandUpdate,
  decodeMasterMessage,
  encodeResponse,
  encodeWorkerRequest,
  MsgpackMasterSession,
  type WorkerRequest,
} from '@millrace/worker-protocol';
import type { EngineSettings, Hints, Logger } from '@millrace/master';
import { type Blobs, type BlobWriter, FolderBlobs } from '../../src/blobs/folder-blobs.js';
import { EngineBuildServices } from '../../src/builds/build-services.js';
import { StepLocks } from '../../src/builds/step-locks.js';
import { STEP_LIMITS } from '../../src/core/step-limits.js';
import type { CommandRequest } from '../../src/runner/runner.js';
import { attachedWorker } from '../attached-worker.js';

const NO_HINTS = { publish: () => undefined, subscribe: () => () => undefined } as unknown as Hints;
const log = { warn: () => undefined } as unknown as Logger;
const NEED = {
  lockId: 1,
  workerId: 0,
  mode: 'exclusive',
  count: 1,
  capacity: 1,
  resources: [],
  property: null,
} as const;

/** A build whose worker sends what a test tells it to. Everything else is real. */
describe('limits of what a build stores', () => {
  let site: SqliteDatabase;
  let db: Database;
  let me: Incarnation;
  let ids: DefinitionIds;
  let causes = 0;
  let build: ClaimedBuild;
  let host: EngineBuildServices;
  let broken: unknown[];
  let journal: Journal;
  let blobs: Blobs;
  let says: (id: string, send: (request: WorkerRequest) => void) => void;

  beforeAll(async () => {
    site = await sqliteDatabase();
    ({ db } = site);
    me = await registerMaster(db, { name: 'engine' });
    ids = await new ConfigurationStore(db).apply(
      me,
      { fingerprint: 'f', body: '{}' },
      {
        projects: [],
        builders: [{ name: 'b', tags: [], workers: ['w'], fingerprint: 'f' }],
        workers: [{ name: 'w', maxBuilds: 100 }],
        schedulers: [],
        changeSources: [],
      },
      { serves: true },
    );
  });
  afterAll(async () => {
    await site.close();
  });

  beforeEach(async () => {
    await db.run(`DELETE FROM claims`);
    const builderId = ids.builders.get('b')!;
    const workerId = ids.workers.get('w')!;
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `test:${++causes}`,
        reason: 'test',
        sourceStamps: [{ branch: null, revision: null, repository: '', project: '', codebase: '' }],
        properties: {},
        builderIds: [builderId],
      }),
    );
    const candidate = { builderId, builderName: 'b', workerId, workerName: 'w', properties: {} };
    [build] = (await new ClaimStore(db).claim(me, [{ requestId: created!.requests[0]!.requestId, ...candidate }])) as [
      ClaimedBuild,
    ];
    const worker = attachedWorker({ workerId, maxBuilds: 100, connection: connection() });
    journal = new Journal(db, me, () => undefined);
    broken = [];
    blobs = new FolderBlobs(join(site.folder, 'blobs'));
    const nothing = (): void => undefined;
    host = new EngineBuildServices({
      build,
      worker,
      journal,
      blobs,
      locks: new StepLocks(new LockStore(db), NO_HINTS, { pollIntervalMs: 20 } as EngineSettings, log),
      needsOf: (accesses) => accesses.map(({ lock }) => ({ ...NEED, lock })),
      triggers: {
        plan: (_buildId, call, argsHash) => Promise.resolve({ call, argsHash, plans: [] }),
        make: () => Promise.resolve([]),
        addressOf: String,
        finished: () => Promise.resolve(new Map()),
      },
      replay: null,
      publish: nothing,
      onFenced: nothing,
      onBroken: (error) => broken.push(error),
      onWorkerAway: nothing,
      sleepAfterMs: 60_000,
      onAsleep: nothing,
    });
    await host.startStep({ number: 0, name: 'test', hidden: false, resumable: true });
  });

  /** Waits for everything that was written before. */
  const committed = async (): Promise<void> => {
    await journal.write(build, [{ kind: 'build-state', stateString: 'building' }]);
  };

  /** Returns a session with a worker in this process. */
  function connection(): MsgpackMasterSession {
    let seq = 0;
    const session: MsgpackMasterSession = new MsgpackMasterSession({
      send: (frame) => {
        const message = decodeMasterMessage(frame);
        if (message.op === 'response') return;
        queueMicrotask(() => {
          const result = message.op === 'get_worker_info' ? { basedir: '/w' } : null;
          session.receive(encodeResponse({ seq: message.seq, result, isException: false }));
          if (message.op === 'start_command')
            says(message.commandId, (request) => session.receive(encodeWorkerRequest(seq++, request)));
        });
      },
      close: (reason) => {
        throw new Error(reason);
      },
      bufferedBytes: () => 0,
    });
    void session.attach();
    return session;
  }

  const request = (fields: Partial<CommandRequest> = {}): CommandRequest => ({
    stepNumber: 0,
    ordinal: 0,
    name: 'shell',
    args: {},
    log: 'stdio',
    ...fields,
  });
  const update = (commandId: string, updates: readonly CommandUpdate[], updateNumber: number | null = null) =>
    ({ op: 'update', commandId, updates, updateNumber }) as const;
  const logsOf = () =>
    db.all<{ name: string; count: number }>(`SELECT name, num_lines AS count FROM logs WHERE build_id = ?`, [
      build.buildId,
    ]);

  const linesOf = async (log: string): Promise<string[]> => {
    // Written after all entries that nobody awaited.
    await journal.write(build, [{ kind: 'step-changed', number: 0, stateString: 'looked at' }]);
    const { id } = (await db.get<{ id: number }>(`SELECT id FROM logs WHERE build_id = ? AND name = ?`, [
      build.buildId,
      log,
    ]))!;
    return (await readLogLines(db, id, 0, 999)).split('\n').slice(0, -1);
  };

  it('a command that writes 3,000 logs fails with a reason', async () => {
    const stdout = { kind: 'stdout', text: 'x\n' } as const;
    says = (id, send) => {
      send(update(id, [stdout]));
      send(
        update(
          id,
          Array.from({ length: 3000 }, (_, i) => ({ kind: 'log', name: `log ${i}`, text: 'x\n' }) as const),
        ),
      );
      send({ op: 'complete', commandId: id, failure: null });
    };
    const result = await host.runCommand(request());
    expect(result).toMatchObject({ rc: null, failureReason: expect.stringContaining('at most 200 are allowed') });
    expect(await linesOf('stdio')).toEqual(['ox', 'hmore logs than a step may have: at most 200 are allowed']);
    expect(await logsOf()).toHaveLength(1);
    expect(broken).toEqual([]);
  });

  it('a command that writes 3,000 logs one by one fails as well', async () => {
    says = (id, send) => {
      for (let i = 0; i < 3000; i++) send(update(id, [{ kind: 'log', name: `log ${i}`, text: 'x\n' }]));
      send({ op: 'complete', commandId: id, failure: null });
    };
    const result = await host.runCommand(request());
    expect(result.failureReason).toBe(
      `'log 200' is one log too many for its step: at most ${STEP_LIMITS.logs} are allowed`,
    );
    // In the log for which there is always room.
    expect(await linesOf('err.text')).toEqual([`h${result.failureReason}`]);
    expect(await logsOf()).toHaveLength(STEP_LIMITS.logs + 1);
  });

  it('mixed lines cost as many writes as there are logs, and none is lost', async () => {
    const mixed = Array.from({ length: 30_000 }, (_, i): CommandUpdate =>
      i % 2 === 0 ? { kind: 'stdout', text: `${i}\n` } : { kind: 'log', name: 'other', text: `${i}\n` },
    );
    says = (id, send) => {
      send(update(id, mixed));
      send(update(id, [{ kind: 'rc', rc: 0 }]));
      send({ op: 'complete', commandId: id, failure: null });
    };
    expect(await host.runCommand(request())).toMatchObject({ rc: 0, failure: null });
    await committed();
    expect(await logsOf()).toEqual(
      expect.arrayContaining([
        { name: 'stdio', count: 15_001 },
        { name: 'other', count: 15_000 },
      ]),
    );
    const chunks = await db.get<{ n: number }>(
      `SELECT COUNT(*) AS n FROM log_chunks c JOIN logs l ON l.id = c.log_id WHERE l.build_id = ?`,
      [build.buildId],
    );
    expect(chunks!.n).toBeLessThan(10);
  });

  it('captured output is recorded piece by piece, and complete', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => `line ${i}\n`);
    says = (id, send) => {
      lines.forEach((text, i) => send(update(id, [{ kind: 'stdout', text }], i + 1)));
      send(update(id, [{ kind: 'rc', rc: 0 }], lines.length + 1));
      send({ op: 'complete', commandId: id, failure: null });
    };
    const result = await host.runCommand(request({ capture: { maxBytes: 2000 } }));
    const captured = lines.join('').slice(0, 2000);
    expect(result.stdout).toBe(captured);
    await committed();
    const row = await db.get(`SELECT captured, updates_stored AS stored FROM commands WHERE build_id = ?`, [
      build.buildId,
    ]);
    expect(row).toEqual({ captured, stored: lines.length + 1 });
  });

  describe('why a command failed', () => {
    const ends = (updates: readonly CommandUpdate[], failure: string | null): void => {
      says = (id, send) => {
        send(update(id, updates));
        send({ op: 'complete', commandId: id, failure });
      };
    };
    const stderr = { kind: 'stderr', text: 'Cannot open it\n' } as const;
    const rc = (status: number) => ({ kind: 'rc', rc: status }) as const;
    const upload = { name: 'upload_file', args: { path: '/w/f' }, log: null, upload: { blob: 'f' } };

    it.each<[string, Partial<CommandRequest>, CommandUpdate[], string | null, object, string[]]>([
      [
        'is at the end of its log where it broke down',
        {},
        [{ kind: 'header', text: 'h\n' }],
        'EACCES: mkdir\nat once',
        { failure: 'EACCES: mkdir\nat once', failureReason: null },
        ['hh', 'hEACCES: mkdir', 'hat once'],
      ],
      ['is in a log of its own where it had none', { log: null }, [], 'EACCES', { failure: 'EACCES' }, ['hEACCES']],
      [
        'is what the worker says of a file that cannot be moved',
        upload,
        [stderr, rc(1)],
        null,
        { rc: 1, failure: null, failureReason: 'Cannot open it' },
        ['eCannot open it'],
      ],
      [
        'is both where there is both',
        upload,
        [stderr, rc(1)],
        'EIO',
        { rc: 1, failure: 'EIO' },
        ['eCannot open it', 'hEIO'],
      ],
    ])('%s', async (_what, fields, updates, failure, result, lines) => {
      ends(updates, failure);
      expect(await host.runCommand(request(fields))).toMatchObject(result);
      expect(await linesOf('stdio')).toEqual(lines);
    });

    it.each<[string, Partial<CommandRequest>, CommandUpdate[]]>([
      ['a transfer that went well', upload, [stderr, rc(0)]],
      ['a question without a log', { name: 'stat', args: { path: '/w/f' }, log: null }, [rc(2)]],
    ])('is not told of %s', async (_what, fields, updates) => {
      ends(updates, null);
      expect(await host.runCommand(request(fields))).toMatchObject({ failure: null, failureReason: null });
      await journal.write(build, [{ kind: 'step-changed', number: 0, stateString: 'looked at' }]);
      expect(await logsOf()).toEqual([]);
    });

    it.each<[string, Partial<Record<keyof BlobWriter, () => Promise<void>>> | null]>([
      ['opened', null],
      ['written', { write: () => Promise.reject(new Error('ENOSPC: no space left on device, write')) }],
      ['put in its place', { commit: () => Promise.reject(new Error('ENOSPC: no space left on device, write')) }],
    ])("is the engine's own where an upload cannot be %s", async (_when, broken) => {
      blobs.writer = () =>
        broken === null
          ? Promise.reject(new Error('ENOSPC: no space left on device, write'))
          : Promise.resolve({ write: async () => {}, commit: async () => {}, discard: async () => {}, ...broken });
      says = (id, send) => {
        send({ op: 'update_upload_file_write', commandId: id, block: Buffer.from('x') });
        send({ op: 'update_upload_file_close', commandId: id });
        send(update(id, [rc(0)]));
        send({ op: 'complete', commandId: id, failure: null });
      };
      const why = "the engine cannot store 'f': ENOSPC: no space left on device, write";
      expect(await host.runCommand(request(upload))).toMatchObject({ failure: why });
      expect(await linesOf('stdio')).toEqual([`h${why}`]);
    });
  });

  it('stores what a step writes to its logs as text or as HTML', async () => {
    await host.appendLog(0, 'notes', 'text', 'hello');
    await host.appendLog(0, 'report', 'html', '<b>hello</b>\n');
    const logs = await db.all(
      `SELECT l.name, l.type FROM logs l JOIN steps s ON s.id = l.step_id WHERE s.build_id = ? ORDER BY l.id`,
      [build.buildId],
    );
    expect(logs).toEqual([
      { name: 'notes', type: 't' },
      { name: 'report', type: 'h' },
    ]);
  });

  it('a hundred commands at a time are the most', async () => {
    says = () => undefined;
    const asked = Array.from({ length: STEP_LIMITS.commands + 1 }, (_, ordinal) =>
      host.runCommand(request({ ordinal })),
    );
    await expect(asked.at(-1)).rejects.toMatchObject({ code: 'step-limit' });
    for (const one of asked) one.catch(() => undefined);
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'logs',
      async () => {
        for (let i = 0; i <= STEP_LIMITS.logs; i++) await host.appendLog(0, `log ${i}`, 'text', 'x\n');
      },
    ],
    ['a long text', () => host.appendLog(0, 'log', 'text', 'x'.repeat(STEP_LIMITS.appendCharacters + 1))],
    [
      'links',
      () => host.setStepState(0, { urls: Array.from({ length: 1000 }, (_, i) => ({ name: `${i}`, url: 'x' })) }),
    ],
    [
      'properties',
      () =>
        host.setProperties(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`p${i}`, [i, 's'] as const]))),
    ],
    ['a long property', () => host.setProperties({ p: ['x'.repeat(1 << 20), 's'] })],
  ])('a step that goes past its own checks with %s ends its build with the reason', async (_what, work) => {
    await expect(work()).rejects.toMatchObject({ code: expect.stringMatching(/^(step-limit|json-too-long)$/) });
    expect(broken).toHaveLength(1);
  });

  it('records data of the build and results of tests, and refuses what is too large', async () => {
    const value = Buffer.from('<p>').toString('base64');
    await host.setBuildData({ name: 'coverage', source: 'test', value });
    const set = { ordinal: 0, description: null, category: 'pass_fail', valueUnit: 'boolean' } as const;
    const result = { name: 't', codePath: null, line: null, durationNs: null, value: '1', message: null };
    await host.addTestResults({ stepNumber: 0, set, results: [result], isComplete: false });
    await host.addTestResults({ stepNumber: 0, set, results: [result], isComplete: true });
    expect(await db.all(`SELECT name, source, value FROM build_data WHERE build_id = ?`, [build.buildId])).toEqual([
      { name: 'coverage', source: 'test', value: Buffer.from('<p>') },
    ]);
    expect(
      await db.all(`SELECT num_results AS results, complete FROM test_result_sets WHERE build_id = ?`, [build.buildId]),
    ).toEqual([{ results: 2, complete: 1 }]);
    const large = Buffer.alloc((4 << 20) + 1).toString('base64');
    await expect(host.setBuildData({ name: 'large', source: 'test', value: large })).rejects.toMatchObject({
      code: 'step-limit',
    });
    expect(broken).toEqual([]);
  });

  it('returns a file that a step reads, and does not take more than the step asked for', async () => {
    const reads = (text: string) => {
      says = (id, send) => {
        send({ op: 'update_upload_file_write', commandId: id, block: Buffer.from(text) });
        send(update(id, [{ kind: 'rc', rc: 0 }]));
        send({ op: 'complete', commandId: id, failure: null });
      };
    };
    reads('<testsuite/>');
    const read = { name: 'upload_file', log: null, read: { maxBytes: 100 } };
    expect(await host.runCommand(request(read))).toMatchObject({
      rc: 0,
      content: Buffer.from('<testsuite/>').toString('base64'),
    });
    reads('x'.repeat(101));
    expect(await host.runCommand(request({ ...read, ordinal: 1 }))).toMatchObject({
      rc: null,
      failureReason: expect.stringContaining('more than the 100 bytes allowed'),
    });
  });
});
