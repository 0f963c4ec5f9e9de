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
import { Result } from '@millrace/domain';
import type { Logger } from '@millrace/master';
import { eventually, registerMaster, type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import { Distributor } from '../src/claiming/distributor.js';
import { attachedWorker } from './attached-worker.js';

describe('Distributor', () => {
  let site: SqliteDatabase;
  let db: Database;
  let me: Incarnation;
  let builderId: number;
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
        builders: [{ name: 'b', tags: [], workers: ['w'], fingerprint: 'f' }],
        workers: [{ name: 'w', maxBuilds: 3 }],
        schedulers: [],
        changeSources: [],
      },
      { serves: true },
    );
    builderId = ids.builders.get('b')!;
    workerId = ids.workers.get('w')!;
  });
  afterAll(async () => {
    await site.close();
  });

  const submit = async (priority: number): Promise<number> => {
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `test:${priority}`,
        reason: 'test',
        sourceStamps: [{ branch: null, revision: null, repository: '', project: '', codebase: '' }],
        properties: {},
        builderIds: [builderId],
        priority,
      }),
    );
    return created!.requests[0]!.requestId;
  };

  it('gives a slot to a request that came with a better rank while every worker was busy', async () => {
    const failures: unknown[] = [];
    const fail = (...what: unknown[]): void => void failures.push(what);
    const session = await new WorkerStore(db).attached(workerId, me, {});
    const worker = attachedWorker({ workerId, maxBuilds: 1, sessionEpoch: session });
    const begun: ClaimedBuild[] = [];
    const end = (build: ClaimedBuild): Promise<unknown> =>
      new ClaimStore(db).end(build, { results: Result.SUCCESS, stateString: 'done' });
    const distributor = new Distributor({
      store: new ClaimStore(db),
      hints: { publish: () => undefined, subscribe: () => () => undefined },
      log: { debug: fail, warn: fail, error: fail } as unknown as Logger,
      journal: new Journal(db, me, fail),
      assignments: () => ({
        builders: new Map([[builderId, { name: 'b', fingerprint: 'f', properties: {} }]]),
        buildersOf: () => new Set([builderId]),
        workerProperties: () => ({}),
      }),
      workers: () => [worker],
      begin: (build) => begun.push(build),
    });
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
    expect(begun.map((build) => build.requestId)).toEqual([first, urgent, plain]);
    expect(failures).toEqual([]);
  });
});
