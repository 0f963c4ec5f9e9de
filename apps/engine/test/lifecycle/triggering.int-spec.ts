import { expect, it } from '@jest/globals';
import { BuildActionStore, CommandStore } from '@millrace/database';
import { Result } from '@millrace/domain';
import { eventually } from '@millrace/testing';
import { type BuildRow, type Engine, type Engines, FakeCommands, Script, withEngines } from './engines.js';

withEngines('a build that triggers others', (get) => {
  /** Returns the requests that the builds of a request have triggered, first to last. */
  const children = (engines: Engines, requestId: number) =>
    engines.db.all<{ id: number; builder: string; parentId: number; results: number | null; waitedFor: number }>(
      `SELECT r.id, n.name AS builder, s.parent_build_id AS parentId, r.results, r.waited_for AS waitedFor
       FROM builds b JOIN buildsets s ON s.parent_build_id = b.id JOIN build_requests r ON r.buildset_id = s.id
       JOIN builders n ON n.id = r.builder_id WHERE b.request_id = ? ORDER BY r.id`,
      [requestId],
    );
  const steps = (engines: Engines, build: BuildRow | undefined) =>
    engines.db.all<{ name: string; results: number | null; state: string; urls: string }>(
      `SELECT name, results, state_string AS state, urls FROM steps WHERE build_id = ? AND number >= 0 ORDER BY number`,
      [build!.id],
    );
  const asleep = (engine: Engine): Promise<unknown> =>
    eventually(() => engine.builds.asleep === 1, { timeoutMs: 30_000, what: 'the build asleep' });
  /** Carries out the open stop commands, as an engine's process does. */
  const obey = async (engines: Engines, engine: Engine): Promise<void> => {
    for (const wish of await new CommandStore(engines.db).openCommands(engine.me.masterId))
      if (wish.kind === 'stop-build') await engine.builds.stopBuild(wish);
  };
  const stop = async (engines: Engines, engine: Engine, requestId: number): Promise<void> => {
    const [build] = await engines.builds(requestId);
    await new BuildActionStore(engines.db).stopBuild(build!.id, 'enough');
    await obey(engines, engine);
  };

  it('waits for them, and has the worst result of the important ones', async () => {
    const engines = get();
    const engine = await engines.start('a');
    const script = new Script();
    await engines.connect(engine, script);
    const requestId = await engines.submit('parent');
    await script.begins('child');
    await script.begins('optional');
    const made = await children(engines, requestId);
    expect(made).toMatchObject([
      { builder: 'child', waitedFor: 1 },
      { builder: 'optional', waitedFor: 1 },
    ]);
    const [running] = await steps(engines, (await engines.builds(requestId))[0]);
    expect(JSON.parse(running!.urls)).toEqual([
      { name: `children #${made[0]!.id}`, url: `http://localhost:8010/#/buildrequests/${made[0]!.id}` },
      { name: `more #${made[1]!.id}`, url: `http://localhost:8010/#/buildrequests/${made[1]!.id}` },
    ]);
    expect(script.began).not.toContain('first');
    await stop(engines, engine, made[1]!.id);
    await engines.ended(made[1]!.id);
    expect(script.began).not.toContain('first');
    script.release('child');
    const [build] = await engines.ended(requestId);
    expect(build).toMatchObject({ results: Result.SUCCESS, attempt: 1 });
    expect(await steps(engines, build)).toMatchObject([
      { name: 'start', results: Result.SUCCESS, state: 'triggered children, more (cancelled)' },
      { name: 'shell', results: Result.SUCCESS },
      { name: 'tidy', results: Result.SUCCESS },
    ]);
  }, 180_000);

  it('waits without a thread, and goes on in another one', async () => {
    const engines = get();
    const engine = await engines.start('a');
    const script = new Script();
    await engines.connect(engine, script);
    const requestId = await engines.submit('parent');
    await script.begins('child');
    await script.begins('optional');
    await asleep(engine);
    expect(engine.builds.size).toBe(3);
    await eventually(() => engine.threads === 2, { what: 'only its children have threads' });
    script.release('child');
    script.release('optional');
    const [build] = await engines.ended(requestId);
    expect(build).toMatchObject({ results: Result.SUCCESS, attempt: 1 });
    expect(await steps(engines, build)).toMatchObject([
      { name: 'start', results: Result.SUCCESS, state: 'triggered children, more' },
      { name: 'shell', results: Result.SUCCESS },
      { name: 'tidy', results: Result.SUCCESS },
    ]);
    expect(await children(engines, requestId)).toMatchObject([{ results: 0 }, { results: 0 }]);
    expect(script.began.sort()).toEqual(['child', 'first', 'optional', 'tidy']);
    expect(engine.builds.stats).toEqual({ adopted: 0, parked: 0 });
  }, 180_000);

  it('does not wait unless it is told to, and its end leaves them alone', async () => {
    const engines = get();
    const script = new Script();
    await engines.connect(await engines.start('a'), script);
    const requestId = await engines.submit('careless');
    expect(await engines.ended(requestId)).toMatchObject([{ results: Result.SUCCESS }]);
    const [child, ...more] = await children(engines, requestId);
    expect([child, more]).toMatchObject([{ builder: 'child', waitedFor: 0, results: null }, []]);
    await script.begins('child');
    script.release('child');
    expect(await engines.ended(child!.id)).toMatchObject([{ results: Result.SUCCESS }]);
  }, 180_000);

  it.each([
    ['with its thread', false],
    ['asleep', true],
  ])(
    'stops them when it is stopped itself, %s',
    async (_name, sleeps) => {
      const engines = get();
      const engine = await engines.start('a');
      const script = new Script();
      await engines.connect(engine, script);
      const requestId = await engines.submit('parent');
      await script.begins('child');
      await script.begins('optional');
      if (sleeps) await asleep(engine);
      await stop(engines, engine, requestId);
      expect(await engines.ended(requestId)).toMatchObject([
        { results: Result.CANCELLED, state: 'cancelled (enough)' },
      ]);
      expect(script.began).toContain('tidy');
      expect(script.began).not.toContain('first');
      await obey(engines, engine);
      for (const { id } of await children(engines, requestId)) {
        const [build] = await engines.ended(id);
        expect(build).toMatchObject({ results: Result.CANCELLED });
        expect(build!.state).toMatch(/^cancelled \(build \d+, which waited for it, has ended\)$/);
      }
    },
    180_000,
  );

  it.each([
    ['with its thread', false],
    ['asleep', true],
  ])(
    'waits on at another engine, for the same ones, %s',
    async (_name, sleeps) => {
      const engines = get();
      const [a, b] = [await engines.start('a'), await engines.start('b')];
      const [script, commands] = [new Script(), new FakeCommands()];
      await engines.connect(a, script, commands);
      const requestId = await engines.submit('parent');
      await script.begins('child');
      await script.begins('optional');
      if (sleeps) await asleep(a);
      await engines.stop(a);
      script.release('optional');
      await engines.connect(b, script, commands);
      await engines.until(requestId, ([build]) => build!.masterId === b.me.masterId, 'the other engine');
      script.release('child');
      expect(await engines.ended(requestId)).toMatchObject([{ attempt: 1, results: Result.SUCCESS }]);
      expect(await children(engines, requestId)).toMatchObject([{ results: 0 }, { results: 0 }]);
      expect(script.began.sort()).toEqual(['child', 'first', 'optional', 'tidy']);
    },
    180_000,
  );

  it.each([
    ['with its thread', false],
    ['asleep', true],
  ])(
    'is tried again without such a worker, and takes over what it had triggered, %s',
    async (_name, sleeps) => {
      const engines = get();
      const [a, b] = [await engines.start('a'), await engines.start('b')];
      const script = new Script();
      await engines.connect(a, script);
      const requestId = await engines.submit('parent');
      await script.begins('child');
      const before = await children(engines, requestId);
      if (sleeps) await asleep(a);
      await engines.stop(a);
      const again = new Script();
      await engines.connect(b, again);
      await again.begins('child');
      await again.begins('optional');
      await engines.until(requestId, ({ length }) => length === 2, 'the second attempt');
      again.release('child');
      again.release('optional');
      const builds = await engines.ended(requestId);
      expect(builds.map(({ results }) => results)).toEqual([Result.RETRY, Result.SUCCESS]);
      const after = await children(engines, requestId);
      expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
      expect(after).toMatchObject([{ parentId: builds[1]!.id }, { parentId: builds[1]!.id }]);
    },
    180_000,
  );

  it('must not trigger itself', async () => {
    const engines = get();
    await engines.connect(await engines.start('a'), new Script());
    const requestId = await engines.submit('endless');
    const [build] = await engines.ended(requestId);
    expect(build).toMatchObject({ results: Result.EXCEPTION });
    expect(await children(engines, requestId)).toEqual([]);
    const [log] = await engines.db.all<{ id: number }>(`SELECT id FROM logs WHERE build_id = ?`, [build!.id]);
    expect(await engines.text(log!.id)).toContain("for ever: 'endless' → 'endless'");
  }, 180_000);
});
