import { builder, defineConfig, force, rolesFromGroups, worker } from '@millrace/config';
import { shell } from '@millrace/steps';

/** A site for everybody with more builders than are read one by one, a third of them hidden from everybody. */
const BUILDERS = Number(process.env['BENCH_BUILDERS']);

const names = Array.from({ length: BUILDERS }, (_, i) => `b${i}`);

export default defineConfig({
  title: 'Bench of a crowd',
  collapseRequests: false,
  projects: [{ name: 'open' }, { name: 'secret', visibleTo: [] }],
  // No worker comes, so that what is forced waits.
  workers: [worker('w0', { passwordEnv: 'MILLRACE_WORKER_PASSWORD' })],
  builders: names.map((name, i) =>
    builder(name, {
      project: i % 3 === 2 ? 'secret' : 'open',
      workers: ['w0'],
      factory: [shell({ name: 'true', command: ['true'] })],
    }),
  ),
  schedulers: [force('force', { builders: names })],
  www: { auth: {}, authz: { roles: [rolesFromGroups()], rules: [] } },
});
