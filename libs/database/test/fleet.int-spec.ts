import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  CatalogReads,
  type ClaimCandidate,
  type ClaimedBuild,
  ClaimStore,
  ConfigurationStore,
  WorkerActionStore,
  createBuildset,
  databaseNowMs,
  type DefinitionIds,
  type Definitions,
  FleetStore,
  type Incarnation,
  MasterStore,
  openDatabase,
  Journal,
  WorkerStore,
  WorkerTokenStore,
} from '@millrace/database';
import { Result } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

const NO_SOURCE = { branch: null, revision: null, repository: '', project: '', codebase: '' };
let causes = 0;

onEveryDatabase('the fleet', (get) => {
  let here: Incarnation;
  let there: Incarnation;
  let ids: DefinitionIds;
  let workers: WorkerStore;
  const worker = (n: number): number => ids.workers.get(`w${n}`)!;

  beforeEach(async () => {
    const { db } = get();
    for (const table of ['workers', 'worker_builders', 'claims', 'worker_tokens']) await db.run(`DELETE FROM ${table}`);
    here = await register(db, 'engine');
    there = await register(db, 'engine');
    ids = await configure(db, here, { builders: 4, workers: 2, maxBuilds: 2 });
    workers = new WorkerStore(db);
  });

  const state = async (n = 0) => (await workers.states([worker(n)]))[0]!;
  const set = (columns: string, n = 0) => get().db.run(`UPDATE workers SET ${columns} WHERE id = ?`, [worker(n)]);

  describe('claims', () => {
    const candidates = async (count: number, n = 0): Promise<ClaimCandidate[]> => {
      const all: ClaimCandidate[] = [];
      for (let i = 0; i < count; i++) {
        const builderId = ids.builders.get(`b${i}`)!;
        const created = await get().db.transaction((tx) =>
          createBuildset(tx, {
            schedulerId: null,
            schedulerName: 'test',
            cause: `fleet:${++causes}`,
            reason: 'test',
            sourceStamps: [NO_SOURCE],
            properties: {},
            builderIds: [builderId],
          }),
        );
        const { requestId } = created!.requests[0]!;
        all.push({
          requestId,
          builderId,
          builderName: `b${i}`,
          workerId: worker(n),
          workerName: `w${n}`,
          properties: {},
        });
      }
      return all;
    };
    const claim = (me: Incarnation, wanted: readonly ClaimCandidate[]): Promise<readonly ClaimedBuild[]> =>
      new ClaimStore(get().db).claim(me, wanted);

    it('never give a worker more than maxBuilds builds, whichever engines it was on', async () => {
      const [one, two, three, four] = await candidates(4);
      await workers.attached(worker(0), here, {});
      expect(await claim(here, [one!, two!, three!])).toHaveLength(2);
      await workers.attached(worker(0), there, {});
      expect(await claim(there, [three!, four!])).toEqual([]);
      const [build] = await new ClaimStore(get().db).held(here);
      await new ClaimStore(get().db).end(build!, { results: Result.RETRY, stateString: 'retry' });
      expect(await claim(there, [three!, four!])).toHaveLength(1);
    });

    it('fail when the session that they were made for is over', async () => {
      const [wanted] = await candidates(1);
      const sessionEpoch = await workers.attached(worker(0), here, {});
      const inSession = (epoch: number): Promise<readonly ClaimedBuild[]> =>
        claim(here, [{ ...wanted!, sessionEpoch: epoch }]);
      await workers.detached(worker(0), sessionEpoch);
      expect(await inSession(sessionEpoch)).toEqual([]);
      const next = await workers.attached(worker(0), here, {});
      expect(await inSession(sessionEpoch)).toEqual([]);
      expect(await inSession(next)).toHaveLength(1);
    });

    it('of two engines at the same moment count the same room once', async () => {
      // The engine that reads second must see the claims of the first.
      const wanted = await candidates(4);
      const other = openDatabase(get().url);
      try {
        const [a, b] = await Promise.all([
          claim(here, wanted.slice(0, 2)),
          new ClaimStore(other).claim(there, wanted.slice(2)),
        ]);
        expect(a.length + b.length).toBe(2);
      } finally {
        await other.close();
      }
    });

    it('finish one build and begin the next in one transaction', async () => {
      const wanted = await candidates(3);
      await workers.attached(worker(0), here, {});
      const journal = new Journal(get().db, here, (error) => {
        throw error;
      });
      const { builds } = await journal.claim(wanted.slice(0, 2));
      const [first] = builds;
      const ended = journal.write(first!, [
        { kind: 'build-finished', end: { results: Result.SUCCESS, stateString: 'done' } },
      ]);
      expect((await journal.claim(wanted.slice(2))).builds).toHaveLength(1);
      await ended;
      await journal.close();
    });

    it.each(['paused = 1', 'graceful = 1', 'quarantined_until_ms = 9000000000000, failed_at_ms = 1'])(
      'come to nothing while %s, even if the engine does not know yet',
      async (columns) => {
        const wanted = await candidates(1);
        await workers.attached(worker(0), here, {});
        await set(columns);
        expect(await claim(here, wanted)).toEqual([]);
        await new WorkerActionStore(get().db).unpauseWorker(worker(0));
        expect(await claim(here, wanted)).toHaveLength(1);
      },
    );
  });

  describe('commands', () => {
    it("are stored in the worker's row, which outlives sessions", async () => {
      const control = new WorkerActionStore(get().db);
      await control.pauseWorker(worker(0), 'repair');
      await control.stopWorker(worker(0), 'old');
      const epoch = await workers.attached(worker(0), here, {});
      expect(await state()).toMatchObject({ paused: true, graceful: true, killEpoch: null, shutdownReason: 'old' });
      await workers.left(worker(0), epoch);
      expect(await state()).toMatchObject({ paused: true, graceful: false, shutdownReason: null });
      await control.unpauseWorker(worker(0));
      expect(await state()).toMatchObject({ paused: false });
      await expect(control.killWorker(4711, null)).rejects.toMatchObject({ code: 'not-found' });
    });

    it('kill one session and no other', async () => {
      const epoch = await workers.attached(worker(0), here, {});
      await new WorkerActionStore(get().db).killWorker(worker(0), null);
      expect((await state()).killEpoch).toBe(epoch);
      await workers.attached(worker(0), there, {});
      expect((await state()).killEpoch).not.toBe((await state()).sessionEpoch);
    });

    it('and requests of an old session change nothing', async () => {
      const epoch = await workers.attached(worker(0), here, {});
      await workers.attached(worker(0), there, {});
      await workers.leaving(worker(0), epoch);
      expect(await state()).toMatchObject({ graceful: false });
    });
  });

  describe('missing workers', () => {
    const names = async (): Promise<string[]> => (await new FleetStore(get().db).absent()).map((one) => one.name);
    const longAgo = async (n: number) => set('last_seen_at_ms = 1, created_at_ms = 1, missing_timeout_ms = 1000', n);

    it('are among those that no living engine has and that may be missed', async () => {
      expect(await names()).toEqual([]);
      await longAgo(0);
      await longAgo(1);
      expect(await names()).toEqual(['w0', 'w1']);
      // This session is on another master and must not matter here.
      await workers.attached(worker(0), there, {});
      await longAgo(0);
      expect(await names()).toEqual(['w1']);
      await new MasterStore(get().db).stop(there);
      expect(await names()).toEqual(['w0', 'w1']);
      await set('missing_timeout_ms = NULL');
      expect(await names()).toEqual(['w1']);
    });

    it('are ignored when no living engine has builders for them', async () => {
      await longAgo(0);
      await get().db.run(`DELETE FROM worker_builders WHERE worker_id = ?`, [worker(0)]);
      expect(await names()).toEqual([]);
    });

    it('raise one alarm, however many engines look, and another one after they were back', async () => {
      await longAgo(0);
      const others = [openDatabase(get().url), openDatabase(get().url), get().db];
      try {
        const raise = async (): Promise<number> => {
          const all = await Promise.all(
            others.flatMap((db) =>
              [1, 2, 3].map(async () => {
                const fleet = new FleetStore(db);
                let raised = 0;
                for (const absent of await fleet.absent()) if (await fleet.miss(absent)) raised++;
                return raised;
              }),
            ),
          );
          return all.reduce((sum, one) => sum + one, 0);
        };
        expect(await raise()).toBe(1);
        expect(await raise()).toBe(0);
        expect(await new FleetStore(get().db).countMissing()).toBe(1);
        const epoch = await workers.attached(worker(0), here, {});
        expect(await new FleetStore(get().db).countMissing()).toBe(0);
        await workers.detached(worker(0), epoch);
        await longAgo(0);
        expect(await raise()).toBe(1);
      } finally {
        for (const db of others.slice(0, 2)) await db.close();
      }
    });

    it('that come back between the look and the alarm raise none', async () => {
      await longAgo(0);
      const fleet = new FleetStore(get().db);
      const [absent] = await fleet.absent();
      const epoch = await workers.attached(worker(0), here, {});
      expect(await fleet.miss(absent!)).toBe(false);
      await workers.detached(worker(0), epoch);
      expect(await fleet.miss(absent!)).toBe(false);
    });
  });

  it('records for a whole engine at once which workers are still connected', async () => {
    await workers.attached(worker(0), here, {});
    await workers.attached(worker(1), there, {});
    await set('last_seen_at_ms = 1', 0);
    await set('last_seen_at_ms = 1', 1);
    await workers.seen(here);
    const rows = await get().db.all<{ at: number }>(`SELECT last_seen_at_ms AS at FROM workers ORDER BY id`);
    expect(rows[0]!.at).toBeGreaterThan((await databaseNowMs(get().db)) - 60_000);
    expect(rows[1]!.at).toBe(1);
  });

  it('counts failures, and forgets them', async () => {
    const fleet = new FleetStore(get().db);
    const seen: unknown[] = [];
    const fail = (ms: number) =>
      fleet.failed(worker(0), 'broken', (failures, sinceLastMs) => {
        seen.push([failures, sinceLastMs === null]);
        return { failures: failures + 1, quarantinedForMs: ms };
      });
    await fail(0);
    expect(await state()).toMatchObject({ failures: 1, quarantinedForMs: 0 });
    await fail(60_000);
    expect(seen).toEqual([
      [0, true],
      [1, false],
    ]);
    expect((await state()).quarantinedForMs).toBeGreaterThan(50_000);
    await fleet.recovered(worker(0));
    expect(await state()).toMatchObject({ failures: 0, quarantinedForMs: 0 });
  });

  it('holds no worker back by a clock that was set back since it failed', async () => {
    await new FleetStore(get().db).failed(worker(0), 'why', () => ({ failures: 3, quarantinedForMs: 60_000 }));
    expect((await state()).quarantinedForMs).toBeGreaterThan(0);
    await set('failed_at_ms = failed_at_ms + 3600000, quarantined_until_ms = quarantined_until_ms + 3600000');
    expect((await state()).quarantinedForMs).toBe(0);
    const [seen] = await new CatalogReads(get().db).workers([worker(0)]);
    expect(seen).toMatchObject({ quarantined_until: null, quarantine_reason: null });
  });

  describe('tokens', () => {
    const make = (workerName: string, hash: string, revokeOld = false): Promise<void> =>
      new WorkerTokenStore(get().db).create({ workerName, hash, pbDigest: null, revokeOld });

    it('are valid beside each other until they are revoked', async () => {
      const tokens = new WorkerTokenStore(get().db);
      const hashes = async (): Promise<string[]> => (await tokens.working()).map((token) => token.hash);
      const before = await tokens.version();
      await make('w0', 'a');
      await make('w0', 'b');
      await make('w1', 'c');
      expect(await hashes()).toEqual(['a', 'b', 'c']);
      await make('w0', 'd', true);
      expect(await hashes()).toEqual(['c', 'd']);
      const [, last] = await tokens.working();
      await tokens.used(last!.tokenId);
      expect((await tokens.summary()).get('w0')).toMatchObject({ tokens: 1, lastUsedAtMs: expect.any(Number) });
      expect(await tokens.revoke('w0')).toBe(1);
      await expect(tokens.revoke('w0')).rejects.toMatchObject({ code: 'not-found' });
      expect(await hashes()).toEqual(['c']);
      expect(await tokens.version()).toBe(before + 5);
    });

    it('make a template’s workers, with its builders', async () => {
      const definitions: Definitions = {
        projects: [],
        builders: [
          { name: 'b0', tags: [], workers: ['linux-*'], fingerprint: 'f' },
          { name: 'b1', tags: [], workers: ['w0', 'linux-arm-*'], fingerprint: 'f' },
        ],
        workers: [
          { name: 'w0', maxBuilds: 1 },
          { name: 'linux-*', maxBuilds: 3, missingTimeoutMs: 5000 },
          { name: 'linux-arm-*', maxBuilds: 4 },
        ],
        schedulers: [],
        changeSources: [],
      };
      const store = new ConfigurationStore(get().db);
      await make('linux-1', 'l1');
      const known = await store.apply(here, { fingerprint: 'templates', body: '{}' }, definitions, { serves: true });
      expect([...known.workers.keys()]).toEqual(['w0', 'linux-1']);
      await make('linux-arm-7', 'l7');
      await make('windows-1', 'win');
      const now = await store.applyWorkers(here, definitions, known);
      expect([...now.keys()].sort()).toEqual(['linux-1', 'linux-arm-7', 'w0']);
      const pairs = () =>
        get().db.all(
          `SELECT w.name AS worker, b.name AS builder FROM worker_builders p JOIN workers w ON w.id = p.worker_id
           JOIN builders b ON b.id = p.builder_id WHERE p.master_id = ? ORDER BY w.name`,
          [here.masterId],
        );
      expect(await pairs()).toEqual([
        { worker: 'linux-1', builder: 'b0' },
        { worker: 'linux-arm-7', builder: 'b1' },
        { worker: 'w0', builder: 'b1' },
      ]);
      const row = await get().db.get(
        `SELECT max_builds AS maxBuilds, missing_timeout_ms AS timeoutMs FROM workers WHERE name = 'linux-1'`,
      );
      expect(row).toEqual({ maxBuilds: 3, timeoutMs: 5000 });
      await new WorkerTokenStore(get().db).revoke('linux-1');
      expect([...(await store.applyWorkers(here, definitions, known)).keys()].sort()).toEqual(['linux-arm-7', 'w0']);
    });
  });
});
