import { anyBranch, builder, customStep, defineConfig, force, trigger, worker } from '@millrace/config';
import { Result, shell } from '@millrace/steps';

/**
 * Gives Millrace the same work as `bench/peer/master.cfg` gives Buildbot: 20 trivial builders, one that prints, one that burns CPU, 4
 * workers.
 */
const BURN_MS = Number(process.env['BENCH_BURN_SECONDS'] ?? '20') * 1000;
const LINES = process.env['BENCH_LINES'] ?? '200000';

const workers = ['w0', 'w1', 'w2', 'w3'];
const trivial = Array.from({ length: 20 }, (_, i) => `b${i}`);

function burn(): void {
  const end = Date.now() + BURN_MS;
  while (Date.now() < end);
}

export default defineConfig({
  title: 'Bench',
  // Every request is to be built, also when equal ones wait.
  collapseRequests: false,
  projects: [{ name: 'bench' }],
  workers: workers.map((name) => worker(name, { passwordEnv: 'MILLRACE_WORKER_PASSWORD' })),
  builders: [
    ...trivial.map((name, i) =>
      builder(name, {
        project: 'bench',
        tags: [`p${Math.floor(i / 5)}`],
        workers,
        factory: [shell({ name: 'true', command: ['true'] })],
      }),
    ),
    builder('chatty', { workers, factory: [shell({ name: 'chatty', command: ['seq', '1', LINES] })] }),
    builder('slow', { workers, factory: [shell({ name: 'sleep', command: ['sleep', '600'] })] }),
    builder('stall', {
      workers,
      factory: [
        customStep('stall', async () => {
          burn();
          return Result.SUCCESS;
        }),
      ],
    }),
  ],
  schedulers: [
    force('force', { builders: [...trivial, 'chatty', 'stall', 'slow'] }),
    trigger('trigger', { builders: trivial }),
    anyBranch('burning-callback', {
      builders: ['b0'],
      filter: { project: 'burn' },
      isImportant: () => {
        burn();
        return false;
      },
      onlyImportant: true,
    }),
  ],
});
