import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { BuilderChoices } from '@millrace/contracts';
import {
  ChoiceStore,
  type ClaimedBuild,
  ClaimStore,
  ConfigurationStore,
  createBuildset,
  type Database,
  type Incarnation,
  Journal,
  WorkerStore,
} from '@millrace/database';
import { type JsonValue, type LockNeed, OperationalError, Result } from '@millrace/domain';
import type { HintHandler, Logger } from '@millrace/master';
import { eventually, registerMaster, type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import { type Callbacks, Chooser } from '../src/claiming/chooser.js';
import { type Assignments, Distributor } from '../src/claiming/distributor.js';
import { attachedWorker } from './attached-worker.js';

describe('Distributor', () => {
  let site: SqliteDatabase;
  let db: Database;
  let me: Incarnation;
  let builderId: number;
  let otherId: number;
  let lockId: number;
  let workerId: number;

  beforeAll(async () => {
    site = await sqliteDatabase();
    ({ db } = site);
    me = await registerMaster(db, { name: 'engine' });
    const ids = await new ConfigurationStore(db).apply(
      me,
      { fingerprint: 'f', body: '{}' },
      {
        projects: [],
        builders: ['b', 'c'].map((name) => ({ name, tags: [], workers: ['w'], fingerprint: 'f' })),
        workers: [{ name: 'w', maxBuilds: 3 }],
        schedulers: [],
        changeSources: [],
        locks: [{ name: 'db', kind: 'lock', maxCount: 1, maxCountForWorker: {}, resources: [] }],
      },
      { serves: true },
    );
    builderId = ids.builders.get('b')!;
    otherId = ids.builders.get('c')!;
    lockId = ids.locks.get('db')!;
    workerId = ids.workers.get('w')!;
  });
  afterAll(async () => {
    await site.close();
  });

  const submit = async (priority: number, builder = builderId): Promise<number> => {
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `test:${builder}:${priority}`,
        reason: 'test',
        sourceStamps: [{ branch: null, revision: null, repository: '', project: '', codebase: '' }],
        properties: {},
        builderIds: [builder],
        priority,
      }),
    );
    return created!.requests[0]!.requestId;
  };

  const end = (build: ClaimedBuild): Promise<unknown> =>
    new ClaimStore(db).end(build, { results: Result.SUCCESS, stateString: 'done' });
  interface Setup {
    readonly maxBuilds: number;
    readonly locks: readonly LockNeed[];
    readonly choices?: BuilderChoices;
    readonly prioritizeBuilders?: string;
    readonly call?: Callbacks['call'];
  }
  const started = async ({ maxBuilds, locks, choices, prioritizeBuilders, call }: Setup) => {
    const failures: unknown[] = [];
    const fail = (...what: unknown[]): void => void failures.push(what);
    const session = await new WorkerStore(db).attached(workerId, me, {});
    const worker = attachedWorker({ workerId, maxBuilds, sessionEpoch: session });
    const begun: ClaimedBuild[] = [];
    const listeners = new Map<string, HintHandler>();
    const builder = { name: 'b', tags: [], fingerprint: 'f', properties: {}, builddir: 'b', project: null };
    const journal = new Journal(db, me, fail);
    const assignments: Assignments = {
      builders: new Map([
        [builderId, { ...builder, ...(choices && { choices }) }],
        [otherId, { ...builder, name: 'c' }],
      ]),
      ...(prioritizeBuilders !== undefined && { prioritizeBuilders }),
      callbacks: call ? { call } : null,
      buildersOf: () => new Set([builderId, otherId]),
      workerProperties: () => ({}),
      isLocked: () => locks.length > 0 || choices?.locks !== undefined,
      locksOf: (_builderId, _workerId, asked) => [
        ...locks,
        ...asked.map((access) => ({ ...access, lockId, workerId: 0, capacity: 1, resources: [] })),
      ],
    };
    const log = { debug: fail, warn: fail, error: fail } as unknown as Logger;
    const distributor = new Distributor({
      store: new ClaimStore(db),
      hints: {
        publish: () => undefined,
        state: 'connected' as const,
        onState: () => () => undefined,
        subscribe: (prefix, handler) => {
          listeners.set(prefix, handler);
          return () => undefined;
        },
      },
      log,
      pollIntervalMs: 2000,
      journal,
      chooser: new Chooser({ store: new ChoiceStore(db), me, log }),
      assignments: () => assignments,
      workers: () => [worker],
      begin: (build) => begun.push(build),
    });
    const released = (): void => listeners.get('locks')!('locks.released', { lockid: lockId });
    return { distributor, journal, worker, begun, failures, released };
  };

  it('gives a slot to a request that came with a better rank while every worker was busy', async () => {
    const { distributor, worker, begun, failures } = await started({ maxBuilds: 1, locks: [] });
    const first = await submit(0);
    const plain = await submit(-1);
    await distributor.poll();
    await eventually(() => begun.length === 1, { what: 'the first build' });
    const urgent = await submit(10);
    distributor.queued(builderId);
    // The read that the hint caused began before this one, on the same connection.
    await db.all(`SELECT 1 AS one`);
    await end(begun[0]!);
    worker.release(begun[0]!.buildId);
    distributor.assign();
    await eventually(() => begun.length === 2, { what: 'the second build' });
    await end(begun[1]!);
    worker.release(begun[1]!.buildId);
    distributor.assign();
    await eventually(() => begun.length === 3, { what: 'the third build' });
    await distributor.stop();
    await end(begun[2]!);
    expect(begun.map((build) => build.requestId)).toEqual([first, urgent, plain]);
    expect(failures).toEqual([]);
  });

  it('finds what is queued without a hint, though a poll does not read all of a long queue', async () => {
    const ofNobody = Array.from({ length: 1001 }, (_, i) => `(${-1 - i}, 9999, 0, 0)`);
    await db.run(
      `INSERT INTO queue (request_id, builder_id, queue_rank, submitted_at_ms) VALUES ${ofNobody.join(', ')}`,
    );
    const { distributor, begun, failures } = await started({ maxBuilds: 3, locks: [] });
    const known = await submit(20);
    await distributor.poll();
    await eventually(() => begun.length === 1, { what: 'the known build', timeoutMs: 60_000 });
    const unknown = await submit(22, otherId);
    const read = jest.spyOn(ClaimStore.prototype, 'queues');
    await distributor.poll();
    await eventually(() => begun.length === 2, { what: 'the other build', timeoutMs: 60_000 });
    expect(read).not.toHaveBeenCalled();
    read.mockRestore();
    await distributor.stop();
    await db.run(`DELETE FROM queue WHERE builder_id = 9999`);
    expect(begun.map((build) => build.requestId)).toEqual([known, unknown]);
    expect(failures).toEqual([]);
    for (const build of begun) await end(build);
  });

  it('asks for a lock again when it was released, and not before', async () => {
    const need = { lockId, lock: 'db', workerId: 0, mode: 'exclusive', count: 1, capacity: 1 } as const;
    const locks = [{ ...need, resources: [], property: null }];
    const { distributor, journal, worker, begun, failures, released } = await started({ maxBuilds: 3, locks });
    const requestIds = [await submit(5), await submit(4, otherId)];
    await distributor.poll();
    const waits = () => db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM lock_waits`);
    await eventually(async () => begun.length === 1 && (await waits())!.n === 1, { what: 'one build, one that waits' });
    const claims = journal.stats.transactions;
    distributor.assign();
    await db.all(`SELECT 1 AS one`);
    expect(journal.stats.transactions).toBe(claims);
    await end(begun[0]!);
    worker.release(begun[0]!.buildId);
    released();
    await eventually(() => begun.length === 2, { what: 'the second build' });
    await distributor.stop();
    expect(begun.map((build) => build.requestId)).toEqual(requestIds);
    await end(begun[1]!);
    expect(failures).toEqual([]);
  });

  it('begins the request that a callback chose, and asks again when its queue has changed', async () => {
    const call: Callbacks['call'] = (_handle, args) => {
      const requests = args[1] as readonly { readonly id: number; readonly priority: number }[];
      return Promise.resolve(requests.find(({ priority }) => priority === 2)?.id ?? null);
    };
    const { distributor, worker, begun, failures } = await started({
      maxBuilds: 3,
      locks: [],
      choices: { nextBuild: 'builders.0.nextBuild' },
      call,
    });
    const first = await submit(3);
    await distributor.poll();
    const waits = () => db.get<{ text: string }>(`SELECT text FROM callback_waits`);
    await eventually(async () => (await waits())?.text === 'nextBuild chose no request', { what: 'no choice' });
    expect(begun).toEqual([]);
    const second = await submit(2);
    distributor.queued(builderId);
    await eventually(() => begun.length === 1, { what: 'the chosen build' });
    await distributor.stop();
    expect(begun[0]!.requestId).toBe(second);
    expect(await waits()).toBeUndefined();
    expect(failures).toEqual([]);
    await end(begun[0]!);
    worker.release(begun[0]!.buildId);
    await new ClaimStore(db)
      .heads([builderId], 10)
      .then((heads) => expect(heads.map(({ requestId }) => requestId)).toEqual([first]));
    await db.run(`DELETE FROM queue`);
  });

  it('a build takes the locks that a callback names for its request, and asks again when they were released', async () => {
    const call: Callbacks['call'] = (_handle, args) => {
      const { priority } = args[2] as { readonly priority: number };
      return Promise.resolve(priority > 1 ? [{ lock: 'db', mode: 'exclusive', count: 1, property: null }] : []);
    };
    const { distributor, worker, begun, failures, released } = await started({
      maxBuilds: 3,
      locks: [],
      choices: { locks: 'builders.0.locks' },
      call,
    });
    const holds = () =>
      db.all<{ buildId: number }>(`SELECT build_id AS buildId FROM lock_holds WHERE lock_id = ?`, [lockId]);
    const finish = async (build: ClaimedBuild): Promise<void> => {
      await end(build);
      worker.release(build.buildId);
    };
    await db.transaction((tx) =>
      tx.run(`INSERT INTO claims (request_id, build_id, builder_id, worker_id, master_id, master_epoch, epoch)
        VALUES (1000, 1000, ${otherId}, ${workerId}, ${me.masterId}, ${me.epoch}, 1)`),
    );
    await db.run(`INSERT INTO lock_holds (build_id, step_number, lock_id, worker_id, mode, amount, resources, taken_at_ms)
      VALUES (1000, -1, ${lockId}, 0, 'exclusive', 1, '[]', 0)`);
    const requestIds = [await submit(2), await submit(1)];
    await distributor.poll();
    const waits = () => db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM lock_waits`);
    await eventually(async () => (await waits())!.n === 1, { what: 'the request waits for its lock' });
    expect(begun).toEqual([]);
    await db.run(`DELETE FROM claims WHERE build_id = 1000`);
    await db.run(`DELETE FROM lock_holds WHERE build_id = 1000`);
    released();
    await eventually(() => begun.length === 1, { what: 'the build with the lock' });
    expect(await holds()).toEqual([{ buildId: begun[0]!.buildId }]);
    await finish(begun[0]!);
    distributor.assign();
    await eventually(() => begun.length === 2, { what: 'the build without locks' });
    expect(await holds()).toEqual([]);
    await distributor.stop();
    expect(begun.map(({ requestId }) => requestId)).toEqual(requestIds);
    await finish(begun[1]!);
    expect(failures).toEqual([]);
  });

  it('names a callback that fails, and leaves other builders alone', async () => {
    const { distributor, begun, failures } = await started({
      maxBuilds: 3,
      locks: [],
      choices: { canStartBuild: 'builders.0.canStartBuild' },
      call: (handle) => Promise.reject(new OperationalError('callback-failed', `'${handle}' threw: boom`)),
    });
    await submit(9);
    const other = await submit(8, otherId);
    await distributor.poll();
    await eventually(() => begun.length === 1, { what: 'the build of the other builder' });
    await distributor.stop();
    expect(begun[0]!.requestId).toBe(other);
    expect(await db.get(`SELECT callback, text FROM callback_waits`)).toEqual({
      callback: 'canStartBuild',
      text: "canStartBuild failed: 'builders.0.canStartBuild' threw: boom",
    });
    expect(failures).toEqual([
      [
        { builder: 'b', callback: 'canStartBuild', handle: 'builders.0.canStartBuild' },
        "the callback canStartBuild failed: 'builders.0.canStartBuild' threw: boom",
      ],
    ]);
    await end(begun[0]!);
    await db.run(`DELETE FROM queue`);
  });

  it('gives the only slot to the builder that a callback puts first', async () => {
    const { distributor, begun, failures } = await started({
      maxBuilds: 1,
      locks: [],
      prioritizeBuilders: 'prioritizeBuilders',
      call: (_handle, [builders]) => Promise.resolve([...(builders as readonly JsonValue[])].reverse()),
    });
    await submit(7);
    const other = await submit(6, otherId);
    await distributor.poll();
    await eventually(() => begun.length === 1, { what: 'a build' });
    await distributor.stop();
    expect(begun[0]!.requestId).toBe(other);
    expect(failures).toEqual([]);
    await end(begun[0]!);
    await db.run(`DELETE FROM queue`);
  });
});
