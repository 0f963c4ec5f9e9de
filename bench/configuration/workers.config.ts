import { builder, defineConfig, worker } from '@millrace/config';
import { shell } from '@millrace/steps';

/** Many workers, and builders of a hundred workers each. Passwords look like generated tokens (see `bench/src/fleet.ts`). */
const WORKERS = Number(process.env['BENCH_WORKERS']);
const SHARED = 100;

const names = Array.from({ length: WORKERS }, (_, i) => `w${i}`);

export default defineConfig({
  title: 'Bench of workers',
  // Every request is to be built, also when equal ones wait.
  collapseRequests: false,
  workers: names.map((name) => worker(name, { password: `${process.env['BENCH_TOKEN']}-${name}` })),
  builders: Array.from({ length: Math.ceil(WORKERS / SHARED) }, (_, i) =>
    builder(`b${i}`, {
      workers: names.slice(i * SHARED, (i + 1) * SHARED),
      factory: [shell({ name: 'true', command: ['true'] })],
    }),
  ),
  schedulers: [],
});
