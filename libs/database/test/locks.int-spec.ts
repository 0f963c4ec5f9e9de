import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ClaimCandidate,
  type ClaimedBuild,
  ClaimStore,
  createBuildset,
  type DefinitionIds,
  type Incarnation,
  Journal,
  LockReads,
  LockStore,
  StepReads,
  WaitingReads,
} from '@millrace/database';
import { type LockNeed, Result } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

const NO_SOURCE = { branch: null, revision: null, repository: '', project: '', codebase: '' };
const DONE = { results: Result.SUCCESS, stateString: 'done' };
let causes = 0;

onEveryDatabase('locks', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  let lockIds: Record<string, number>;
  let journal: Journal;

  beforeEach(async () => {
    const { db } = get();
    for (const table of ['workers', 'claims', 'queue', 'lock_holds', 'lock_waits', 'locks', 'masters'])
      await db.run(`DELETE FROM ${table}`);
    me = await register(db, 'engine');
    ids = await configure(db, me, { builders: 4, workers: 4 });
    lockIds = {};
    for (const name of ['a', 'b', 'boards']) {
      const definition = { name, kind: 'lock', maxCount: 2, maxCountForWorker: {}, resources: [] };
      const values = [name, 'lock', JSON.stringify(definition)];
      lockIds[name] = (await db.run(`INSERT INTO locks (name, kind, definition) VALUES (?, ?, ?)`, values)).insertId;
    }
    journal = new Journal(db, me, (error) => {
      throw error;
    });
  });

  const need = (lock: string, amount: number | 'x' = 'x', more: Partial<LockNeed> = {}): LockNeed => ({
    lockId: lockIds[lock]!,
    lock,
    workerId: 0,
    mode: amount === 'x' ? 'exclusive' : 'counting',
    count: amount === 'x' ? 1 : amount,
    capacity: 2,
    resources: [],
    property: null,
    ...more,
  });
  const queued = async (builder: number, locks: LockNeed[] = [], worker = builder): Promise<ClaimCandidate> => {
    const builderId = ids.builders.get(`b${builder}`)!;
    const created = await get().db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `locks:${++causes}`,
        reason: 'test',
        sourceStamps: [NO_SOURCE],
        properties: {},
        builderIds: [builderId],
      }),
    );
    const { requestId } = created!.requests[0]!;
    const workerName = `w${worker}`;
    const workerId = ids.workers.get(workerName)!;
    return { requestId, builderId, builderName: `b${builder}`, workerId, workerName, properties: {}, locks };
  };
  /** Claims, and returns the outcome of each: the number of the build's builder, or what it waits for. */
  const claim = async (...candidates: ClaimCandidate[]) => {
    const { builds, waiting } = await journal.claim(candidates);
    const says = candidates.map(({ requestId }) => {
      const lock = waiting.find((one) => one.requestId === requestId)?.lock;
      if (lock) return `${lock.need.lock} ${lock.why}`;
      return builds.some((build) => build.requestId === requestId) ? 'built' : 'lost';
    });
    return { says: says.join(', '), builds };
  };
  const built = async (builder: number, locks: LockNeed[] = []): Promise<ClaimedBuild> => {
    const { builds } = await claim(await queued(builder, locks));
    return builds[0]!;
  };
  const end = (build: ClaimedBuild) => journal.write(build, [{ kind: 'build-finished', end: DONE }]);
  const count = async (table: string): Promise<number> =>
    (await get().db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`))!.n;
  const why = async ({ requestId }: ClaimCandidate) => {
    const reason = await new WaitingReads(get().db).of(requestId);
    return `${reason!.reason}: ${reason!.text}`;
  };

  describe('of a builder', () => {
    it('are taken with the claim and left with its end', async () => {
      const first = await built(0, [need('a')]);
      const second = await queued(1, [need('a')]);
      expect((await claim(second)).says).toBe('a held');
      const { ended } = await end(first);
      expect(ended!.leftLockIds).toEqual([lockIds['a']]);
      expect((await claim(second)).says).toBe('built');
      expect([await count('lock_holds'), await count('lock_waits')]).toEqual([1, 0]);
    });

    it('are taken by the builds of one transaction one after the other', async () => {
      const candidates = [
        await queued(0, [need('a', 1)]),
        await queued(1, [need('a', 1)]),
        await queued(2, [need('a', 1)]),
      ];
      expect((await claim(...candidates)).says).toBe('built, built, a held');
    });

    it('are given to whoever asked first, however many he needs', async () => {
      const first = await built(0, [need('a', 1)]);
      const many = await queued(1, [need('a', 2)]);
      expect((await claim(many)).says).toBe('a held');
      const few = await queued(2, [need('a', 1)]);
      expect((await claim(few)).says).toBe('a behind');
      await end(first);
      expect((await claim(few)).says).toBe('a behind');
      expect((await claim(many)).says).toBe('built');
    });

    it('a builder keeps its place when another of its requests comes first', async () => {
      const first = await built(0, [need('a')]);
      expect((await claim(await queued(1, [need('a')]))).says).toBe('a held');
      expect((await claim(await queued(2, [need('a')]))).says).toBe('a held');
      await end(first);
      expect((await claim(await queued(1, [need('a')]))).says).toBe('built');
    });

    it('whoever needs other locks now is not waited for where he has waited', async () => {
      const first = await built(0, [need('a')]);
      const second = await built(1, [need('b')]);
      const varying = { ...(await queued(2, [need('a')])), locksVary: true };
      expect((await claim(varying)).says).toBe('a held');
      expect((await claim({ ...varying, locks: [need('b')] })).says).toBe('b held');
      await end(first);
      expect((await claim(await queued(3, [need('a')]))).says).toBe('built');
      await end(second);
      expect((await claim({ ...varying, locks: [need('b')] })).says).toBe('built');
      expect(await count('lock_waits')).toBe(0);
    });

    it('a build leaves those that it took, and its next attempt may need others', async () => {
      const varying = { ...(await queued(0, [need('a')])), locksVary: true };
      const [build] = (await claim(varying)).builds;
      const { ended } = await journal.write(build!, [
        { kind: 'build-finished', end: { results: Result.RETRY, stateString: 'retry' } },
      ]);
      expect(ended).toMatchObject({ requeued: true, leftLockIds: [lockIds['a']] });
      expect((await claim({ ...varying, locks: [need('b')] })).says).toBe('built');
      expect((await claim(await queued(1, [need('a')]))).says).toBe('built');
      expect((await claim(await queued(2, [need('b')]))).says).toBe('b held');
    });

    it('whoever does not ask any more is not waited for', async () => {
      const first = await built(0, [need('a')]);
      const gone = await queued(1, [need('a')]);
      const cancelled = await queued(2, [need('a')]);
      expect((await claim(gone, cancelled)).says).toBe('a held, a held');
      await end(first);
      await get().db.run(`UPDATE lock_waits SET seen_at_ms = seen_at_ms - 60000 WHERE request_id = ?`, [
        gone.requestId,
      ]);
      await get().db.run(`DELETE FROM queue WHERE request_id = ?`, [cancelled.requestId]);
      expect((await claim(await queued(3, [need('a')]))).says).toBe('built');
    });

    it('are worth nothing without the claim', async () => {
      const first = await built(0, [need('a')]);
      await get().db.run(`DELETE FROM claims WHERE build_id = ?`, [first.buildId]);
      expect((await claim(await queued(1, [need('a')]))).says).toBe('built');
      await new LockStore(get().db).sweep();
      expect(await count('lock_holds')).toBe(1);
    });

    it('of a worker are others on each', async () => {
      const at = (worker: number) => need('a', 'x', { workerId: ids.workers.get(`w${worker}`)! });
      expect((await claim(await queued(0, [at(0)], 0), await queued(1, [at(1)], 1))).says).toBe('built, built');
      expect((await claim(await queued(2, [at(1)], 1))).says).toBe('a held');
    });

    it('tell the build which resources it has', async () => {
      const board = (count: number) =>
        need('boards', count, { capacity: 3, resources: ['x', 'y', 'z'], property: 'board' });
      const one = await built(0, [board(1)]);
      const two = await built(1, [board(2)]);
      expect([one.properties['board'], two.properties['board']]).toEqual([
        ['x', 'Lock'],
        [['y', 'z'], 'Lock'],
      ]);
    });

    it('are not given away twice, by engines that claim at the same time', async () => {
      const engines = [me, await register(get().db, 'engine'), await register(get().db, 'engine')];
      const candidates: ClaimCandidate[] = [];
      for (let i = 0; i < 12; i++) candidates.push(await queued(i % 4, [need('a', 1), need('b', 1)], i % 3));
      const store = new ClaimStore(get().db);
      const won = await Promise.all(
        engines.map((engine, n) =>
          store.claim(
            engine,
            candidates.filter((_, i) => i % 3 === n),
          ),
        ),
      );
      expect(won.flat()).toHaveLength(2);
      expect(await count('lock_holds')).toBe(4);
    });
  });

  describe('what waits', () => {
    it('says for which lock, and who has it', async () => {
      await get().db.run(`UPDATE workers SET master_id = ?, master_epoch = ?`, [me.masterId, me.epoch]);
      await built(0, [need('a')]);
      const next = await queued(1, [need('a')]);
      const after = await queued(1, [need('a')]);
      await journal.claim([{ ...next, sessionEpoch: 0 }]);
      const number = (await get().db.get<{ n: number }>(`SELECT MAX(number) AS n FROM builds`))!.n;
      const lock = `waiting for the lock 'a', which build ${number} of 'b0' has`;
      expect(await why(next)).toBe(`locks: It is ${lock}.`);
      expect(await why(after)).toBe(`locks: Requests before this one are ${lock}.`);
      const shown = (await new LockReads(get().db).all()).find(({ name }) => name === 'a')!;
      expect(shown.holders).toMatchObject([
        { builderid: ids.builders.get('b0'), step_number: null, mode: 'exclusive' },
      ]);
      expect(shown.waiters).toMatchObject([{ buildrequestid: next.requestId, buildid: null }]);
    });
  });

  describe('of a step', () => {
    const take = (build: ClaimedBuild, step: number, ...needs: LockNeed[]) =>
      new LockStore(get().db).take(build, step, needs);

    it('are taken all at once, kept when asked again, and left with the end of the step', async () => {
      const [one, two] = [await built(0), await built(1)];
      expect(await take(one, 0, need('a'), need('b'))).toEqual({ kind: 'taken', properties: {} });
      expect(await take(one, 0, need('a'), need('b'))).toEqual({ kind: 'taken', properties: {} });
      expect(await count('lock_holds')).toBe(2);
      const text = `waiting for the lock 'b', which build ${one.number} of 'b0' has`;
      expect(await take(two, 0, need('b'))).toEqual({ kind: 'waiting', text });
      const step = { number: 0, name: 's', hidden: false };
      await journal.write(one, [
        { kind: 'step-started', ...step, wantsLocks: true },
        { kind: 'step-locked', number: 0, waitedMs: 1500 },
        { kind: 'step-finished', ...step, results: Result.SUCCESS, stateString: 'done', hasLocks: true },
      ]);
      expect(await take(two, 0, need('b'))).toMatchObject({ kind: 'taken' });
      const [row] = await get().db.all(
        `SELECT s.locks_ms AS step, b.locks_ms AS build FROM steps s JOIN builds b ON b.id = s.build_id WHERE b.id = ?`,
        [one.buildId],
      );
      expect(row).toEqual({ step: 1500, build: 1500 });
    });

    it('are not acquired, as the API shows it, before the step has them', async () => {
      const one = await built(0);
      await journal.write(one, [{ kind: 'step-started', number: 0, name: 's', hidden: false, wantsLocks: true }]);
      const shown = async () => (await new StepReads(get().db).ofBuild(one.buildId))[0]!;
      expect((await shown()).locks_acquired_at).toBeNull();
      await journal.write(one, [{ kind: 'step-locked', number: 0, waitedMs: 5000 }]);
      const { started_at: startedAt, locks_acquired_at: acquiredAt } = await shown();
      expect(acquiredAt! - startedAt!).toBeGreaterThanOrEqual(4);
    });

    it('need not be taken when the build has them', async () => {
      const one = await built(0, [need('a')]);
      expect(await take(one, 0, need('a'))).toMatchObject({ kind: 'taken' });
      expect(await count('lock_holds')).toBe(1);
    });

    it('are left when the build ends in between, and nobody waits for a step that is gone', async () => {
      const [one, two] = [await built(0), await built(1)];
      await take(one, 0, need('a'));
      await take(two, 0, need('a'), need('b'));
      expect((await end(two)).ended!.leftLockIds.length).toBe(2);
      expect((await end(one)).ended!.leftLockIds).toEqual([lockIds['a']]);
      expect([await count('lock_holds'), await count('lock_waits')]).toEqual([0, 0]);
    });

    it('are refused to a build that another engine has', async () => {
      const one = await built(0);
      const stale = { ...one, epoch: one.epoch - 1 };
      await expect(take(stale, 0, need('a'))).rejects.toMatchObject({ code: 'fenced' });
    });

    it('a deadlock is found, and the step that came last gives up', async () => {
      const [one, two, three] = [await built(0), await built(1), await built(2)];
      await take(one, 0, need('a'));
      await take(two, 0, need('b'));
      expect(await take(three, 0, need('a'))).toMatchObject({ kind: 'waiting' });
      expect(await take(one, 1, need('b'))).toMatchObject({ kind: 'waiting' });
      expect(await take(two, 1, need('a'))).toEqual({
        kind: 'deadlock',
        text:
          `deadlock: build ${two.number} of 'b1' waits for the lock 'a', which build ${one.number} of 'b0' has; ` +
          `build ${one.number} of 'b0' waits for the lock 'b', which build ${two.number} of 'b1' has`,
      });
      await end(two);
      expect(await take(one, 1, need('b'))).toMatchObject({ kind: 'taken' });
    });

    it('nobody waits behind those who wait for him', async () => {
      const one = await built(0);
      await take(one, 0, need('a'));
      const many = await queued(1, [need('a'), need('b')]);
      expect((await claim(many)).says).toBe('a held');
      expect((await claim(await queued(2, [need('b')]))).says).toBe('b behind');
      expect(await take(one, 1, need('b'))).toMatchObject({ kind: 'taken' });
    });

    it('a step that was stopped does not wait any more', async () => {
      const [one, two] = [await built(0), await built(1)];
      await take(one, 0, need('a'));
      await take(two, 0, need('a'));
      await new LockStore(get().db).giveUp(two, 0);
      expect(await count('lock_waits')).toBe(0);
    });
  });
});
