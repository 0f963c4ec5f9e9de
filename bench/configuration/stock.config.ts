import { builder, defineConfig, force, worker } from '@millrace/config';
import { shell } from '@millrace/steps';

/** For each of several stock workers a builder that prints, and one that does not stop printing. */
const workers = (process.env['BENCH_STOCK_WORKERS'] ?? '').split(',');
const lines = process.env['BENCH_LINES'] ?? '500000';

export default defineConfig({
  title: 'Bench of stock workers',
  // Every request is to be built, also when equal ones wait.
  collapseRequests: false,
  workers: workers.map((name) => worker(name, { passwordEnv: 'MILLRACE_WORKER_PASSWORD' })),
  builders: workers.flatMap((name) => [
    builder(`lines-${name}`, { workers: [name], factory: [shell({ name: 'lines', command: ['seq', '1', lines] })] }),
    builder(`flood-${name}`, {
      workers: [name],
      factory: [shell({ name: 'flood', command: ['seq', '1', '1000000000'] })],
    }),
  ]),
  schedulers: [force('force', { builders: workers.flatMap((name) => [`lines-${name}`, `flood-${name}`]) })],
});
