import { beforeAll, expect, it } from '@jest/globals';
import {
  AdoptionStore,
  type ClaimedBuild,
  ClaimStore,
  CommandStore,
  BuildActionStore,
  createBuildset,
  type DefinitionIds,
  type Incarnation,
  Journal,
  MasterStore,
  WorkerStore,
  type StopBuild,
} from '@millrace/database';
import { FencedError, Result, resultName } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

const NO_SOURCE = { branch: null, revision: null, repository: '', project: '', codebase: '' };
const UUIDS = ['0190a000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000002'] as const;

onEveryDatabase('builds that change engines', (get) => {
  let first: Incarnation;
  let second: Incarnation;
  let ids: DefinitionIds;
  let causes = 0;

  beforeAll(async () => {
    first = await register(get().db, 'engine');
    second = await register(get().db, 'engine');
    ids = await configure(get().db, first, { builders: 1, workers: 2 });
  });

  const workerId = (name: string): number => ids.workers.get(name)!;
  const journal = (me: Incarnation): Journal => new Journal(get().db, me, () => undefined);
  const store = (): ClaimStore => new ClaimStore(get().db);
  const adoptions = (): AdoptionStore => new AdoptionStore(get().db);
  const attach = (me: Incarnation, name = 'w0', resumes = true): Promise<number> =>
    new WorkerStore(get().db).attached(workerId(name), me, {}, { resumes });

  async function claimOne(worker = 'w0'): Promise<ClaimedBuild> {
    const builderId = ids.builders.get('b0')!;
    const created = await get().db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `resuming:${++causes}`,
        reason: 'test',
        sourceStamps: [NO_SOURCE],
        properties: { a: [1, 'Test'] },
        builderIds: [builderId],
      }),
    );
    const [build] = await store().claim(first, [
      {
        requestId: created!.requests[0]!.requestId,
        builderId,
        builderName: 'b0',
        workerId: workerId(worker),
        workerName: worker,
        properties: {},
        fingerprint: 'f1',
      },
    ]);
    return build!;
  }

  /** Writes one finished step, and one in the middle of its second command. */
  async function beginBuild(build: ClaimedBuild, log: Journal): Promise<void> {
    const intended = (ordinal: 0 | 1) =>
      ({
        kind: 'command-intended',
        step: 1,
        ordinal,
        name: 'shell',
        uuid: UUIDS[ordinal],
        argsHash: `h${ordinal}`,
      }) as const;
    await log.write(build, [
      { kind: 'step-started', number: 0, name: 'git', hidden: false, resumable: true },
      { kind: 'step-finished', number: 0, results: Result.SUCCESS, stateString: 'update', hidden: false },
      { kind: 'properties', properties: { got_revision: ['abc', 'Git'] } },
      { kind: 'step-started', number: 1, name: 'make', hidden: false, resumable: true },
      intended(0),
      { kind: 'command-finished', step: 1, ordinal: 0, outcome: '{"rc":0}', ended: true },
      intended(1),
      { kind: 'log-lines', step: 1, log: 'stdio', type: 's', text: 'oone\notwo\n', lines: 2 },
      { kind: 'command-stored', step: 1, ordinal: 1, update: 7, captured: 'one\ntwo\n' },
    ]);
  }

  it('returns everything recorded, and fences the engine that had the build', async () => {
    await attach(first);
    const build = await claimOne();
    const before = journal(first);
    await beginBuild(build, before);
    await new BuildActionStore(get().db).stopBuild(build.buildId, 'changed my mind');

    const session = await attach(second);
    const [claim] = await adoptions().ofWorker(workerId('w0'));
    const recorded = await adoptions().adopt(second, claim!, workerId('w0'), session);
    expect(recorded).toMatchObject({
      build: { buildId: build.buildId, uuid: build.uuid, number: build.number, attempt: 1, epoch: build.epoch + 1 },
      fingerprint: 'f1',
      steps: [
        { number: 0, name: 'git', results: Result.SUCCESS },
        { number: 1, name: 'make', results: null, resumable: true },
      ],
      commands: [
        { ordinal: 0, outcome: '{"rc":0}', uuid: UUIDS[0] },
        { ordinal: 1, outcome: null, uuid: UUIDS[1], argsHash: 'h1', updatesStored: 7, captured: 'one\ntwo\n' },
      ],
      logs: [{ name: 'stdio', type: 's', lines: 2 }],
      adoptions: 1,
    });
    expect(recorded!.build.properties).toMatchObject({ got_revision: ['abc', 'Git'], a: [1, 'Test'] });
    expect(await new CommandStore(get().db).openCommands(second.masterId)).toMatchObject([
      { kind: 'stop-build', buildId: build.buildId },
    ]);

    const line = { kind: 'log-lines', step: 1, log: 'stdio', type: 's', text: 'othree\n', lines: 1 } as const;
    await expect(before.write(build, [line])).rejects.toBeInstanceOf(FencedError);
    const after = journal(second);
    await after.recall(build.buildId);
    await after.write(recorded!.build, [line]);
    const chunks = await get().db.all(`SELECT c.first_line AS at FROM log_chunks c JOIN logs l ON l.id = c.log_id
      WHERE l.build_id = ${build.buildId} ORDER BY c.first_line`);
    expect(chunks).toEqual([{ at: 0 }, { at: 2 }]);

    const ended = await store().end(recorded!.build, { results: Result.RETRY, stateString: 'retry' });
    expect(ended.requeued).toBe(false); // A stop was requested.
  });

  it('gives a claim to one of two engines that want it, and only to the one that has the worker', async () => {
    await attach(first);
    const build = await claimOne();
    const stale = await attach(second);
    const session = await attach(first);
    const [claim] = (await adoptions().ofWorker(workerId('w0'))).filter((one) => one.buildId === build.buildId);
    expect(await adoptions().adopt(second, claim!, workerId('w0'), stale)).toBeNull();
    const both = await Promise.all([
      adoptions().adopt(first, claim!, workerId('w0'), session),
      adoptions().adopt(first, claim!, workerId('w0'), session),
    ]);
    expect(both.filter(Boolean)).toHaveLength(1);
    await store().end(both.find(Boolean)!.build, { results: Result.SUCCESS, stateString: 'done' });
  });

  it('returns what a worker may still run of cut off attempts, but nothing of completed attempts', async () => {
    const left = (): Promise<string[]> => adoptions().leftRunning(workerId('w1'));
    const outcome = async (rc: number | null, results: Result): Promise<void> => {
      const build = await claimOne('w1');
      const log = journal(first);
      await beginBuild(build, log);
      expect(await left()).toEqual([UUIDS[1]]);
      await log.write(build, [
        { kind: 'command-finished', step: 1, ordinal: 1, outcome: JSON.stringify({ rc }), ended: rc !== null },
      ]);
      await store().end(build, { results, stateString: resultName(results) });
    };
    await outcome(2, Result.FAILURE);
    expect(await left()).toEqual([]);
    await outcome(0, Result.CANCELLED);
    expect(await left()).toEqual([]);
    await outcome(null, Result.CANCELLED);
    expect(await left()).toEqual([UUIDS[1]]);
  });

  it('never uses an epoch twice for a request, whether it is adopted or retried', async () => {
    await attach(first);
    const build = await claimOne();
    const session = await attach(second);
    const [claim] = await adoptions().ofWorker(workerId('w0'));
    const adopted = (await adoptions().adopt(second, claim!, workerId('w0'), session))!.build;
    await store().end(adopted, { results: Result.RETRY, stateString: 'retry' });
    const [again] = await store().claim(second, [
      { ...build, builderName: 'b0', workerName: 'w0', workerId: workerId('w0'), properties: {} },
    ]);
    expect([build.epoch, adopted.epoch, again!.epoch]).toEqual([1, 2, 3]);
    expect(again!.attempt).toBe(2);
    await store().end(again!, { results: Result.SUCCESS, stateString: 'done' });
  });

  it.each([
    { resumes: true, resumable: true, mayResume: true },
    { resumes: true, resumable: false, mayResume: false },
    { resumes: false, resumable: true, mayResume: false },
  ])('knows whose worker may go on: %o', async ({ resumes, resumable, mayResume }) => {
    await attach(first, 'w1', resumes);
    const build = await claimOne('w1');
    const log = journal(first);
    await log.write(build, [{ kind: 'step-started', number: 0, name: 's', hidden: false, resumable }]);
    expect(await orphan(build)).toBeUndefined();
    expect((await store().held(first)).map((key) => key.buildId)).toContain(build.buildId);

    await log.write(build, [{ kind: 'build-parked' }]);
    expect(await orphan(build)).toMatchObject({ engineIsAlive: true, mayResume });
    expect((await orphan(build))!.parkedForMs).toBeGreaterThanOrEqual(0);
    expect((await store().held(first)).map((key) => key.buildId)).not.toContain(build.buildId);

    const ended = await store().reap((await orphan(build))!, 'retry: its worker did not come back');
    expect(ended).toMatchObject({ requeued: true });
    expect(await get().db.get(`SELECT deaths FROM build_requests WHERE id = ?`, [build.requestId])).toEqual({
      deaths: 0,
    });
  });

  it('does not let a build that is to be stopped wait for its worker, to whichever engine the command was sent', async () => {
    await attach(first, 'w1');
    const build = await claimOne('w1');
    await journal(first).write(build, [{ kind: 'build-parked' }]);
    expect(await orphan(build)).toMatchObject({ mayResume: true });
    const control = new BuildActionStore(get().db);
    const commands = new CommandStore(get().db);
    await control.stopBuild(build.buildId, 'enough');
    expect(await orphan(build)).toMatchObject({ mayResume: false });

    const [stop] = (await commands.openCommands(first.masterId)).filter(
      (one): one is StopBuild => one.kind === 'stop-build' && one.buildId === build.buildId,
    );
    await get().db.run(`UPDATE claims SET master_id = ? WHERE build_id = ?`, [second.masterId, build.buildId]);
    expect(await commands.passStopOn(stop!)).toBe(true);
    expect(await commands.openCommands(second.masterId)).toContainEqual(stop);

    expect(await store().reap((await orphan(build))!)).toMatchObject({ requeued: false });
    expect(await get().db.get(`SELECT state_string AS state FROM builds WHERE id = ?`, [build.buildId])).toEqual({
      state: 'cancelled (enough)',
    });
    expect(await commands.commandResult(stop!.id)).toBe('the build has ended');
    expect(await commands.passStopOn(stop!)).toBe(false);
  });

  it('takes no build from a living engine that has its worker', async () => {
    await attach(first, 'w1');
    const build = await claimOne('w1');
    await journal(first).write(build, [{ kind: 'build-parked' }]);
    const seen = (await orphan(build))!;
    const session = await attach(first, 'w1');
    const [claim] = await adoptions().ofWorker(workerId('w1'));
    const adopted = await adoptions().adopt(first, claim!, workerId('w1'), session);
    expect(await store().reap(seen)).toBeNull();
    expect(await orphan(build)).toBeUndefined();
    await store().end(adopted!.build, { results: Result.SUCCESS, stateString: 'done' });
  });

  it('lets the build of a dead engine be adopted', async () => {
    const dead = await register(get().db, 'engine');
    await attach(first, 'w1');
    const build = await claimOne('w1');
    await get().db.run(`UPDATE claims SET master_id = ?, master_epoch = ? WHERE build_id = ?`, [
      dead.masterId,
      dead.epoch,
      build.buildId,
    ]);
    await new MasterStore(get().db).stop(dead);
    expect(await orphan(build)).toMatchObject({ engineIsAlive: false, mayResume: true, parkedForMs: null });
    const session = await attach(second, 'w1');
    const [claim] = await adoptions().ofWorker(workerId('w1'));
    expect(await adoptions().adopt(second, claim!, workerId('w1'), session)).toMatchObject({ adoptions: 1 });
    expect(await orphan(build)).toBeUndefined();
  });

  async function orphan(build: ClaimedBuild) {
    return (await store().orphans()).find((one) => one.buildId === build.buildId);
  }
});
