import { IntakeStore } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import { eventually } from '@millrace/testing';
import type { Figure } from '../figures.js';
import { cpuMs } from '../processes.js';
import { latencies } from '../stats.js';
import type { MillraceSystem } from '../systems/millrace.js';
import type { System } from '../systems/system.js';
import { sampleTriggers } from './builds.js';
import { sampleReads } from './reads.js';

const READ_EVERY_MS = 10;
const QUIET_MS = 10_000;
const BUILDS = 30;
/**
 * Quiet and burning rounds alternate, so that both meet the same conditions of the machine. Several rounds are needed: one percent of a single
 * one would be ten reads.
 */
const ROUNDS = 3;

/** Latencies as people notice them who read pages and trigger builds. */
class Felt {
  private readonly readMs: number[] = [];
  private readonly triggerMs: number[] = [];

  async feel(system: System, forMs: number): Promise<void> {
    const end = performance.now() + forMs;
    this.readMs.push(...(await sampleReads(system.api, READ_EVERY_MS, () => performance.now() < end)));
    this.triggerMs.push(...(await sampleTriggers(system.api, BUILDS)));
  }

  get readP99Ms(): number {
    return latencies(this.readMs).p99Ms;
  }

  get triggerP50Ms(): number {
    return latencies(this.triggerMs).p50Ms;
  }
}

/** Measures reads and triggers while nothing else happens, and while a step burns CPU on the same master. */
export async function stalledStep(system: System, burnSeconds: number): Promise<Figure[]> {
  // The master must be warm, because a slow quiet time would make the ratio look good.
  await new Felt().feel(system, QUIET_MS);
  const quiet = new Felt();
  const stalled = new Felt();
  for (let round = 0; round < ROUNDS; round++) {
    await quiet.feel(system, QUIET_MS);
    const buildsetId = await system.api.force('stall');
    await eventually(
      async () => {
        const running = await system.api.get<{ builds: unknown[] }>('/api/v2/builds?complete=false');
        return running.builds.length > 0;
      },
      { timeoutMs: 60_000, what: 'the burning step' },
    );
    await stalled.feel(system, Math.min(QUIET_MS, burnSeconds * 500));
    await eventually(() => system.api.isComplete(buildsetId), { timeoutMs: 120_000, intervalMs: 200 });
  }
  return compared('a burning step', quiet, stalled);
}

/** Measures the same while a scheduler's callback burns CPU. The peer's configuration has no such callback. */
export async function stalledCallback(system: MillraceSystem, burnSeconds: number): Promise<Figure[]> {
  const quiet = new Felt();
  const stalled = new Felt();
  const undecided = async (): Promise<boolean> => {
    const row = await system.database.get<{ open: number }>(
      `SELECT c.value - s.cursor_seq AS open FROM counters c JOIN schedulers s ON s.name = 'burning-callback' WHERE c.name = 'change-seq'`,
    );
    return row!.open > 0;
  };
  for (let round = 0; round < ROUNDS; round++) {
    await quiet.feel(system, QUIET_MS);
    await addBurningChange(system);
    // The callback runs once the scheduler's poll has found the change. It takes much longer than that poll.
    await eventually(() => callbackBurns(system), { timeoutMs: 30_000, what: 'the burning callback' });
    await stalled.feel(system, Math.min(QUIET_MS, burnSeconds * 500));
    if (!(await undecided()))
      throw new OperationalError('too-short', 'the callback ended before the measurement did: raise --burn');
    await eventually(async () => !(await undecided()), { timeoutMs: 120_000, intervalMs: 200 });
  }
  return compared('a burning callback', quiet, stalled);
}

async function addBurningChange(system: MillraceSystem): Promise<void> {
  await new IntakeStore(system.database).addChanges([
    {
      dedupKey: `bench-${Date.now()}`,
      author: 'bench',
      committer: null,
      comments: 'makes the callback burn',
      branch: 'main',
      revision: null,
      repository: '',
      project: 'burn',
      codebase: '',
      revlink: '',
      category: null,
      whenMs: Date.now(),
      files: [],
      properties: {},
    },
  ]);
}

/** Whether the scheduler process is busy: more than a tenth of a 200 ms window, which an idle one is far below on any machine. */
async function callbackBurns(system: MillraceSystem): Promise<boolean> {
  const [pid] = system.cluster.pids('scheduler');
  const before = cpuMs(pid!);
  const startedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 200));
  return cpuMs(pid!) - before > (performance.now() - startedAt) / 10;
}

function compared(what: string, quiet: Felt, stalled: Felt): Figure[] {
  const figure = (name: string, value: number): Figure => ({ name, unit: 'ms', better: 'less', value });
  return [
    figure('read p99, quiet', quiet.readP99Ms),
    figure(`read p99, ${what}`, stalled.readP99Ms),
    figure('trigger p50, quiet', quiet.triggerP50Ms),
    figure(`trigger p50, ${what}`, stalled.triggerP50Ms),
    { name: `read p99, ${what} / quiet`, unit: '×', better: 'less', value: stalled.readP99Ms / quiet.readP99Ms },
    {
      name: `trigger p50, ${what} / quiet`,
      unit: '×',
      better: 'less',
      value: stalled.triggerP50Ms / quiet.triggerP50Ms,
    },
  ];
}
