import { expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { eventually } from '@millrace/testing';
import { FakeCommands, Script, withEngines } from './engines.js';

withEngines('a build whose worker goes away', (get) => {
  it('waits for it, and goes on where it was, on the same engine', async () => {
    const engines = get();
    const engine = await engines.start('a');
    const [script, commands] = [new Script(), new FakeCommands()];
    const worker = await engines.connect(engine, script, commands);
    const requestId = await engines.submit('two');
    await script.begins('second');
    const before = await engines.claim(requestId);
    await worker.terminate();
    await engines.parked(requestId);
    expect(engine.builds.size).toBe(0);
    // The command ends while there is no connection.
    script.release('second');
    await engines.connect(engine, script, commands);
    const [build, ...more] = await engines.ended(requestId);
    expect(more).toEqual([]);
    expect(build).toMatchObject({ attempt: 1, results: Result.SUCCESS, masterId: engine.me.masterId });
    expect(await engines.output(build!.id)).toEqual(['first begins first ends', 'second begins second ends']);
    expect(script.began).toEqual(['first', 'second']);
    expect(before!.parkedAtMs).toBeNull();
    expect(engine.builds.stats).toEqual({ adopted: 1, parked: 1 });
  }, 60_000);

  it('goes on at the engine to which the worker comes back, under a new epoch', async () => {
    const engines = get();
    const [a, b] = [await engines.start('a'), await engines.start('b')];
    const [script, commands] = [new Script(), new FakeCommands()];
    const worker = await engines.connect(a, script, commands);
    const requestId = await engines.submit('two');
    await script.begins('second');
    const before = (await engines.claim(requestId))!;
    await worker.terminate();
    await engines.parked(requestId);
    await engines.connect(b, script, commands);
    await engines.until(requestId, ([build]) => build!.masterId === b.me.masterId, 'the other engine');
    expect(await engines.claim(requestId)).toEqual({
      masterId: b.me.masterId,
      parkedAtMs: null,
      epoch: before.epoch + 1,
    });
    script.release('second');
    const [build, ...more] = await engines.ended(requestId);
    expect([build!.results, more]).toEqual([Result.SUCCESS, []]);
    expect(await engines.output(build!.id)).toEqual(['first begins first ends', 'second begins second ends']);
    expect(script.began).toEqual(['first', 'second']);
    expect(await engines.db.all(`SELECT from_master_id AS one, to_master_id AS other FROM adoptions`)).toEqual([
      { one: a.me.masterId, other: b.me.masterId },
    ]);
  }, 60_000);

  it('is fenced off from the engine that did not notice', async () => {
    const engines = get();
    const [a, b] = [await engines.start('a'), await engines.start('b')];
    const [script, commands] = [new Script(), new FakeCommands()];
    // Its first connection stays open, as with a cable that was cut.
    await engines.connect(a, script, commands);
    const requestId = await engines.submit('two');
    await script.begins('second');
    expect(a.builds.size).toBe(1);
    await engines.connect(b, script, commands);
    await engines.until(requestId, ([build]) => build!.masterId === b.me.masterId, 'the other engine');
    script.release('second');
    const [build, ...more] = await engines.ended(requestId);
    expect([build!.masterId, build!.results, more]).toEqual([b.me.masterId, Result.SUCCESS, []]);
    expect(await engines.output(build!.id)).toEqual(['first begins first ends', 'second begins second ends']);
    await engines.until(requestId, () => a.builds.size === 0, 'let go of');
    expect(await engines.builds(requestId)).toEqual([build]);
  }, 60_000);

  it('has the same added steps at another engine', async () => {
    const engines = get();
    const [a, b] = [await engines.start('a'), await engines.start('b')];
    const [script, commands] = [new Script(), new FakeCommands()];
    await engines.connect(a, script, commands);
    const requestId = await engines.submit('planned');
    await script.begins('first begins');
    await engines.stop(a);
    await engines.connect(b, script, commands);
    await engines.until(requestId, ([build]) => build!.masterId === b.me.masterId, 'the other engine');
    script.release('first begins');
    await script.begins('first ends');
    script.release('first ends');
    const [build, ...more] = await engines.ended(requestId);
    expect([build!.results, more]).toEqual([Result.SUCCESS, []]);
    expect(script.began).toEqual(['first', 'first begins', 'first ends', 'tidy']);
    const steps = await engines.db.all<{ name: string }>(`SELECT name FROM steps WHERE build_id = ? ORDER BY number`, [
      build!.id,
    ]);
    expect(steps.map(({ name }) => name)).toEqual([
      'worker_preparation',
      ...['plan', 'first begins', 'first ends', 'shell'],
    ]);
  }, 180_000);

  it('is an exception when its steps add one another for ever', async () => {
    const engines = get();
    await engines.connect(await engines.start('a'), new Script());
    const [build] = await engines.ended(await engines.submit('endlessSteps'));
    expect(build).toMatchObject({ results: Result.EXCEPTION });
    const [log] = await engines.db.all<{ id: number }>(`SELECT id FROM logs WHERE build_id = ?`, [build!.id]);
    expect(await engines.text(log!.id)).toContain('steps have added one another 10 times');
  }, 180_000);

  it.each([
    ['fickle', /^number/, /was another one before/],
    ['fixed', 'first', /step 'fixed' cannot go on half-way/],
  ])(
    'is tried again when it cannot go on: %s',
    async (builder, command, reason) => {
      const engines = get();
      const [a, b] = [await engines.start('a'), await engines.start('b')];
      const [script, commands] = [new Script(() => true), new FakeCommands()];
      const worker = await engines.connect(a, script, commands);
      const requestId = await engines.submit(builder);
      await script.begins(command);
      await worker.terminate();
      await engines.connect(b, script, commands);
      const builds = await engines.until(requestId, ({ length }) => length === 2, 'the second attempt');
      expect(builds[0]).toMatchObject({ attempt: 1, results: Result.RETRY });
      expect(builds[0]!.state).toMatch(builder === 'fixed' ? /retry/ : reason);
      expect(builds[1]).toMatchObject({ attempt: 2, masterId: b.me.masterId });
      await engines.until(requestId, () => script.began.length === 2, 'its command');
      script.release(script.began[1]!);
      const after = await engines.ended(requestId);
      expect(after.at(-1)).toMatchObject({ attempt: 2, results: Result.SUCCESS });
      // The commands of the first attempt were ended, so the worker holds none of them.
      await eventually(() => commands.ids.length === 0, { what: 'an idle worker' });
    },
    60_000,
  );

  it('is stopped after its worker has come back, and its command ends with it', async () => {
    const engines = get();
    const [a, b] = [await engines.start('a'), await engines.start('b')];
    const [script, commands] = [new Script(), new FakeCommands()];
    const worker = await engines.connect(a, script, commands);
    const requestId = await engines.submit('two');
    await script.begins('second');
    await worker.terminate();
    await engines.parked(requestId);
    await engines.connect(b, script, commands);
    const [{ id } = { id: NaN }] = await engines.until(requestId, ([one]) => b.builds.isRunning(one!.id), 'adopted');
    expect(await b.builds.stopBuild({ id: 0, kind: 'stop-build', buildId: id, reason: 'enough' })).toBeNull();
    const [build, ...more] = await engines.ended(requestId);
    expect(more).toEqual([]);
    expect(build).toMatchObject({ results: Result.CANCELLED });
    await eventually(() => commands.ids.length === 0, { what: 'an idle worker' });
  }, 60_000);

  it('is tried again when the worker came back without the command', async () => {
    const engines = get();
    const engine = await engines.start('a');
    const script = new Script();
    const worker = await engines.connect(engine, script, new FakeCommands());
    const requestId = await engines.submit('two');
    await script.begins('second');
    await worker.terminate();
    await engines.parked(requestId);
    await engines.connect(engine, script, new FakeCommands());
    const builds = await engines.until(requestId, ({ length }) => length === 2, 'the second attempt');
    expect(builds[0]).toMatchObject({ results: Result.RETRY, state: 'retry: its worker came back without it' });
  }, 60_000);
});
