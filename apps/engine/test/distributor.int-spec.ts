import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ClaimedBuild,
  ClaimStore,
  ConfigurationStore,
  createBuildset,
  type Database,
  type Incarnation,
  Journal,
  WorkerStore,
} from '@millrace/database';
import { type LockNeed, Result } from '@millrace/domain';
import type { HintHandler, Logger } from '@millrace/master';
import { eventually, registerMaster, type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import { Distributor } from '../src/claiming/distributor.js';
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
  const started = async ({ maxBuilds, locks }: { maxBuilds: number; locks: readonly LockNeed[] }) => {
    const failures: unknown[] = [];
    const fail = (...what: unknown[]): void => void failures.push(what);
    const session = await new WorkerStore(db).attached(workerId, me, {});
    const worker = attachedWorker({ workerId, maxBuilds, sessionEpoch: session });
    const begun: ClaimedBuild[] = [];
    const listeners = new Map<string, HintHandler>();
    const builder = { name: 'b', fingerprint: 'f', properties: {} };
    const journal = new Journal(db, me, fail);
    const distributor = new Distributor({
      store: new ClaimStore(db),
      hints: {
        publish: () => undefined,
        subscribe: (prefix, handler) => {
          listeners.set(prefix, handler);
          return () => undefined;
        },
      },
      log: { debug: fail, warn: fail, error: fail } as unknown as Logger,
      journal,
      assignments: () => ({
        builders: new Map([builderId, otherId].map((id) => [id, builder])),
        buildersOf: () => new Set([builderId, otherId]),
        workerProperties: () => ({}),
        isLocked: () => locks.length > 0,
        locksOf: () => locks,
      }),
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
});
