import { writeHistory } from '@millrace/testing';
import type { Figure, SystemFigures } from './figures.js';
import { buildsPerSecond, linesPerSecond, phases, triggerLatency } from './measures/builds.js';
import { LIST, readsPerSecond, WATERFALL } from './measures/reads.js';
import { stalledCallback, stalledStep } from './measures/stall.js';
import { installBuildbot, startBuildbot } from './systems/buildbot.js';
import { type Stack, type StackName, startMillrace, startStack } from './systems/millrace.js';
import type { System, Workload } from './systems/system.js';

export const MEASURES = ['trigger', 'throughput', 'chatty', 'reads', 'stall', 'router', 'claims', 'queries'] as const;
export type MeasureName = (typeof MEASURES)[number];

export interface BenchOptions extends Workload {
  readonly only: ReadonlySet<MeasureName>;
  readonly stacks: readonly StackName[];
  readonly peer: boolean;
  /** Builds in the history, for each of which the reads are measured. */
  readonly history: readonly number[];
}

type Say = (text: string) => void;

const READ_MS = 5000;
/** The peer takes seconds where Millrace takes milliseconds, so it is asked for less. */
const BUILDS = {
  millrace: { warmUp: 20, trigger: 100, throughput: 600 },
  peer: { warmUp: 2, trigger: 20, throughput: 40 },
} as const;
const less = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'less', value });
const more = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'more', value });

export async function runBench(
  options: BenchOptions,
  say: Say,
): Promise<{ results: SystemFigures[]; peer: string | null }> {
  const results: SystemFigures[] = [];
  let peer: string | null = null;
  if (options.peer && [...options.only].some((name) => PEER_MEASURES.has(name))) {
    installBuildbot();
    say('starting Buildbot');
    const buildbot = await startBuildbot(options);
    peer = buildbot.name;
    results.push(await measured(buildbot, options, say));
    await buildbot.stop();
  }
  for (const name of options.stacks) {
    say(`starting ${name}`);
    const stack = await startStack(name);
    try {
      results.push(await onStack(stack, options, say));
    } finally {
      await stack.stop();
    }
    await ratios(name, results.at(-1)!, options, say);
  }
  return { results, peer };
}

const PEER_MEASURES: ReadonlySet<MeasureName> = new Set(['trigger', 'throughput', 'chatty', 'reads', 'stall']);

async function onStack(stack: Stack, options: BenchOptions, say: Say): Promise<SystemFigures> {
  const millrace = await startMillrace(stack, options);
  try {
    const result = await measured(millrace, options, say);
    if (options.only.has('stall')) {
      say(`${millrace.name}: a burning callback`);
      result.figures.push(...(await stalledCallback(millrace, options.burnSeconds)));
    }
    return result;
  } finally {
    await millrace.stop();
  }
}

/** Everything that Buildbot can be asked too. */
async function measured(system: System, options: BenchOptions, say: Say): Promise<SystemFigures> {
  const { api, database, name } = system;
  const figures: Figure[] = [];
  const notes: string[] = [];
  const step = (measure: MeasureName): boolean => {
    if (!options.only.has(measure)) return false;
    say(`${name}: ${measure}`);
    return true;
  };
  const count = database ? BUILDS.millrace : BUILDS.peer;
  await triggerLatency(api, count.warmUp);
  if (step('trigger')) {
    const { p50Ms, p99Ms } = await triggerLatency(api, count.trigger);
    figures.push(less('trigger → complete p50', 'ms', p50Ms), less('trigger → complete p99', 'ms', p99Ms));
    if (database) notes.push(`trigger: ${await phases(database, count.trigger)}`);
  }
  if (step('throughput')) {
    figures.push(more('trivial builds', '/s', await buildsPerSecond(api, count.throughput)));
    if (database) notes.push(`throughput: ${await phases(database, count.throughput)}`);
  }
  if (step('chatty')) figures.push(more('log lines', '/s', await linesPerSecond(api, options.lines)));
  if (step('reads')) {
    figures.push(more('list reads, this run’s builds', '/s', await readsPerSecond(api, LIST, READ_MS)));
    figures.push(more('waterfall reads, this run’s builds', '/s', await readsPerSecond(api, WATERFALL, READ_MS)));
  }
  if (step('stall')) figures.push(...(await stalledStep(system, options.burnSeconds)));
  return { system: name, figures, notes };
}

/** The reads again with every size of history, and how much slower the largest makes them. */
async function ratios(name: StackName, result: SystemFigures, options: BenchOptions, say: Say): Promise<void> {
  if (!options.only.has('reads')) return;
  const rates: { list: number; waterfall: number }[] = [];
  for (const builds of options.history) {
    const stack = await startStack(name);
    try {
      const startedAt = performance.now();
      await writeHistory(stack.url, { ...NAMES, builds });
      say(
        `${result.system}: a history of ${builds} builds written in ${Math.round((performance.now() - startedAt) / 1000)} s`,
      );
      const millrace = await startMillrace(stack, options);
      const rate = {
        list: await readsPerSecond(millrace.api, LIST, READ_MS),
        waterfall: await readsPerSecond(millrace.api, WATERFALL, READ_MS),
      };
      await millrace.stop();
      rates.push(rate);
      result.figures.push(more(`list reads, ${builds} builds`, '/s', rate.list));
      result.figures.push(more(`waterfall reads, ${builds} builds`, '/s', rate.waterfall));
    } finally {
      await stack.stop();
    }
  }
  const [first, last] = [rates[0]!, rates.at(-1)!];
  if (rates.length < 2) return;
  result.figures.push(less('list reads, shortest / longest history', '×', first.list / last.list));
  result.figures.push(less('waterfall reads, shortest / longest history', '×', first.waterfall / last.waterfall));
}

const NAMES = {
  builders: [...Array.from({ length: 20 }, (_, i) => `b${i}`), 'chatty', 'stall'],
  workers: ['w0', 'w1', 'w2', 'w3'],
};
