import { join } from 'node:path';
import { OperationalError } from '@millrace/domain';
import {
  eventually,
  ExtraProcess,
  freePort,
  fuzzCalls,
  type Fuzzed,
  fuzzEvents,
  type FuzzRange,
  fuzzRouter,
  startEmbeddedRouter,
} from '@millrace/testing';
import type { Figure } from '../figures.js';
import { memoryBytes } from '../processes.js';
import { startStack } from '../systems/millrace.js';

const UI = join(import.meta.dirname, '../../../apps/ui/dist/main.js');
const MIB = 2 ** 20;

/** Sends `cases` broken frames to `/ws`, calls to the API, and messages to the router, each to a running process that must survive. */
export async function fuzzListeners(cases: number): Promise<{ figures: Figure[]; notes: string[] }> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  const measured = async (
    name: string,
    pid: () => number | null,
    fuzz: (range: FuzzRange) => Promise<Fuzzed>,
  ): Promise<void> => {
    const before = pid();
    // Memory used for warming up does not count as growth.
    const settled = Math.floor(cases / 5);
    const startedAt = performance.now();
    const warm = await fuzz({ from: 0, to: settled });
    const settledBytes = memoryBytes(before!);
    const rest = await fuzz({ from: settled, to: cases });
    const perSecond = (cases / (performance.now() - startedAt)) * 1000;
    if (pid() !== before) throw new OperationalError('fuzz', `the process behind ${name} has ended`);
    figures.push(
      { name: `fuzz: ${name}`, unit: '/s', better: 'more', value: perSecond },
      {
        name: `fuzz: memory growth, ${name}`,
        unit: 'MB',
        better: 'less',
        value: (memoryBytes(before!) - settledBytes) / MIB,
      },
    );
    const statuses = new Map(warm.statuses);
    for (const [status, count] of rest.statuses) statuses.set(status, (statuses.get(status) ?? 0) + count);
    const answers = [...statuses].map(([status, count]) => `${count}× ${status}`).join(', ');
    notes.push(
      `fuzz: ${cases} ${name}; ${answers || `${warm.closed + rest.closed} ended their connection`}; the process is the same`,
    );
  };

  const router = await startEmbeddedRouter();
  try {
    await measured(
      'messages to the router',
      () => router.pid,
      (range) => fuzzRouter(router.url, range),
    );
  } finally {
    await router.stop();
  }
  const stack = await startStack('sqlite');
  const port = await freePort();
  const lines: string[] = [];
  const ui = new ExtraProcess({
    name: 'ui',
    script: () => UI,
    cwd: stack.folder,
    env: {
      PATH: process.env['PATH'],
      MILLRACE_NAME: 'ui',
      MILLRACE_DB: stack.url,
      MILLRACE_DATA: stack.folder,
      MILLRACE_HTTP_PORT: String(port),
      MILLRACE_LOG_LEVEL: 'warn',
    },
    onLine: (line) => lines.push(line),
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    await eventually(async () => (await fetch(`${url}/readyz`)).ok, { timeoutMs: 60_000, what: 'the UI' });
    lines.length = 0;
    await measured(
      'frames to /ws',
      () => ui.pid,
      (range) => fuzzEvents(`ws://127.0.0.1:${port}/ws`, range),
    );
    await measured(
      'calls to the API',
      () => ui.pid,
      (range) => fuzzCalls(url, range),
    );
    if (lines.length > 0) throw new OperationalError('fuzz', `the UI complained: ${lines.slice(0, 3).join('\n')}`);
  } finally {
    await ui.stop();
    await stack.stop();
  }
  return { figures, notes };
}
