import { builder, defineConfig, triggerable, worker } from '@millrace/config';
import { shell, trigger } from '@millrace/steps';

/** Builds that wait for builds which nobody makes: their worker never comes. */
const PARENTS = Number(process.env['BENCH_PARENTS']);

const parents = Array.from({ length: PARENTS }, (_, i) => `parent-${i}`);

export default defineConfig({
  title: 'Bench of waiting builds',
  collapseRequests: false,
  workers: [
    worker('local', { passwordEnv: 'MILLRACE_WORKER_PASSWORD', maxBuilds: PARENTS }),
    worker('absent', { passwordEnv: 'MILLRACE_WORKER_PASSWORD' }),
  ],
  builders: [
    ...parents.map((name) =>
      builder(name, {
        workers: ['local'],
        factory: [trigger({ name: 'wait', schedulers: ['children'], waitForFinish: true })],
      }),
    ),
    builder('child', { workers: ['absent'], factory: [shell({ name: 'true', command: ['true'] })] }),
  ],
  schedulers: [triggerable('parents', { builders: parents }), triggerable('children', { builders: ['child'] })],
});
