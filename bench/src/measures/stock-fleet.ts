import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { OperationalError } from '@millrace/domain';
import type { Figure } from '../figures.js';
import type { StackName } from '../systems/millrace.js';

const PROGRAM = join(import.meta.dirname, '../../../e2e/dist/stock-fleet/main.js');

/** The program's report; see `e2e/src/stock-fleet`. */
interface Report {
  readonly requests: number;
  readonly retried: number;
  readonly stops: number;
  readonly workersKilled: number;
  readonly workersStopped: number;
  readonly enginesKilled: number;
  readonly settledMs: number;
  readonly memory: readonly { readonly engine: string; readonly warmBytes: number; readonly endBytes: number }[];
  readonly violations: readonly string[];
}

/**
 * Runs 24 stock workers of mixed kinds on two engines under a compressed load, while builds are stopped, and workers and engines killed.
 */
export async function stockFleet(stack: StackName, minutes: number): Promise<{ figures: Figure[]; notes: string[] }> {
  const child = spawn(process.execPath, [PROGRAM, '--stack', stack, '--seconds', String(minutes * 60)], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const [output] = await Promise.all([text(child.stdout!), once(child, 'exit')]);
  if (output === '') throw new OperationalError('fleet', 'the fleet ended without a report');
  const report = JSON.parse(output) as Report;
  const { requests, retried, stops, workersKilled, workersStopped, enginesKilled, settledMs, memory, violations } =
    report;
  const growth = Math.max(...memory.map(({ warmBytes, endBytes }) => endBytes - warmBytes));
  return {
    figures: [
      { name: 'stock fleet: violations', unit: '', better: 'less', value: violations.length },
      { name: 'stock fleet: requests', unit: '', better: 'more', value: requests },
      { name: 'stock fleet: quiet again after the load', unit: 's', better: 'less', value: settledMs / 1000 },
      { name: 'stock fleet: growth of an engine', unit: 'MB', better: 'less', value: growth / 2 ** 20 },
    ],
    notes: [
      `stock fleet: ${retried} requests tried again; ${stops} stops, ${workersKilled} workers killed, ${workersStopped} stopped, ${enginesKilled} engines killed`,
      ...violations.map((violation) => `stock fleet: VIOLATION ${violation}`),
    ],
  };
}
