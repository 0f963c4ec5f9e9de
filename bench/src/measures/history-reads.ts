import { writeHistory } from '@millrace/testing';
import type { Figure } from '../figures.js';
import { type MillraceSystem, type Stack, type StackName, startMillrace, startStack } from '../systems/millrace.js';
import type { Workload } from '../systems/system.js';
import { LIST, readsPerSecond, WATERFALL } from './reads.js';

/** Names in `bench/configuration`. */
export const NAMES = {
  builders: [...Array.from({ length: 20 }, (_, i) => `b${i}`), 'chatty', 'stall', 'slow'],
  workers: ['w0', 'w1', 'w2', 'w3'],
};

const ROUNDS = 6;
const SLICE_MS = 1000;
const PAGES = { list: LIST, waterfall: WATERFALL } as const;

/**
 * Measures reads of clusters that differ only in the length of their history. They take turns, so that other load on the machine slows all
 * of them: the ratio of the medians is the cost of the history.
 */
export async function historyReads(
  name: StackName,
  histories: readonly number[],
  workload: Workload,
  say: (text: string) => void,
): Promise<Figure[]> {
  const running: { builds: number; stack: Stack; millrace: MillraceSystem }[] = [];
  const figures: Figure[] = [];
  try {
    for (const builds of histories) {
      const stack = await startStack(name);
      const startedAt = performance.now();
      await writeHistory(stack.url, { ...NAMES, builds });
      say(`a history of ${builds} builds was written in ${Math.round((performance.now() - startedAt) / 1000)} s`);
      running.push({ builds, stack, millrace: await startMillrace(stack, workload) });
    }
    for (const [page, path] of Object.entries(PAGES)) {
      const rates = new Map(running.map(({ builds }) => [builds, [] as number[]]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const { builds, millrace } of running)
          rates.get(builds)!.push(await readsPerSecond(millrace.api, path, SLICE_MS));
      }
      const medians = [...rates].map(([builds, values]) => ({ builds, perSecond: median(values) }));
      for (const { builds, perSecond } of medians) {
        figures.push({
          name: `${page} reads, ${builds} builds of history`,
          unit: '/s',
          better: 'more',
          value: perSecond,
        });
      }
      if (medians.length < 2) continue;
      const value = medians[0]!.perSecond / medians.at(-1)!.perSecond;
      figures.push({ name: `${page} reads, first / last history`, unit: '×', better: 'less', value });
    }
  } finally {
    for (const { stack, millrace } of running) {
      await millrace.stop();
      await stack.stop();
    }
  }
  return figures;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
