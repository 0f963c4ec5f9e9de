import { expect, it } from '@jest/globals';
import { hints } from '@millrace/contracts';
import { eventually } from '@millrace/testing';
import { register, Script, withEngines } from './engines.js';

withEngines('a worker whose builds of another engine fill it', (get) => {
  it('gets the next build as soon as one of them has ended, without a poll', async () => {
    const engines = get();
    const engine = await engines.start('a', { env: { MILLRACE_POLL_MS: '600000' } });
    const [script, other] = [new Script(() => false), await register(engines.db, 'b')];
    await engines.connect(engine, script);
    await eventually(() => engine.worker('w') !== undefined, { what: 'the worker' });
    const attached = engine.worker('w')!;
    await engines.db.run(
      `INSERT INTO claims (request_id, build_id, builder_id, worker_id, master_id, master_epoch, epoch)
       SELECT 1000 + id, 1000 + id, id, ?, ?, ?, 1 FROM builders WHERE name <> 'two' ORDER BY id LIMIT 5`,
      [attached.workerId, other.masterId, other.epoch],
    );
    const requestId = await engines.submit('two');
    await eventually(() => attached.hasBuildsElsewhere, { what: 'a claim that was refused' });
    expect(await engines.builds(requestId)).toEqual([]);
    const { id } = (await engines.db.get<{ id: number }>(`SELECT MIN(build_id) AS id FROM claims`))!;
    await engines.db.run(`DELETE FROM claims WHERE build_id = ?`, [id]);
    engines.bus.publish(hints.build(id, 'finished'));
    expect((await engines.ended(requestId)).map(({ attempt, results }) => [attempt, results])).toEqual([[1, 0]]);
  }, 60_000);
});
