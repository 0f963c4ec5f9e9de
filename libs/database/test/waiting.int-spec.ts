import { beforeEach, expect, it } from '@jest/globals';
import {
  ChoiceStore,
  type ClaimCandidate,
  ClaimStore,
  createBuildset,
  type DefinitionIds,
  type Incarnation,
  MasterStore,
  WaitingReads,
  WorkerStore,
} from '@millrace/database';
import { configure, onEveryDatabase, register } from './databases.js';

const NO_SOURCE = { branch: null, revision: null, repository: '', project: '', codebase: '' };
let causes = 0;

onEveryDatabase('what a request waits for', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  let sessionEpoch: number;
  const workerId = (n = 0): number => ids.workers.get(`w${n}`)!;

  beforeEach(async () => {
    const { db } = get();
    for (const table of ['workers', 'worker_builders', 'builder_masters', 'claims', 'queue'])
      await db.run(`DELETE FROM ${table}`);
    me = await register(db, 'engine');
    ids = await configure(db, me, { builders: 2, workers: 2, maxBuilds: 2 });
    sessionEpoch = await new WorkerStore(db).attached(workerId(), me, {});
  });

  const queued = async (builder = 0): Promise<ClaimCandidate> => {
    const builderId = ids.builders.get(`b${builder}`)!;
    const created = await get().db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `waiting:${++causes}`,
        reason: 'test',
        sourceStamps: [NO_SOURCE],
        properties: {},
        builderIds: [builderId],
      }),
    );
    const { requestId } = created!.requests[0]!;
    const worker = { workerId: workerId(), workerName: 'w0', sessionEpoch };
    return { requestId, builderId, builderName: `b${builder}`, ...worker, properties: {} };
  };
  const set = (columns: string) => get().db.run(`UPDATE workers SET ${columns} WHERE id = ?`, [workerId()]);
  const claim = (candidate: ClaimCandidate) => new ClaimStore(get().db).claim(me, [candidate]);

  it.each<[string, () => Promise<unknown>, string]>([
    ['nothing', async () => undefined, 'next: Next in line: an engine is about to take it.'],
    ['a pause', () => set('paused = 1'), 'workers-paused: … 1 is not connected, 1 is paused.'],
    ['a shutdown', () => set('graceful = 1'), 'workers-paused: … 1 is not connected, 1 is about to shut down.'],
    [
      'a quarantine',
      () => set('failed_at_ms = 1, quarantined_until_ms = 9000000000000'),
      'workers-paused: … 1 is not connected, 1 is in quarantine after failures.',
    ],
    ['room', () => set('max_builds = 0'), 'workers-busy: … 1 is not connected, 1 is busy.'],
    [
      'another build of the builder',
      async () => claim(await queued()),
      'workers-busy: … 1 is not connected, 1 is busy with another build of this builder.',
    ],
    [
      'a worker',
      () => new WorkerStore(get().db).detached(workerId(), sessionEpoch),
      'no-worker: All 2 workers of this builder are not connected.',
    ],
  ])('is what keeps the claim from it: %s', async (_what, hold, expected) => {
    const candidate = await queued();
    await hold();
    const wait = await new WaitingReads(get().db).of(candidate.requestId);
    const text = `${wait!.reason}: ${wait!.text.replace('No worker of this builder can take it:', '…')}`;
    const claimed = await claim(candidate);
    expect([text, claimed.length]).toEqual([expected, expected.startsWith('next') ? 1 : 0]);
  });

  it('is what a callback said last, for as long as the engine asks', async () => {
    const { db } = get();
    const { requestId, builderId } = await queued();
    const choices = new ChoiceStore(db);
    const reads = new WaitingReads(db);
    await choices.record(me, builderId, { callback: 'nextWorker', text: 'nextWorker chose no worker' });
    await choices.record(me, builderId, { callback: 'canStartBuild', text: 'canStartBuild failed: boom' });
    expect(await reads.of(requestId)).toMatchObject({
      reason: 'callback',
      text: "A callback of this builder's configuration decides: canStartBuild failed: boom.",
    });
    await db.run(`UPDATE callback_waits SET asked_at_ms = asked_at_ms - 31000`);
    expect(await reads.of(requestId)).toMatchObject({ reason: 'next' });
    await choices.record(me, builderId, { callback: 'nextBuild', text: 'nextBuild chose no request' });
    await choices.record(me, builderId, null);
    expect(await reads.of(requestId)).toMatchObject({ reason: 'next' });
  });

  it('is an engine when no living one serves the builder', async () => {
    const { requestId } = await queued();
    await new MasterStore(get().db).stop(me);
    expect(await new WaitingReads(get().db).of(requestId)).toMatchObject({ state: 'waiting', reason: 'no-engine' });
  });

  it('is the builder when no engine has it in its configuration any more', async () => {
    const { requestId } = await queued(1);
    await configure(get().db, me, { builders: 1, workers: 2 });
    expect(await new WaitingReads(get().db).of(requestId)).toMatchObject({ state: 'waiting', reason: 'no-builder' });
    await configure(get().db, me, { builders: 2, workers: 2 });
    expect(await new WaitingReads(get().db).of(requestId)).toMatchObject({ state: 'waiting', reason: 'next' });
  });

  it('is the earlier requests while they are being claimed; one builder’s busy worker does not hold up another builder', async () => {
    await queued();
    const second = await queued();
    const other = await queued(1);
    const reads = new WaitingReads(get().db);
    expect(await reads.of(second.requestId)).toMatchObject({ ahead: 1, reason: 'workers-busy' });
    await claim(second);
    expect(await reads.of(other.requestId)).toMatchObject({ ahead: 0, reason: 'next' });
    expect(await claim(other)).toHaveLength(1);
  });
});
