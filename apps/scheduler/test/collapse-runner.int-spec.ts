import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CompiledBuilder, hints } from '@millrace/contracts';
import {
  CollapseQuestionStore,
  ConfigurationStore,
  createBuildset,
  type Database,
  type Incarnation,
  MasterStore,
  OwnershipStore,
  WaitingReads,
} from '@millrace/database';
import { NO_SOURCE } from '@millrace/domain';
import { eventually, registerMaster, type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import { type CollapseOptions, type CollapsePorts, CollapseRunner } from '../src/collapsing/collapse-runner.js';
import { LocalHints } from './local-hints.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} } as unknown as CollapsePorts['log'];
const builder = {
  ...{ name: 'b', tags: [], properties: {}, workers: [], fingerprint: 'f' },
  ...{ collapseRequests: true, collapseCallback: 'builders.0.collapseRequests' },
} as unknown as CompiledBuilder;

describe('collapsing that asks callbacks', () => {
  let site: SqliteDatabase;
  let db: Database;
  let masters: Incarnation[];
  let builderId: number;
  let bus: LocalHints;
  let runners: CollapseRunner[];
  let causes = 0;
  /** The pairs that each master asked about, newer first. */
  let asked: Map<Incarnation, [number, number][]>;

  beforeEach(async () => {
    site = await sqliteDatabase();
    ({ db } = site);
    masters = [await registerMaster(db, { name: 'one' }), await registerMaster(db, { name: 'two' })];
    const ids = await new ConfigurationStore(db).apply(
      masters[0]!,
      { fingerprint: 'f', body: '{}' },
      { projects: [], workers: [], changeSources: [], schedulers: [], builders: [builder] },
      { serves: false },
    );
    builderId = ids.builders.get('b')!;
    bus = new LocalHints();
    runners = [];
    asked = new Map(masters.map((me) => [me, []]));
  });
  afterEach(async () => {
    await Promise.all(runners.map((runner) => runner.stop()));
    await site.close();
  });

  const run = (me: Incarnation, answer: Awaited<ReturnType<CollapseOptions['call']>>): void => {
    const call: CollapseOptions['call'] = async ({ value }) => {
      const { newer, older } = value as { newer: { id: number }; older: { id: number } };
      asked.get(me)!.push([newer.id, older.id]);
      return answer;
    };
    const runner = new CollapseRunner(
      { builders: new Map([[builderId, builder]]), call, everyMs: null },
      {
        ...{ me, hints: bus, log: silent, lease: { mayTakeOver: () => true } },
        ownerships: new OwnershipStore(db),
        questions: new CollapseQuestionStore(db),
      },
    );
    runners.push(runner);
    runner.start();
  };
  const submit = async (): Promise<number> => {
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        ...{ schedulerId: 1, schedulerName: 's', reason: '', properties: {}, builderIds: [builderId] },
        ...{ cause: `c${causes++}`, sourceStamps: [{ ...NO_SOURCE, branch: 'main' }] },
      }),
    );
    const { requestId } = created!.requests[0]!;
    bus.publish(hints.request(requestId, builderId, 'new'));
    return requestId;
  };
  const waiting = async (): Promise<number[]> =>
    (await db.all<{ id: number }>(`SELECT request_id AS id FROM queue ORDER BY request_id`)).map(({ id }) => id);
  const waitFor = (...requestIds: number[]) =>
    eventually(async () => expect(await waiting()).toEqual(requestIds), { what: `only ${requestIds.join()} to wait` });

  it('is done by one master, and after its death by another', async () => {
    const [one, two] = masters as [Incarnation, Incarnation];
    run(one, { value: true });
    const first = await submit();
    const second = await submit();
    await waitFor(second);
    run(two, { value: true });
    const third = await submit();
    await waitFor(third);
    expect(asked.get(two)).toEqual([]);
    await runners[0]!.stop();
    await new MasterStore(db).stop(one);
    const fourth = await submit();
    await waitFor(fourth);
    expect(asked.get(one)).toEqual([
      [second, first],
      [third, second],
    ]);
    expect(asked.get(two)).toEqual([[fourth, third]]);
    expect(bus.published).toContainEqual(expect.objectContaining({ topic: `buildrequests.${third}.complete` }));
  });

  it('leaves requests alone whose callback says no, or fails, which is then said of the request', async () => {
    const [one, two] = masters as [Incarnation, Incarnation];
    run(one, { value: false });
    const requests = [await submit(), await submit()];
    const open = async () => (await new CollapseQuestionStore(db).open()).requestIds;
    await eventually(async () => asked.get(one)!.length === 1 && (await open()).length === 0, { what: 'the answer' });
    await runners[0]!.stop();
    await new MasterStore(db).stop(one);
    run(two, { failed: 'boom' });
    requests.push(await submit());
    await eventually(async () => asked.get(two)!.length === 1 && (await open()).length === 0, { what: 'the failure' });
    expect(await waiting()).toEqual(requests);
    const { text } = (await new WaitingReads(db).of(requests.at(-1)!))!;
    expect(text).toContain('collapseRequests failed: boom');
  });
});
