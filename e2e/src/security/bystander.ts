import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A separate process that reads pages during an attack. It requests a list a hundred times a second. For a line `N` on its input it prints
 * statistics of the requests since its last answer, as JSON, as soon as there are at least N.
 */
const EVERY_MS = 10;
const GIVE_UP_MS = 20_000;

const [url] = process.argv.slice(2);
if (!url) throw new Error('usage: bystander URL');
let took: number[] = [];
let failures: string[] = [];
let wanted: number | null = null;

async function ask(): Promise<void> {
  const startedAt = performance.now();
  try {
    const response = await fetch(url!, { signal: AbortSignal.timeout(GIVE_UP_MS) });
    await response.arrayBuffer();
    if (!response.ok) failures.push(`status ${response.status}`);
  } catch (error) {
    failures.push(String(error));
  }
  took.push(performance.now() - startedAt);
  answer();
}

function answer(): void {
  if (wanted === null || took.length < wanted) return;
  const sorted = took.sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const report = { requests: sorted.length, failures: failures.slice(0, 5), p50Ms: at(0.5), p99Ms: at(0.99) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  took = [];
  failures = [];
  wanted = null;
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    wanted = Number(line);
    answer();
  })
  .on('close', () => process.exit(0));
for (;;) {
  void ask();
  await delay(EVERY_MS);
}
