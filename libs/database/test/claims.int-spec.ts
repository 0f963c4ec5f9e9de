import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type BuildEntry,
  type BuildKey,
  BuildReads,
  type ClaimCandidate,
  type ClaimedBuild,
  ClaimStore,
  CommandStore,
  BuildActionStore,
  createBuildset,
  type Database,
  DEATHS_ALLOWED,
  type DefinitionIds,
  type Incarnation,
  Journal,
  MasterStore,
  openDatabase,
  logPieces,
  readLogLines,
  sealLogs,
  StepReads,
  type Transaction,
} from '@millrace/database';
import { NO_SOURCE, Result, type Properties } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

/** The first two workers are for many claims. Each other one has one build of this suite. */
const WORKERS = 60;
let causes = 0;

/** A database that counts what its transactions send to it by itself. */
class CountedWays {
  sent = 0;
  readonly db: Database;

  constructor(db: Database) {
    const counted =
      <A extends readonly unknown[], R>(send: (...args: A) => R) =>
      (...args: A): R => (this.sent++, send(...args));
    this.db = Object.assign(Object.create(db) as Database, {
      transaction: <T>(work: (tx: Transaction) => Promise<T>): Promise<T> =>
        db.transaction((tx) =>
          work(
            Object.assign(Object.create(tx) as Transaction, {
              all: counted(tx.all.bind(tx)),
              get: counted(tx.get.bind(tx)),
              run: counted(tx.run.bind(tx)),
              sendDeferred: counted(tx.sendDeferred.bind(tx)),
              ...{ defer: tx.defer.bind(tx), deferAll: tx.deferAll.bind(tx), deferInsert: tx.deferInsert.bind(tx) },
            }),
          ),
        ),
    });
  }
}

onEveryDatabase('claims and journal', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  let nextWorker = 2;
  const builderId = (n: number): number => ids.builders.get(`b${n}`)!;

  beforeAll(async () => {
    me = await register(get().db, 'engine');
    ids = await configure(get().db, me, { builders: 20, workers: WORKERS });
  });

  const submit = async (
    builders: number[],
    sourceStamps = [NO_SOURCE],
    properties: Properties = {},
  ): Promise<{ buildsetId: number; requestIds: number[] }> => {
    const created = await get().db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `test:${++causes}`,
        reason: 'test',
        sourceStamps,
        properties: { a: [1, 'Test'], ...properties },
        builderIds: builders.map(builderId),
      }),
    );
    return { buildsetId: created!.buildsetId, requestIds: created!.requests.map((request) => request.requestId) };
  };
  const candidate = (requestId: number, builder: number, worker = nextWorker++): ClaimCandidate => ({
    requestId,
    builderId: builderId(builder),
    builderName: `b${builder}`,
    workerId: ids.workers.get(`w${worker}`)!,
    workerName: `w${worker}`,
    properties: {},
  });
  const claimOne = async (builder = 0): Promise<ClaimedBuild> => {
    const { requestIds } = await submit([builder]);
    const [build] = await new ClaimStore(get().db).claim(me, [candidate(requestIds[0]!, builder)]);
    return build!;
  };
  const journal = (): Journal => new Journal(get().db, me, () => undefined);
  const row = (table: string, id: number): Promise<Record<string, unknown> | undefined> =>
    get().db.get(`SELECT * FROM ${table} WHERE id = ?`, [id]);

  it('gives each request to one of several concurrent claimers, with gapless build numbers', async () => {
    const { requestIds } = await submit(Array.from({ length: 20 }, (_, i) => i));
    const more = await submit(Array.from({ length: 20 }, (_, i) => i));
    const all = [...requestIds, ...more.requestIds];
    const connections = [get().db, openDatabase(get().url), openDatabase(get().url)];
    const claimed: ClaimedBuild[] = [];
    await Promise.all(
      Array.from({ length: 9 }, async (_, claimer) => {
        const store = new ClaimStore(connections[claimer % 3]!);
        for (let i = 0; i < all.length; i += 4) {
          const batch = all.slice(i, i + 4).map((requestId) => {
            const n = all.indexOf(requestId);
            return candidate(requestId, n % 20, n < 20 ? 0 : 1);
          });
          claimed.push(...(await store.claim(me, batch)));
        }
      }),
    );
    expect(claimed.map((build) => build.requestId).sort((a, b) => a - b)).toEqual([...all].sort((a, b) => a - b));
    const numbers = claimed.filter((build) => build.builderId === builderId(3)).map((build) => build.number);
    expect(numbers.sort()).toEqual([1, 2]);
    expect(claimed[0]!.properties).toMatchObject({ a: [1, 'Test'], buildername: expect.anything() });
    await connections[1]!.close();
    await connections[2]!.close();
  });

  it("prefers the configuration's properties to the buildset's, and those of the build itself to both", async () => {
    const { requestIds } = await submit([4], undefined, { branch: [1, 'Test'], attempt: [1, 'Test'], b: [1, 'Test'] });
    const properties = { a: [2, 'Builder'], workername: [2, 'Worker'] } as const;
    const claimed = { ...candidate(requestIds[0]!, 4), properties };
    const [build] = await new ClaimStore(get().db).claim(me, [claimed]);
    expect(build!.properties).toMatchObject({
      a: [2, 'Builder'],
      b: [1, 'Test'],
      branch: [null, 'Build'],
      attempt: [1, 'Build'],
      workername: [claimed.workerName, 'Worker'],
    });
  });

  it('gives every build all source stamps of its buildset, in the order of their codebases', async () => {
    const stamp = (codebase: string) => ({ ...NO_SOURCE, branch: `of ${codebase}`, codebase });
    const [lib, app] = [stamp('lib'), stamp('app')];
    const both = await submit([0, 1], [lib, app]);
    const one = await submit([2], [lib]);
    const candidates = [...both.requestIds, ...one.requestIds].map((requestId, i) => candidate(requestId, i));
    const claimed = await new ClaimStore(get().db).claim(me, candidates);
    expect(claimed.map(({ sourceStamps }) => sourceStamps)).toEqual([[app, lib], [app, lib], [lib]]);
    expect(claimed[0]!.properties).not.toHaveProperty('branch');
    expect(claimed[2]!.properties).toMatchObject({ branch: ['of lib', 'Build'], codebase: ['lib', 'Build'] });
  });

  it('says of every build whether its buildset was made for changes', async () => {
    const [made, forced] = [await submit([0]), await submit([1])];
    await get().db.run(`INSERT INTO buildset_changes (buildset_id, change_id) VALUES (?, 7)`, [made.buildsetId]);
    const candidates = [...made.requestIds, ...forced.requestIds].map((requestId, i) => candidate(requestId, i));
    const claimed = await new ClaimStore(get().db).claim(me, candidates);
    expect(claimed.map(({ hasChanges }) => hasChanges)).toEqual([true, false]);
  });

  it('refuses two source stamps of one codebase', async () => {
    await expect(submit([0], [NO_SOURCE, { ...NO_SOURCE, branch: 'main' }])).rejects.toMatchObject({
      code: 'bad-source-stamps',
    });
  });

  it('claims with three ways to the server and the commit, however many there are, with locks too', async () => {
    const { requestIds } = await submit([11, 12, 13]);
    const { db } = get();
    const counting = new CountedWays(db);
    const one = await new ClaimStore(counting.db).claim(me, [candidate(requestIds[0]!, 11)]);
    expect([one.length, counting.sent]).toEqual([1, 3]);
    counting.sent = 0;
    const { insertId: lockId } = await db.run(
      `INSERT INTO locks (name, kind, definition) VALUES ('of two claims', 'lock', '{}')`,
    );
    const need = { lockId, workerId: 0, lock: 'of two claims', mode: 'counting', count: 1, capacity: 2 } as const;
    const two = await new ClaimStore(counting.db).claim(
      me,
      requestIds
        .slice(1)
        .map((id, i) => ({ ...candidate(id, 12 + i), locks: [{ ...need, resources: [], property: null }] })),
    );
    expect([two.length, counting.sent]).toEqual([2, 3]);
  });

  it('reads the first requests of many builders, in order, and what each queue holds', async () => {
    const builders = Array.from({ length: 130 }, (_, i) => 20_000 + i);
    const made = (builderIds: number[], priority: number): Promise<number[]> =>
      get().db.transaction(async (tx) => {
        const of = { schedulerId: null, schedulerName: 'test', cause: `test:${++causes}`, reason: 'test' };
        const created = await createBuildset(tx, {
          ...of,
          sourceStamps: [NO_SOURCE],
          properties: {},
          builderIds,
          priority,
        });
        return created!.requests.map(({ requestId }) => requestId);
      });
    const requestIds = await made(builders, 0);
    const urgent = await made([20_000, 20_001], 5);
    const store = new ClaimStore(get().db);
    const heads = await store.heads(builders, 1);
    expect(heads.map(({ builderId }) => builderId).sort((a, b) => a - b)).toEqual(builders);
    expect(new Set(heads.map(({ requestId }) => requestId))).toEqual(new Set([...urgent, ...requestIds.slice(2)]));
    expect(await store.heads([20_001], 5)).toEqual([
      { requestId: urgent[1], builderId: 20_001, rank: -5 },
      { requestId: requestIds[1], builderId: 20_001, rank: 0 },
    ]);
    const queues = await store.queues();
    expect(queues.find(({ builderId }) => builderId === 20_001)).toEqual({
      ...{ builderId: 20_001, requests: 2, newest: urgent[1], ranks: -5 },
    });
    expect((await store.allQueued([20_001, 20_002])).sort((a, b) => a.requestId - b.requestId)).toEqual([
      { requestId: requestIds[1], builderId: 20_001, rank: 0 },
      { requestId: requestIds[2], builderId: 20_002, rank: 0 },
      { requestId: urgent[1], builderId: 20_001, rank: -5 },
    ]);
    expect(await store.queuedSince(urgent[0]!)).toEqual([{ requestId: urgent[1], builderId: 20_001 }]);
    await get().db.run(`DELETE FROM queue WHERE builder_id >= 20000`);
  });

  it('claims nothing without a lease', async () => {
    const { requestIds } = await submit([0]);
    const late = await register(get().db, 'engine');
    await get().db.run(`UPDATE masters SET lease_until_ms = lease_until_ms - 61000 WHERE id = ?`, [late.masterId]);
    const past = { masterId: me.masterId, epoch: me.epoch - 1 };
    for (const one of [past, late]) {
      await expect(new ClaimStore(get().db).claim(one, [candidate(requestIds[0]!, 0)])).rejects.toMatchObject({
        code: 'fenced',
      });
    }
    expect(await get().db.get(`SELECT 1 FROM queue WHERE request_id = ?`, [requestIds[0]!])).toBeDefined();
  });

  it('writes nothing more of a build after an entry that could not be written, except its end, and other builds go on', async () => {
    const [build, other] = [await claimOne(1), await claimOne(2)];
    const log = journal();
    const line = (text: string) =>
      ({ kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: `o${text}\n`, lines: 1 }) as const;
    for (const one of [build, other])
      await log.write(one, [{ kind: 'step-started', number: 0, name: 'make', hidden: false }, line('one')]);
    const written = await Promise.allSettled([
      log.write(build, [{ kind: 'step-changed', number: 7, stateString: 'never started' }]),
      log.write(build, [line('two')]),
      log.write(other, [line('two')]),
    ]);
    expect(written.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    await expect(log.write(build, [line('three')])).rejects.toThrow('step 7 was never started');
    const { ended } = await log.write(build, [
      { kind: 'build-finished', end: { results: Result.EXCEPTION, stateString: 'exception' } },
    ]);
    expect(ended).toMatchObject({ buildId: build.buildId });
    const lines = (buildId: number) =>
      get().db.get<{ count: number }>(`SELECT num_lines AS count FROM logs WHERE build_id = ?`, [buildId]);
    expect([await lines(build.buildId), await lines(other.buildId)]).toEqual([{ count: 1 }, { count: 2 }]);
    await new ClaimStore(get().db).end(other, { results: Result.SUCCESS, stateString: 'done' });
  });

  it('writes the events of a build and completes its buildset', async () => {
    const build = await claimOne(1);
    const log = journal();
    await log.write(build, [
      { kind: 'step-started', number: 0, name: 'make', hidden: false },
      { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: 'oone\notwo\n', lines: 2 },
    ]);
    const long = Array.from({ length: 60_000 }, (_, i) => `oline ${i + 2}\n`).join('');
    const written = await log.write(build, [
      { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: long, lines: 60_000 },
    ]);
    const logId = written.logs[0]!.logId;
    expect(await readLogLines(get().db, logId, 0, 3)).toBe('oone\notwo\noline 2\n');
    expect(await readLogLines(get().db, logId, 45_000, 2)).toBe('oline 45000\noline 45001\n');
    expect(await readLogLines(get().db, logId, 60_001, 10)).toBe('oline 60001\n');
    expect(await readLogLines(get().db, logId, 60_002, 10)).toBe('');
    expect(await row('logs', logId)).toMatchObject({ num_lines: 60_002, slug: 'stdio' });
    const { ended } = await log.write(build, [
      { kind: 'step-finished', number: 0, results: Result.FAILURE, stateString: 'failed', hidden: false },
      { kind: 'properties', properties: { got: ['x', 'Step'] } },
      { kind: 'build-finished', end: { results: Result.FAILURE, stateString: 'failed make' } },
    ]);
    expect(ended).toMatchObject({ requeued: false, completedBuildsetId: build.buildsetId });
    expect(await row('buildsets', build.buildsetId)).toMatchObject({ results: Result.FAILURE });
    expect(await row('build_requests', build.requestId)).toMatchObject({ results: Result.FAILURE });
    const stored = await row('builds', build.buildId);
    expect(stored).toMatchObject({ results: Result.FAILURE, state_string: 'failed make' });
    expect(JSON.parse(String(stored!['properties']))).toMatchObject({ got: ['x', 'Step'], a: [1, 'Test'] });
  });

  describe('the preparing of a worker', () => {
    const store = () => new ClaimStore(get().db);
    const ready = ({ workerId }: ClaimedBuild) =>
      `worker ${[...ids.workers].find(([, id]) => id === workerId)![0]} ready`;
    const stepsOf = (buildId: number) => new StepReads(get().db).ofBuild(buildId);
    const begins = { kind: 'step-started', number: 0, name: 'make', hidden: false } as const;

    it('is step 0, from the claim to the first step, and the others count from 1', async () => {
      const build = await claimOne(1);
      const written = await journal().write(build, [{ kind: 'worker-ready' }, begins]);
      const [preparation, step] = await stepsOf(build.buildId);
      const { started_at } = (await new BuildReads(get().db).byIds([build.buildId]))[0]!;
      expect(preparation).toMatchObject({
        ...{ number: 0, name: 'worker_preparation', state_string: ready(build), hidden: false },
        ...{ results: Result.SUCCESS, complete: true, started_at, locks_acquired_at: started_at, urls: [] },
      });
      expect(step).toMatchObject({ number: 1, name: 'make', results: null });
      expect(written.steps).toEqual([
        { stepId: preparation!.stepid, event: 'finished' },
        { stepId: step!.stepid, event: 'started' },
      ]);
      await store().end(build, { results: Result.SUCCESS, stateString: 'done' });
      expect(await stepsOf(build.buildId)).toHaveLength(2);
    });

    it('costs no way to the server: it is sent with what begins the first step', async () => {
      const ways = async (entries: readonly BuildEntry[]): Promise<number> => {
        const counting = new CountedWays(get().db);
        await new Journal(counting.db, me, () => undefined).write(await claimOne(1), entries);
        return counting.sent;
      };
      expect(await ways([{ kind: 'worker-ready' }, begins])).toBe(await ways([begins]));
    });

    it('is not known of a build whose engine did not record it: its steps count from 0', async () => {
      const build = await claimOne(1);
      await journal().write(build, [begins]);
      await store().end(build, { results: Result.SUCCESS, stateString: 'done' });
      expect(await stepsOf(build.buildId)).toMatchObject([{ number: 0, name: 'make' }]);
    });

    it.each([
      [Result.RETRY, 'retry: its worker is away', Result.RETRY, 'retry: its worker is away'],
      [Result.CANCELLED, 'cancelled (enough)', Result.CANCELLED, 'cancelled (enough)'],
      [Result.SKIPPED, 'skipped by doBuildIf', Result.SUCCESS, null],
    ])('says why a build ended before its steps began (%i)', async (results, stateString, expected, state) => {
      for (const how of ['by the journal', 'beside it']) {
        const build = await claimOne(1);
        const end = { results, stateString };
        const ended =
          how === 'beside it'
            ? await store().end(build, end)
            : (await journal().write(build, [{ kind: 'build-finished', end }])).ended!;
        expect(await stepsOf(build.buildId)).toMatchObject([
          {
            ...{ stepid: ended.preparationId, number: 0, name: 'worker_preparation', complete: true },
            ...{ results: expected, state_string: state ?? ready(build) },
          },
        ]);
        if (results === Result.RETRY) await get().db.run(`DELETE FROM queue WHERE request_id = ?`, [build.requestId]);
      }
    });
  });

  it('writes what comes together of one log as one chunk, and says whether a finished build has more', async () => {
    for (const [builder, isFragmented] of [
      [1, false],
      [2, true],
    ] as const) {
      const build = await claimOne(builder);
      const log = journal();
      const line = (text: string) =>
        ({ kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: `o${text}\n`, lines: 1 }) as const;
      const written = await Promise.all([
        log.write(build, [{ kind: 'step-started', number: 0, name: 's', hidden: false }, line('one')]),
        log.write(build, [line('two'), { ...line('apart'), log: 'other' }]),
        log.write(build, [line('three')]),
      ]);
      expect(written.map(({ logs }) => logs.map(({ event }) => event))).toEqual([
        ['new'],
        ['append', 'new'],
        ['append'],
      ]);
      const end = { results: Result.SUCCESS, stateString: 'done' };
      const last = isFragmented ? [line('last')] : [];
      expect(await log.write(build, [...last, { kind: 'build-finished', end }])).toMatchObject({ isFragmented });
      const { logId } = written[0].logs[0]!;
      const chunks = await get().db.all<{ first: number; lines: number }>(
        `SELECT first_line AS first, num_lines AS \`lines\` FROM log_chunks WHERE log_id = ? ORDER BY first_line`,
        [logId],
      );
      expect(chunks[0]).toEqual({ first: 0, lines: 3 });
      const after = isFragmented ? 'olast\n' : '';
      expect(await readLogLines(get().db, logId, 0, 10)).toBe(`oone\notwo\nothree\n${after}`);
    }
  });

  it('merges small chunks of a finished log without moving a line', async () => {
    const build = await claimOne(11);
    const log = journal();
    await log.write(build, [{ kind: 'step-started', number: 0, name: 's', hidden: false }]);
    let logId = 0;
    for (let i = 0; i < 40; i++) {
      const { logs } = await log.write(build, [
        { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: `oline ${i}\n`, lines: 1 },
      ]);
      logId = logs[0]!.logId;
    }
    const all = await readLogLines(get().db, logId, 0, 100);
    const reading = logPieces(get().db, logId);
    let read = (await reading.next()).value as string;
    expect(await sealLogs(get().db, build.buildId)).toBe(40);
    expect(await sealLogs(get().db, build.buildId)).toBe(0);
    for await (const piece of reading) read += piece;
    expect(read).toBe(all);
    expect(await readLogLines(get().db, logId, 0, 100)).toBe(all);
    expect(await readLogLines(get().db, logId, 17, 2)).toBe('oline 17\noline 18\n');
    expect(await get().db.all(`SELECT first_line FROM log_chunks WHERE log_id = ?`, [logId])).toHaveLength(1);
  });

  it('fences every write once the claim is gone, including inserts, without affecting others of the group', async () => {
    const [lost, kept] = [await claimOne(2), await claimOne(3)];
    await get().db.run(`DELETE FROM claims WHERE build_id = ?`, [lost.buildId]);
    const log = journal();
    const step = { kind: 'step-started', number: 0, name: 's', hidden: false } as const;
    const [first, second] = await Promise.allSettled([log.write(lost, [step]), log.write(kept, [step])]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'fenced' } });
    expect(second.status).toBe('fulfilled');
    expect(await get().db.all(`SELECT id FROM steps WHERE build_id = ?`, [lost.buildId])).toEqual([]);
  });

  it('isolates an entry that cannot be written from the others of its group', async () => {
    const [bad, good] = [await claimOne(4), await claimOne(5)];
    const log = journal();
    const [first, second] = await Promise.allSettled([
      log.write(bad, [{ kind: 'step-finished', number: 7, results: 0, stateString: '', hidden: false }]),
      log.write(good, [{ kind: 'step-started', number: 0, name: 's', hidden: false }]),
    ]);
    expect(first.status).toBe('rejected');
    expect(second.status).toBe('fulfilled');
  });

  it('ends a build as an exception when one of its entries cannot be written, even in the same group', async () => {
    const build = await claimOne(8);
    const log = journal();
    const [bad, end] = await Promise.allSettled([
      log.write(build, [{ kind: 'step-finished', number: 7, results: 0, stateString: '', hidden: false }]),
      log.write(build, [{ kind: 'build-finished', end: { results: Result.SUCCESS, stateString: 'ok' } }]),
    ]);
    expect([bad.status, end.status]).toEqual(['rejected', 'fulfilled']);
    expect(await row('builds', build.buildId)).toMatchObject({
      results: Result.EXCEPTION,
      state_string: expect.stringMatching(/^exception: not everything that happened could be recorded: .*step 7/),
    });
  });

  it('claims in the transaction that ends a build', async () => {
    const build = await claimOne(6);
    const { requestIds } = await submit([6]);
    const log = journal();
    const [ended, claimed] = await Promise.all([
      log.write(build, [{ kind: 'build-finished', end: { results: Result.SUCCESS, stateString: 'ok' } }]),
      log.claim([candidate(requestIds[0]!, 6)]),
    ]);
    expect(ended.ended?.buildId).toBe(build.buildId);
    expect(claimed.builds).toHaveLength(1);
    expect(log.stats.transactions).toBe(1);
  });

  it('gives the builds of a dead engine back, and gives up after three deaths', async () => {
    const store = new ClaimStore(get().db);
    const { requestIds, buildsetId } = await submit([7]);
    for (let death = 1; death <= DEATHS_ALLOWED; death++) {
      const engine = await register(get().db, 'engine', { leaseMs: 60_000 });
      const [build] = await store.claim(engine, [candidate(requestIds[0]!, 7)]);
      expect(build).toMatchObject({ attempt: death });
      const mine = (key: BuildKey): boolean => key.buildId === build!.buildId;
      expect((await store.orphans()).filter(mine)).toEqual([]);
      await new MasterStore(get().db).stop(engine);
      const [orphan] = (await store.orphans()).filter(mine);
      const [one, two] = await Promise.all([store.reap(orphan!), store.reap(orphan!)]);
      expect([one, two].filter((ended) => ended !== null)).toHaveLength(1);
      expect((one ?? two)!.requeued).toBe(death < DEATHS_ALLOWED);
    }
    expect(await row('buildsets', buildsetId)).toMatchObject({ results: Result.EXCEPTION });
    expect((await row('build_requests', requestIds[0]!))!['reason']).toMatch(/given up after 3 attempts/);
  });

  describe('control', () => {
    it('cancels queued requests, and asks the engine to stop running builds', async () => {
      const control = new BuildActionStore(get().db);
      const { requestIds, buildsetId } = await submit([8]);
      expect(await control.cancelRequest(requestIds[0]!, 'why')).toMatchObject({
        outcome: 'cancelled',
        completedBuildsetId: buildsetId,
      });
      expect(await control.cancelRequest(requestIds[0]!, 'why')).toEqual({ outcome: 'already-complete' });
      const build = await claimOne(8);
      expect(await control.cancelRequest(build.requestId, 'why')).toEqual({
        outcome: 'stopping',
        masterId: me.masterId,
      });
      const commands = new CommandStore(get().db);
      const [command] = await commands.openCommands(me.masterId);
      expect(command).toMatchObject({ kind: 'stop-build', buildId: build.buildId, reason: 'why' });
      await commands.finishCommand(command!.id, 'stopping');
      expect(await commands.openCommands(me.masterId)).toEqual([]);
      expect(await commands.commandResult(command!.id)).toBe('stopping');
      await expect(control.stopBuild(999_999, '')).rejects.toMatchObject({ code: 'not-found' });
    });

    it('ends a build as cancelled when its engine died after it was asked to stop it', async () => {
      const engine = await register(get().db, 'engine');
      const { requestIds, buildsetId } = await submit([9]);
      const store = new ClaimStore(get().db);
      const [build] = await store.claim(engine, [candidate(requestIds[0]!, 9)]);
      await new BuildActionStore(get().db).stopBuild(build!.buildId, 'enough');
      await new MasterStore(get().db).stop(engine);
      const orphan = (await store.orphans()).find((key) => key.buildId === build!.buildId);
      expect(await store.reap(orphan!)).toMatchObject({ requeued: false, completedBuildsetId: buildsetId });
      expect(await row('buildsets', buildsetId)).toMatchObject({ results: Result.CANCELLED });
    });

    it('rebuilds with the same source and properties', async () => {
      const build = await claimOne(10);
      const again = await new BuildActionStore(get().db).rebuild(build.buildId);
      expect(await row('buildsets', again.buildsetId)).toMatchObject({
        rebuilt_build_id: build.buildId,
        scheduler_name: 'rebuild',
      });
      const [next] = await new ClaimStore(get().db).claim(me, [candidate(again.requests[0]!.requestId, 10)]);
      expect(next!.properties).toMatchObject({ a: [1, 'Test'] });
    });
  });
});
