import { expect, it } from '@jest/globals';
import { type ClaimCandidate, ClaimStore, type Incarnation, MasterStore } from '@millrace/database';
import { Result } from '@millrace/domain';
import { eventually } from '@millrace/testing';
import { type Engines, FakeCommands, register, Script, withEngines } from './engines.js';

const WAIT = { timeoutMs: 30_000 };

withEngines('the reaper', (get) => {
  /** Makes a claim of a master that does nothing about it. */
  const claimedBy = async (engines: Engines, master: Incarnation, builder = 'two'): Promise<number> => {
    const requestId = await engines.submit(builder);
    const row = await engines.db.get<{ builderId: number; workerId: number }>(
      `SELECT b.id AS builderId, w.id AS workerId FROM builders b, workers w WHERE b.name = ? AND w.name = 'w'`,
      [builder],
    );
    const candidate: ClaimCandidate = { requestId, ...row!, builderName: builder, workerName: 'w', properties: {} };
    expect(await new ClaimStore(engines.db).claim(master, [candidate])).toHaveLength(1);
    return requestId;
  };
  const deaths = async (engines: Engines, requestId: number): Promise<number> =>
    (await engines.db.get<{ deaths: number }>(`SELECT deaths FROM build_requests WHERE id = ?`, [requestId]))!.deaths;

  it('gives back the builds of a dead engine, and counts a death of theirs', async () => {
    const engines = get();
    await engines.start('a');
    const dead = await register(engines.db, 'dead');
    const requestId = await claimedBy(engines, dead);
    await new MasterStore(engines.db).stop(dead);
    const [build] = await engines.until(requestId, ([one]) => one?.results === Result.RETRY, 'reaped');
    expect(build!.state).toBe('retry: engine dead went away');
    expect(await deaths(engines, requestId)).toBe(1);
  }, 60_000);

  it('leaves them alone right after an outage, when every lease looks expired', async () => {
    const engines = get();
    let mayTakeOver = false;
    const engine = await engines.start('a', { mayTakeOver: () => mayTakeOver });
    const dead = await register(engines.db, 'dead');
    const requestId = await claimedBy(engines, dead);
    await new MasterStore(engines.db).stop(dead);
    // Its own lost claim is given back in the second round after that, so it shows that rounds have passed.
    const own = await claimedBy(engines, engine.me, 'other');
    await engines.until(own, ([one]) => one?.results === Result.RETRY, 'given back');
    expect(await engines.builds(requestId)).toMatchObject([{ results: null }]);
    mayTakeOver = true;
    await engines.until(requestId, ([one]) => one?.results === Result.RETRY, 'reaped');
  }, 60_000);

  it('gives a parked build back when its worker takes too long', async () => {
    const engines = get();
    const engine = await engines.start('a', { env: { MILLRACE_RESUME_WAIT_MS: '300' } });
    const [script, commands] = [new Script(), new FakeCommands()];
    const worker = await engines.connect(engine, script, commands);
    const requestId = await engines.submit('two');
    await script.begins('second');
    await worker.terminate();
    const [build] = await engines.until(requestId, ([one]) => one?.results === Result.RETRY, 'reaped');
    expect(build!.state).toBe('retry: its worker did not come back');
    expect(await deaths(engines, requestId)).toBe(0);
    // The builds that the worker then brings along belong to nobody.
    await engines.connect(engine, script, commands);
    await engines.until(requestId, ({ length }) => length === 2, 'the second attempt');
    const isNew = (): boolean => script.began.length === 4 && commands.ids.length === 1;
    await eventually(isNew, { ...WAIT, what: 'its second command, and nothing else on the worker' });
  }, 60_000);

  it('gives a claim back when the answer to its commit was lost', async () => {
    const engines = get();
    const engine = await engines.start('a');
    const requestId = await claimedBy(engines, engine.me);
    const [build] = await engines.until(requestId, ([one]) => one?.results === Result.RETRY, 'given back');
    expect(build!.state).toBe('retry: the claim was lost on its way');
    // It is said after the commit that was seen.
    await eventually(() => engine.logged('a claim that never arrived was given back'), {
      what: 'the line',
      timeoutMs: 10_000,
    });
  }, 60_000);
});
