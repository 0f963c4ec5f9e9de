import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  BuildActionStore,
  type BuildEnd,
  type BuildKey,
  type ClaimedBuild,
  ClaimStore,
  CommandStore,
  createBuildset,
  type DefinitionIds,
  type Incarnation,
  Journal,
  SchedulerStore,
  type Triggered,
  type TriggeredBuildset,
  TriggerStore,
} from '@millrace/database';
import { FencedError, NO_SOURCE, Result, type Uuid } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

let causes = 0;

onEveryDatabase('what a build triggers', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  const builderId = (n: number): number => ids.builders.get(`b${n}`)!;
  const triggers = (): TriggerStore => new TriggerStore(get().db);
  /** Makes a call that is not kept. */
  const trigger = async (key: BuildKey, asked: Triggered): Promise<TriggeredBuildset[]> =>
    (await triggers().trigger(key, asked)) as TriggeredBuildset[];
  const claims = (): ClaimStore => new ClaimStore(get().db);

  beforeAll(async () => {
    me = await register(get().db, 'engine');
    ids = await configure(get().db, me, { builders: 4, workers: 60 });
  });

  let nextWorker = 0;
  const claim = async (requestId: number, builder: number): Promise<ClaimedBuild> => {
    const worker = nextWorker++;
    const [build] = await claims().claim(me, [
      {
        ...{ requestId, builderId: builderId(builder), builderName: `b${builder}`, properties: {} },
        ...{ workerId: ids.workers.get(`w${worker}`)!, workerName: `w${worker}` },
      },
    ]);
    return build!;
  };
  const parent = async (priority = 0): Promise<ClaimedBuild> => {
    const created = await get().db.transaction((tx) =>
      createBuildset(tx, {
        ...{ schedulerId: null, schedulerName: 'test', cause: `test:${++causes}`, reason: '', priority },
        ...{ sourceStamps: [NO_SOURCE], properties: {}, builderIds: [builderId(0)] },
      }),
    );
    return claim(created!.requests[0]!.requestId, 0);
  };
  const call = (more: Partial<Triggered> = {}, builders = [1, 2], priority: number | null = null): Triggered => ({
    ...{ step: 0, ordinal: 0, argsHash: 'h', waits: true, relationship: 'Triggered from' },
    plans: [
      {
        ...{ schedulerId: ids.schedulers.get('all')!, schedulerName: 'all', reason: 'why', priority },
        ...{ sourceStamps: [NO_SOURCE], properties: {}, builderIds: builders.map(builderId) },
      },
    ],
    ...more,
  });
  const intend = async (build: ClaimedBuild, argsHash = 'h'): Promise<void> => {
    const journal = new Journal(get().db, me, () => undefined);
    const uuid = build.uuid satisfies Uuid;
    await journal.write(build, [
      { kind: 'step-started', number: 0, name: 's', hidden: false },
      { kind: 'command-intended', step: 0, ordinal: 0, name: 'trigger', uuid, argsHash },
    ]);
  };
  const row = (table: string, id: number) =>
    get().db.get<Record<string, unknown>>(`SELECT * FROM ${table} WHERE id = ?`, [id]);
  const retry = { results: Result.RETRY, stateString: 'retry: its engine died', death: true };
  const success = { results: Result.SUCCESS, stateString: 'build successful' };

  it('is kept once, however often it is asked for, where the scheduler builds later', async () => {
    const build = await parent(7);
    const schedulerId = ids.schedulers.get('all')!;
    const asked = { builders: null, reason: 'why', sourceStamps: [NO_SOURCE], properties: {}, priority: null };
    const { plans } = call();
    const kept = { ...call(), plans: [{ ...plans[0]!, keeps: asked }] };
    const answer = { keptBySchedulerId: schedulerId, buildsAtMs: null };
    expect(await triggers().trigger(build, kept)).toEqual([answer]);
    const keptCall = () => new SchedulerStore(get().db).keptCall(schedulerId);
    const first = await keptCall();
    expect(first).toMatchObject({ ...asked, priority: 7 });
    expect(first!.parent).toEqual({ buildId: build.buildId, relationship: 'Triggered from' });
    expect(await triggers().trigger(build, kept)).toEqual([answer]);
    expect(await keptCall()).toEqual(first);
    await triggers().trigger(build, { ...kept, ordinal: 1 });
    expect((await keptCall())!.id).not.toBe(first!.id);
    await expect(triggers().trigger({ ...build, epoch: build.epoch + 1 }, kept)).rejects.toThrow(FencedError);
  });

  it('is made once, however often it is asked for, with the parent’s priority', async () => {
    const build = await parent(7);
    const [first] = await trigger(build, call());
    const [again] = await trigger(build, call());
    expect(again).toEqual({ ...first, isNew: false });
    expect(first).toMatchObject({ isNew: true, requests: [{ builderId: builderId(1) }, { builderId: builderId(2) }] });
    expect(await row('buildsets', first!.buildsetId)).toMatchObject({
      parent_build_id: build.buildId,
      parent_relationship: 'Triggered from',
    });
    expect(await row('build_requests', first!.requests[0]!.requestId)).toMatchObject({ priority: 7, waited_for: 1 });
    const [other] = await trigger(build, call({ ordinal: 1, waits: false }, [1], -2));
    expect(await row('build_requests', other!.requests[0]!.requestId)).toMatchObject({ priority: -2, waited_for: 0 });
  });

  it('is refused to whoever has lost the build', async () => {
    const build = await parent();
    await expect(trigger({ ...build, epoch: build.epoch + 1 }, call())).rejects.toThrow(FencedError);
  });

  it('tells results only of complete buildsets', async () => {
    const build = await parent();
    const [made] = await trigger(build, call({}, [1]));
    expect(await triggers().resultsOf([made!.buildsetId])).toEqual(new Map());
    const child = await claim(made!.requests[0]!.requestId, 1);
    await claims().end(child, { results: Result.FAILURE, stateString: 'failed' });
    expect(await triggers().resultsOf([made!.buildsetId])).toEqual(new Map([[made!.buildsetId, Result.FAILURE]]));
    expect(await triggers().resultsOf([])).toEqual(new Map());
  });

  it('knows a build’s ancestors, nearest first', async () => {
    const build = await parent();
    const [made] = await trigger(build, call({}, [1]));
    const child = await claim(made!.requests[0]!.requestId, 1);
    expect(await triggers().ancestry(child.buildId, 10)).toEqual([
      { buildId: child.buildId, builderId: builderId(1), builderName: 'b1' },
      { buildId: build.buildId, builderId: builderId(0), builderName: 'b0' },
    ]);
    expect(await triggers().ancestry(child.buildId, 1)).toHaveLength(1);
  });

  describe('after the death of its engine', () => {
    it.each([
      ['goes on', async () => undefined, true],
      ['has succeeded', (child: ClaimedBuild) => claims().end(child, success), true],
      ['has failed', (child: ClaimedBuild) => claims().end(child, { results: 2, stateString: 'failed' }), false],
    ])('is taken over by the next attempt when it %s: %#', async (_name, meanwhile, isSame) => {
      const build = await parent();
      await intend(build);
      const [made] = await trigger(build, call({}, [1]));
      const child = await claim(made!.requests[0]!.requestId, 1);
      expect(await claims().end(build, retry)).toMatchObject({ requeued: true, children: [] });
      await meanwhile(child);
      const next = await claim(build.requestId, 0);
      await intend(next);
      const [again] = await trigger(next, call({}, [1]));
      expect(again!.buildsetId === made!.buildsetId).toBe(isSame);
      expect(again!.isNew).toBe(!isSame);
      expect(await row('buildsets', again!.buildsetId)).toMatchObject({ parent_build_id: next.buildId });
    });

    it('is made anew by an attempt that asks for something else; the end cancels what nobody waits for', async () => {
      const build = await parent();
      await intend(build);
      const [made] = await trigger(build, call());
      await claims().end(build, retry);
      const next = await claim(build.requestId, 0);
      await intend(next, 'other');
      const [again] = await trigger(next, call({ argsHash: 'other' }));
      expect(again!.buildsetId).not.toBe(made!.buildsetId);
      await claims().end(next, success);
      expect(await row('buildsets', made!.buildsetId)).toMatchObject({ results: Result.CANCELLED });
    });
  });

  describe('when what failed is rebuilt', () => {
    const failure = { results: Result.FAILURE, stateString: 'failed' };
    /** Ends a request's build. */
    const built = async (requestId: number, builder: number, end: BuildEnd): Promise<ClaimedBuild> => {
      const build = await claim(requestId, builder);
      await claims().end(build, end);
      return build;
    };
    /** Has a build trigger two others, of which the second fails, and returns its rebuild. */
    const rebuilt = async (what: 'all' | 'failed') => {
      const build = await parent();
      await intend(build);
      const [made] = await trigger(build, call());
      const [good, bad] = made!.requests;
      await built(good!.requestId, 1, success);
      const badBuild = await built(bad!.requestId, 2, failure);
      await claims().end(build, failure);
      const again = await new BuildActionStore(get().db).rebuild(build.buildId, what);
      return { next: await claim(again.requests[0]!.requestId, 0), good: good!, badBuild };
    };
    const queued = (requestId: number) =>
      get().db.get(`SELECT builder_id AS builderId FROM queue WHERE request_id = ?`, [requestId]);

    it('keeps the good ones, repeats the others, and is as complete as they are', async () => {
      const { next, good, badBuild } = await rebuilt('failed');
      await intend(next);
      const [made] = await trigger(next, call());
      const [kept, repeated] = made!.requests;
      expect(made!.collapsed).toMatchObject([{ requestId: kept!.requestId, intoRequestId: good.requestId }]);
      expect(await row('build_requests', kept!.requestId)).toMatchObject({
        results: Result.SUCCESS,
        reason: `kept: build request ${good.requestId} was good`,
      });
      expect(await queued(kept!.requestId)).toBeUndefined();
      expect(await row('build_requests', repeated!.requestId)).toMatchObject({
        complete_at_ms: null,
        repeats_build_id: badBuild.buildId,
      });
      expect(await row('buildsets', made!.buildsetId)).toMatchObject({ complete_at_ms: null });
      await built(repeated!.requestId, 2, success);
      expect(await triggers().resultsOf([made!.buildsetId])).toEqual(new Map([[made!.buildsetId, Result.SUCCESS]]));
      // Once more: what was kept is kept, and everything is good by now.
      await claims().end(next, failure);
      const third = await new BuildActionStore(get().db).rebuild(next.buildId, 'failed');
      const last = await claim(third.requests[0]!.requestId, 0);
      const [all] = await trigger(last, call());
      expect(all!.collapsed).toHaveLength(2);
      expect(await triggers().resultsOf([all!.buildsetId])).toEqual(new Map([[all!.buildsetId, Result.SUCCESS]]));
    });

    it.each([
      ['everything is rebuilt', 'all', {}],
      ['the step asks for something else', 'failed', { argsHash: 'other' }],
      ['another step asks', 'failed', { step: 1 }],
    ] as const)('is made anew where %s', async (_name, what, more) => {
      const { next } = await rebuilt(what);
      const [made] = await trigger(next, call(more));
      expect(made!.collapsed).toEqual([]);
      for (const { requestId } of made!.requests) {
        expect(await queued(requestId)).toBeDefined();
        expect(await row('build_requests', requestId)).toMatchObject({ repeats_build_id: null });
      }
    });
  });

  it('ends with the build: queued requests are cancelled, running builds stopped, and nothing else', async () => {
    const build = await parent();
    const [made] = await trigger(build, call());
    const [free] = await trigger(build, call({ ordinal: 1, waits: false }, [3]));
    const child = await claim(made!.requests[0]!.requestId, 1);
    const ended = await claims().end(build, { results: Result.CANCELLED, stateString: 'cancelled' });
    expect(ended.children).toEqual([
      { outcome: 'stopping', masterId: me.masterId },
      {
        outcome: 'cancelled',
        requestId: made!.requests[1]!.requestId,
        builderId: builderId(2),
        completedBuildsetId: null,
      },
    ]);
    expect(await new CommandStore(get().db).openCommands(me.masterId)).toContainEqual(
      expect.objectContaining({ kind: 'stop-build', buildId: child.buildId }),
    );
    expect(await row('build_requests', free!.requests[0]!.requestId)).toMatchObject({ complete_at_ms: null });
    // The engine of the child dies instead of stopping it: the stop counts all the same.
    await claims().end(child, retry);
    expect(await row('buildsets', made!.buildsetId)).toMatchObject({ results: Result.CANCELLED });
    expect(await row('build_requests', made!.requests[1]!.requestId)).toMatchObject({
      reason: `build ${build.buildId}, which waited for it, has ended`,
    });
  });

  it('is never collapsed while the build waits for it', async () => {
    await get().db.run(`UPDATE builders SET collapse = 'always' WHERE id = ?`, [builderId(3)]);
    const [one, other] = [await parent(), await parent()];
    const [mine] = await trigger(one, call({}, [3]));
    expect(await trigger(other, call({}, [3]))).toMatchObject([{ collapsed: [] }]);
    const [free] = await trigger(one, call({ ordinal: 1, waits: false }, [3]));
    const [newer] = await trigger(other, call({ ordinal: 1, waits: false }, [3]));
    expect(newer!.collapsed).toMatchObject([{ requestId: free!.requests[0]!.requestId }]);
    expect(await row('buildsets', mine!.buildsetId)).toMatchObject({ complete_at_ms: null });
  });

  it('is triggered from the same build when it is built again, and nobody waits for it', async () => {
    const build = await parent();
    const [made] = await trigger(build, call({}, [1]));
    const child = await claim(made!.requests[0]!.requestId, 1);
    await claims().end(child, success);
    const again = await new BuildActionStore(get().db).rebuild(child.buildId);
    expect(await row('buildsets', again.buildsetId)).toMatchObject({ parent_build_id: build.buildId });
    expect(await row('build_requests', again.requests[0]!.requestId)).toMatchObject({ waited_for: 0 });
  });
});
