import { expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { FakeCommands, Script, withEngines } from './engines.js';

withEngines('an engine that ends', (get) => {
  it('gives back builds that cannot go on without it, and another engine takes them', async () => {
    const engines = get();
    const [a, b] = [await engines.start('a'), await engines.start('b')];
    const script = new Script();
    await engines.connect(a, script);
    const requestId = await engines.submit('two');
    await script.begins('second');
    await engines.stop(a);
    const [first] = await engines.builds(requestId);
    expect(first).toMatchObject({ results: Result.RETRY, state: 'retry: the engine was stopped' });
    expect(await engines.claim(requestId)).toBeUndefined();
    const again = new Script(() => false);
    await engines.connect(b, again);
    const builds = await engines.ended(requestId);
    expect(builds.map(({ attempt, results }) => [attempt, results])).toEqual([
      [1, Result.RETRY],
      [2, Result.SUCCESS],
    ]);
    expect(again.began).toEqual(['first', 'second']);
  }, 60_000);

  it('leaves builds that can go on to their worker', async () => {
    const engines = get();
    const [a, b] = [await engines.start('a'), await engines.start('b')];
    const [script, commands] = [new Script(), new FakeCommands()];
    await engines.connect(a, script, commands);
    const requestId = await engines.submit('two');
    await script.begins('second');
    await engines.stop(a);
    expect((await engines.claim(requestId))?.parkedAtMs).not.toBeNull();
    script.release('second');
    await engines.connect(b, script, commands);
    const builds = await engines.ended(requestId);
    expect(builds).toMatchObject([{ attempt: 1, results: Result.SUCCESS, masterId: b.me.masterId }]);
  }, 60_000);

  it('finishes its builds when it drains, takes no new ones, and disconnects its workers', async () => {
    const engines = get();
    const engine = await engines.start('a');
    const script = new Script();
    const worker = await engines.connect(engine, script);
    const running = await engines.submit('two');
    await script.begins('second');
    let isDrained = false;
    const drained = engine.drain().then(() => (isDrained = true));
    const waiting = await engines.submit('other');
    await expect(engines.connect(engine, script)).rejects.toThrow(/503|hang up|ECONNREFUSED|Unexpected/);
    expect(isDrained).toBe(false);
    script.release('second');
    await drained;
    expect(await engines.builds(running)).toMatchObject([{ results: Result.SUCCESS }]);
    expect(await engines.builds(waiting)).toEqual([]);
    await worker.closed;
  }, 60_000);
});
