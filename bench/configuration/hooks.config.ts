import { anyBranch, builder, defineConfig, githubHook, gitPoller, worker } from '@millrace/config';
import { shell } from '@millrace/steps';

const poller = (name: string, folder: string | undefined) =>
  gitPoller({ name, repository: folder ?? '', branches: 'all', pollIntervalSeconds: 1 });

export default defineConfig({
  workers: [worker('w0', { passwordEnv: 'MILLRACE_WORKER_PASSWORD' })],
  builders: [builder('b', { workers: ['w0'], factory: [shell({ name: 'nothing', command: 'true' })] })],
  schedulers: [anyBranch('releases', { builders: ['b'], filter: { branch: /^release\// } })],
  changeSources: [poller('busy', process.env['BENCH_BUSY']), poller('neighbour', process.env['BENCH_NEIGHBOUR'])],
  hooks: [githubHook({ secretEnv: 'BENCH_HOOK_SECRET' })],
});
