import { expect, it } from '@jest/globals';
import { eventually } from '@millrace/testing';
import { type Engines, Script, withEngines } from './engines.js';

const WAIT = { timeoutMs: 30_000 };

withEngines('a worker that nobody has', (get) => {
  const missingAtMs = async (engines: Engines): Promise<number | null> =>
    (await engines.db.get<{ at: number | null }>(`SELECT missing_at_ms AS at FROM workers WHERE name = 'w'`))!.at;

  it('is missing after its time, once for all engines together, until it comes', async () => {
    const engines = get();
    const all = [await engines.start('a'), await engines.start('b')];
    expect(await missingAtMs(engines)).toBeNull();
    await engines.db.run(`UPDATE workers SET missing_timeout_ms = 300`);
    await eventually(async () => (await missingAtMs(engines)) !== null, { ...WAIT, what: 'the alarm' });
    const raised = async (): Promise<number> => {
      const counts = await Promise.all(
        all.map(({ metrics }) => metrics.getSingleMetric('millrace_worker_missing_alarms_total')!.get()),
      );
      return counts.flatMap(({ values }) => values).reduce((sum, { value }) => sum + value, 0);
    };
    const gauges = async (): Promise<number[]> =>
      Promise.all(
        all.map(
          async ({ metrics }) => (await metrics.getSingleMetric('millrace_workers_missing')!.get()).values[0]!.value,
        ),
      );
    // Both engines have looked since.
    await eventually(async () => (await gauges()).every((missing) => missing === 1), { ...WAIT, what: 'both' });
    expect(await raised()).toBe(1);
    expect(engines.bus.published.map(({ topic }) => topic).filter((topic) => topic.endsWith('.missing'))).toHaveLength(
      1,
    );
    await engines.connect(all[0]!, new Script());
    await eventually(async () => (await missingAtMs(engines)) === null, { ...WAIT, what: 'the end of the alarm' });
    await eventually(async () => (await gauges()).every((missing) => missing === 0), { ...WAIT, what: 'both' });
    expect(await raised()).toBe(1);
  }, 60_000);
});
