import { expect, it } from '@jest/globals';
import { BuildReads, databaseNowMs, MasterStore, OwnershipStore, StepReads } from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

const HOUR_MS = 3_600_000;

onEveryDatabase('a clock that is set', (get) => {
  it('back leaves the lease of a dead master no longer than a lease is', async () => {
    const { db } = get();
    const masters = new MasterStore(db);
    const [dead, alive] = [await register(db, 'scheduler'), await register(db, 'scheduler', { leaseMs: 5000 })];
    expect(await masters.clock()).toMatchObject({ hasOverlong: false });
    await db.run(`UPDATE masters SET lease_until_ms = lease_until_ms + ?`, [HOUR_MS]);
    expect(await masters.clock()).toMatchObject({ hasOverlong: true });
    await masters.cutLeases();
    const { nowMs, hasOverlong } = await masters.clock();
    expect(hasOverlong).toBe(false);
    const leases = await db.all<{ id: number; leftMs: number }>(
      `SELECT id, lease_until_ms - ? AS leftMs FROM masters ORDER BY id`,
      [nowMs],
    );
    const left = (id: number): number => leases.find((one) => one.id === id)!.leftMs;
    expect(left(dead.masterId)).toBeLessThanOrEqual(60_000);
    expect(left(alive.masterId)).toBeLessThanOrEqual(5000);
    expect(left(alive.masterId)).toBeGreaterThan(0);
    expect(await masters.renew(alive, 5000)).toBe(true);
    expect(await new OwnershipStore(db).acquire('poller:clocks', alive, true)).not.toBeNull();
  });

  it('is returned by clock()', async () => {
    const { db } = get();
    const before = await databaseNowMs(db);
    const { nowMs } = await new MasterStore(db).clock();
    expect(nowMs).toBeGreaterThanOrEqual(before);
  });

  it('back makes no duration of a build or step negative', async () => {
    const { db } = get();
    const now = 1_790_000_000_000;
    await db.run(
      `INSERT INTO builds (id, uuid, builder_id, number, request_id, buildset_id, worker_id, master_id, attempt, started_at_ms, complete_at_ms,
         results, state_string, locks_ms, properties) VALUES (1, ?, 1, 1, 1, 1, 1, 1, 1, ?, ?, 0, 'done', 0, '{}')`,
      [Buffer.alloc(16, 1), now, now - HOUR_MS],
    );
    await db.run(
      `INSERT INTO steps (id, build_id, number, name, started_at_ms, complete_at_ms, results, state_string, urls, hidden)
       VALUES (1, 1, 0, 's', ?, ?, 0, 'done', '[]', 0)`,
      [now, now - HOUR_MS],
    );
    expect(await new BuildReads(db).one(1, [])).toMatchObject({ started_at: now / 1000, complete_at: now / 1000 });
    const [step] = await new StepReads(db).ofBuild(1);
    expect(step).toMatchObject({ started_at: now / 1000, complete_at: now / 1000 });
  });
});
