import { builder, defineConfig, lock, worker } from '@millrace/config';
import { shell } from '@millrace/steps';

/** Thousands of builders with locks, in five pools of workers. Passwords look like generated tokens (see `bench/src/fleet.ts`). */
const WORKERS = Number(process.env['BENCH_WORKERS']);
const BUILDERS = Number(process.env['BENCH_BUILDERS']);
const POOLS = 5;

const names = Array.from({ length: WORKERS }, (_, i) => `w${i}`);
const shared = Array.from({ length: 20 }, (_, i) => lock(`shared-${i}`, { maxCount: 50 }));

export default defineConfig({
  title: 'Bench of a backlog',
  workers: names.map((name) => worker(name, { password: `${process.env['BENCH_TOKEN']}-${name}`, maxBuilds: 4 })),
  builders: Array.from({ length: BUILDERS }, (_, i) =>
    builder(`b${i}`, {
      workers: names.filter((_name, w) => w % POOLS === i % POOLS),
      maxBuilds: 2,
      locks: [shared[i % shared.length]!.access('counting')],
      factory: [shell({ name: 'true', command: ['true'] })],
    }),
  ),
});
