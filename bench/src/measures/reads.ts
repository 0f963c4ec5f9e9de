import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from '../api.js';

export const LIST = '/api/v2/builds?order=-buildid&limit=20';
/** The request of the waterfall page for five builders. */
export const WATERFALL =
  '/api/v2/builds?builderid=1&builderid=2&builderid=3&builderid=4&builderid=5&order=-buildid&limit=150&property=branch&property=revision';

/** Measures reads one after the other on each of 16 connections. */
export async function readsPerSecond(api: Api, path: string, forMs: number): Promise<number> {
  const startedAt = performance.now();
  let count = 0;
  const reader = async (): Promise<void> => {
    while (performance.now() - startedAt < forMs) {
      await api.get(path);
      count++;
    }
  };
  await Promise.all(Array.from({ length: 16 }, reader));
  return (count / (performance.now() - startedAt)) * 1000;
}

/**
 * Sends one read every `everyMs`, whether or not the one before has been answered, as a person with a browser does.
 * @returns milliseconds; Infinity for what was not answered in time
 */
export async function sampleReads(
  api: Api,
  everyMs: number,
  goOn: () => boolean,
  path: () => string = () => LIST,
): Promise<number[]> {
  const samples: number[] = [];
  const pending: Promise<void>[] = [];
  while (goOn()) {
    pending.push(api.getMs(path()).then((ms) => void samples.push(ms)));
    await delay(everyMs);
  }
  await Promise.all(pending);
  return samples;
}
