import { describe, expect, it } from '@jest/globals';
import { stockKinds } from '@millrace/testing';
import { runFleet } from './stock-fleet/scenario.js';

const MEBIBYTE = 2 ** 20;

(stockKinds().length > 0 ? describe : describe.skip)('24 stock workers of mixed kinds on two engines', () => {
  it('build, are killed and come back, without a stuck session, build or command', async () => {
    const said: string[] = [];
    const report = await runFleet({
      stack: 'embedded',
      workers: 24,
      seconds: 30,
      seed: 20_261_122,
      say: (text) => said.push(text),
    });
    expect(report).toMatchObject({ violations: [] });
    expect(report.requests).toBeGreaterThan(48);
    expect(report.enginesKilled).toBeGreaterThan(0);
    for (const { warmBytes, endBytes } of report.memory) expect(endBytes).toBeLessThan(warmBytes + 150 * MEBIBYTE);
  }, 300_000);
});
