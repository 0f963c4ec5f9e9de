import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ClaimStore,
  createBuildset,
  type Database,
  MasterStore,
  migrate,
  openDatabase,
  type Orphan,
} from '@millrace/database';
import { type MariaDb, requireService, startMariaDb } from '@millrace/testing';
import { configure, register } from './databases.js';

/**
 * An engine that stands still in the middle of a transaction holds row locks. SQLite has one lock for everything, so this test is for
 * servers.
 */
(requireService('mariadb') ? describe : describe.skip)('a transaction that stands still, on MariaDB', () => {
  let server: MariaDb;
  let db: Database;
  beforeAll(async () => {
    server = await startMariaDb();
    const url = await server.createDatabase();
    await migrate(url);
    db = openDatabase(url);
  }, 60_000);
  afterAll(async () => {
    await db.close();
    await server.stop();
  });

  const orphaned = async (builder: string): Promise<Orphan> => {
    const engine = await register(db, 'engine');
    const ids = await configure(db, engine, { builders: 2, workers: 1 });
    const builderId = ids.builders.get(builder)!;
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `test:${engine.masterId}`,
        reason: 'test',
        sourceStamps: [{ branch: null, revision: null, repository: '', project: '', codebase: '' }],
        properties: {},
        builderIds: [builderId],
      }),
    );
    const { requestId } = created!.requests[0]!;
    const store = new ClaimStore(db);
    const [build] = await store.claim(engine, [
      {
        requestId,
        builderId,
        builderName: builder,
        workerId: ids.workers.get('w0')!,
        workerName: 'w0',
        properties: {},
      },
    ]);
    await new MasterStore(db).stop(engine);
    return (await store.orphans()).find((orphan) => orphan.buildId === build!.buildId)!;
  };

  it('is skipped by the reaper, and reaped when it has ended', async () => {
    const store = new ClaimStore(db);
    const held = await orphaned('b0');
    const free = await orphaned('b1');
    await db.transaction(async (tx) => {
      await tx.get(`SELECT request_id FROM claims WHERE request_id = ? FOR UPDATE`, [held.requestId]);
      expect(await store.reap(held)).toBeNull();
      expect(await store.reap(free)).toMatchObject({ requeued: true });
    });
    expect(await store.reap(held)).toMatchObject({ requeued: true });
  });

  it('is ended by the server after ten seconds', async () => {
    const row = await db.get<{ seconds: number }>(`SELECT @@SESSION.idle_transaction_timeout AS seconds`);
    expect(row).toEqual({ seconds: 10 });
  });
});
