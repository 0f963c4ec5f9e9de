import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Answer, Choice, Decision, FinishedBuildset, SchedulerKind, SchedulerState } from '@millrace/config';
import { hints, type CompiledScheduler } from '@millrace/contracts';
import {
  ConfigurationStore,
  BuildActionStore,
  type Database,
  type DefinitionIds,
  FinishedBuildsetStore,
  type Incarnation,
  IntakeStore,
  OwnershipStore,
  SchedulerStore,
} from '@millrace/database';
import { NO_SOURCE, Result } from '@millrace/domain';
import { eventually, registerMaster, type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import { type RunnerPorts, SchedulerRunner } from '../src/schedulers/scheduler-runner.js';
import { LocalHints } from './local-hints.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} } as unknown as RunnerPorts['log'];
const scheduler: CompiledScheduler = {
  ...{ kind: 'test', name: 's', builders: ['b'], reason: '', properties: {}, priority: 0 },
};
const nothing = ({ wakeAtMs }: SchedulerState): Decision => ({ buildsets: [], marks: [], wakeAtMs });
const planned = (cause: string) => ({
  ...{ cause, reason: '', sourceStamps: [], changeIds: [], properties: {}, builders: ['b'], priority: 0 },
});

interface RunOptions {
  readonly answers?: Readonly<Record<string, Answer>>;
  readonly remembers?: boolean;
  readonly choices?: Readonly<Record<string, Choice>>;
}

describe('a scheduler that is run', () => {
  let site: SqliteDatabase;
  let db: Database;
  let me: Incarnation;
  let ids: DefinitionIds;
  let bus: LocalHints;
  const runners: SchedulerRunner[] = [];

  beforeEach(async () => {
    site = await sqliteDatabase();
    ({ db } = site);
    me = await registerMaster(db, { name: 'one', role: 'scheduler' });
    ids = await new ConfigurationStore(db).apply(
      me,
      { fingerprint: 'f', body: '{}' },
      {
        ...{ projects: [], workers: [], changeSources: [], schedulers: [scheduler] },
        builders: [{ name: 'b', tags: [], workers: [], fingerprint: 'f' }],
      },
      { serves: false },
    );
    bus = new LocalHints();
  });
  afterEach(async () => {
    await Promise.all(runners.splice(0).map((runner) => runner.stop()));
    await site.close();
  });

  /** Runs a scheduler that only hints and its own timer wake up. */
  const run = (
    on: SchedulerKind['on'],
    { answers = {}, remembers = false, choices }: RunOptions = {},
  ): SchedulerRunner => {
    const choosing = choices && { builders: 'builders', priority: 'priority' };
    const runner = new SchedulerRunner(
      {
        scheduler: { ...scheduler, ...(choosing && { choosing }) },
        kind: { name: 'test', compile: () => ({}), codebases: () => null, remembers: () => remembers, on },
        builderIds: ids.builders,
        judge: { ask: async ({ handle }) => answers[handle]!, choose: async ({ handle }) => choices![handle]! },
        everyMs: null,
      },
      {
        ...{ me, hints: bus, log: silent, lease: { mayTakeOver: () => true } },
        ownerships: new OwnershipStore(db),
        schedulers: new SchedulerStore(db),
        intake: new IntakeStore(db),
        finishedBuildsets: new FinishedBuildsetStore(db),
      },
    );
    runners.push(runner);
    runner.start();
    return runner;
  };
  const causes = async (): Promise<string[]> =>
    (await db.all<{ cause: string }>(`SELECT cause FROM buildsets WHERE scheduler_name = 's' ORDER BY id`)).map(
      ({ cause }) => cause,
    );
  const built = (...wanted: string[]) =>
    eventually(async () => expect(await causes()).toEqual(wanted), { what: wanted.join(), timeoutMs: 10_000 });
  const force = () =>
    new BuildActionStore(db).force({
      ...{ schedulerId: 99, schedulerName: 'other', builderIds: [ids.builders.get('b')!], reason: '', owner: 'Ada' },
      ...{ sourceStamps: [], properties: {}, priority: 0 },
      deed: { username: 'ada', via: 'session', tokenId: null, address: '', action: 'force', target: '', params: {} },
    });
  /**
   * Finishes a buildset.
   * @returns its id
   */
  const finish = async (): Promise<number> => {
    const { buildsetId, requests } = await force();
    await new BuildActionStore(db).cancelRequest(requests[0]!.requestId, 'no reason');
    bus.publish(hints.buildset(buildsetId, 'complete'));
    return buildsetId;
  };
  const change = async (): Promise<number> => {
    const { n } = (await db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM changes`))!;
    const [id] = await new IntakeStore(db).addChanges([
      {
        ...{ dedupKey: `c${n}`, author: 'Ada', committer: null, comments: '', revlink: '', category: null, whenMs: 0 },
        ...{ branch: 'main', revision: `r${n}`, repository: '', project: '', codebase: '', files: [], properties: {} },
      },
    ]);
    bus.publish(hints.change(id!));
    return id!;
  };

  it('gets each finished buildset once, in order, over a restart', async () => {
    const told: FinishedBuildset[] = [];
    const on = {
      buildset: (_scheduler: CompiledScheduler, state: SchedulerState, finished: FinishedBuildset): Decision => {
        if (finished.schedulerName !== 'other') return nothing(state);
        told.push(finished);
        return { ...nothing(state), buildsets: [planned(`buildset:${finished.buildsetId}`)] };
      },
    };
    const runner = run(on);
    const first = [await finish(), await finish()];
    await built(...first.map((id) => `buildset:${id}`));
    await runner.stop();
    const later = [await finish(), await finish()];
    run(on);
    await built(...[...first, ...later].map((id) => `buildset:${id}`));
    expect(told.map(({ results }) => results)).toEqual(Array(4).fill(Result.CANCELLED));
  });

  it('is woken up when it asked for it, over a restart, and builds once for each time', async () => {
    const on = {
      time: (_scheduler: CompiledScheduler, { nowMs, wakeAtMs }: SchedulerState): Decision => {
        if (wakeAtMs === null) return { buildsets: [], marks: [], wakeAtMs: nowMs + 300 };
        if (wakeAtMs > nowMs) return { buildsets: [], marks: [], wakeAtMs };
        return { buildsets: [planned(`time:${wakeAtMs}`)], marks: [], wakeAtMs: wakeAtMs + 300 };
      },
    };
    const runner = run(on);
    await eventually(async () => (await causes()).length >= 2, { what: 'two buildsets', timeoutMs: 10_000 });
    await runner.stop();
    const before = await causes();
    run(on);
    await eventually(async () => (await causes()).length > before.length, { what: 'one more', timeoutMs: 10_000 });
    const times = (await causes()).map((cause) => Number(cause.slice('time:'.length)));
    expect(times).toEqual(times.map((_, i) => times[0]! + i * 300));
  });

  it('remembers source stamps from one change to the next, over a restart', async () => {
    const on: SchedulerKind['on'] = {
      change: (_scheduler, { known, ...state }, { change: { changeId, revision } }) => ({
        ...nothing({ ...state, known }),
        buildsets: [planned(`${known[0]?.revision ?? 'nothing'}→${revision}`)],
        marks: [{ changeId, was: 'new', now: 'ignored', reason: 'of no interest' }],
        remember: [{ ...NO_SOURCE, codebase: 'app', revision }],
      }),
    };
    await change();
    await change();
    const runner = run(on, { remembers: true });
    await built('nothing→r0', 'r0→r1');
    await runner.stop();
    await change();
    run(on, { remembers: true });
    await built('nothing→r0', 'r0→r1', 'r1→r2');
  });

  it('builds what its callbacks choose, or records why not', async () => {
    const on: SchedulerKind['on'] = {
      change: (_scheduler, state, { change: { changeId } }) => ({
        ...nothing(state),
        buildsets: [{ ...planned(`change:${changeId}`), changeIds: [changeId] }],
        marks: [{ changeId, was: 'new', now: 'built', important: true }],
      }),
    };
    const builders = { value: ['b'] };
    const runner = run(on, { choices: { builders, priority: { value: 7 } } });
    const id = await change();
    await built(`change:${id}`);
    await runner.stop();
    expect(await db.all(`SELECT priority FROM build_requests`)).toEqual([{ priority: 7 }]);

    run(on, { choices: { builders, priority: { failed: 'boom' } } });
    const failing = await change();
    const mark = await eventually(
      async () =>
        (await db.get(`SELECT decision, reason FROM scheduler_changes WHERE change_id = ?`, [failing])) ?? false,
      { what: 'a decision', timeoutMs: 10_000 },
    );
    expect([mark, await causes()]).toEqual([{ decision: 'failed', reason: 'boom' }, [`change:${id}`]]);
  });

  it('is called again with each answer', async () => {
    const asked: number[] = [];
    const on: SchedulerKind['on'] = {
      change: (_scheduler, state, { change: { changeId }, answers }) => {
        asked.push(answers.size);
        for (const handle of ['one', 'two']) if (!answers.has(handle)) return { ask: { handle, value: null } };
        return {
          ...nothing(state),
          buildsets: [{ ...planned(`change:${changeId}`), changeIds: [changeId] }],
          marks: [{ changeId, was: 'new', now: 'built', important: true }],
        };
      },
    };
    run(on, { answers: { one: true, two: { failed: 'why' } } });
    const id = await change();
    await built(`change:${id}`);
    expect(asked).toEqual([0, 1, 2]);
  });
});
