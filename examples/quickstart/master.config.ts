import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { anyBranch, builder, defineConfig, fields, force, gitPoller, trigger, worker } from '@millrace/config';
import { fileUpload, git, setProperty, shell } from '@millrace/steps';
import { ensureHelloRepository } from './hello-repository.js';

/** The configuration of `npm start`: two projects, one worker, and new commits noticed within seconds. A good place to try things out. */

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
const data = resolve(checkout, process.env['MILLRACE_DATA'] ?? '.millrace');
const hello = join(data, 'repositories', 'hello');
await ensureHelloRepository(hello, join(checkout, 'examples', 'hello'));

const millraceRepository = pathToFileURL(checkout).href;
const helloRepository = pathToFileURL(hello).href;

export default defineConfig({
  title: 'Millrace quickstart',
  url: 'http://localhost:8010/',

  projects: [
    { name: 'millrace', description: 'The checkout that Millrace itself stands in' },
    { name: 'hello', description: 'A small shell program with a green and a red branch' },
  ],

  workers: [worker('local', { passwordEnv: 'MILLRACE_WORKER_PASSWORD', maxBuilds: 2 })],

  changeSources: [
    gitPoller({
      repository: millraceRepository,
      project: 'millrace',
      pollIntervalSeconds: 1,
      buildHeadsOnFirstSight: true,
    }),
    gitPoller({ repository: helloRepository, project: 'hello', pollIntervalSeconds: 1, buildHeadsOnFirstSight: true }),
  ],

  builders: [
    builder('millrace-domain', {
      project: 'millrace',
      description: 'Compiles and tests libs/domain',
      tags: ['node', 'unit'],
      workers: ['local'],
      // `npm start` adds settings of its own to the environment, which must not reach the npm of a build.
      env: { npm_config_local_prefix: null, npm_config_prefix: null, INIT_CWD: null, NODE_OPTIONS: null },
      factory: [
        git({ repository: millraceRepository }),
        shell({
          name: 'install',
          command:
            'npm install --workspace @millrace/domain --include-workspace-root --prefer-offline --no-audit --no-fund',
          haltOnFailure: true,
        }),
        shell({ name: 'compile', command: 'npx tsc -b libs/domain/tsconfig.build.json', haltOnFailure: true }),
        shell({
          name: 'test',
          command: 'npx jest --selectProjects unit --testPathPatterns libs/domain/',
          env: { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' },
        }),
      ],
    }),
    builder('hello', {
      project: 'hello',
      description: 'Builds and tests the shell program',
      tags: ['shell'],
      workers: ['local'],
      factory: [
        git({ repository: helloRepository, mode: 'full' }),
        setProperty({ name: 'describe', property: 'subject', command: ['git', 'log', '-1', '--format=%s'] }),
        shell({ name: 'build', command: './build.sh', haltOnFailure: true }),
        shell({ name: 'test', command: 'test/run.sh', haltOnFailure: true }),
        fileUpload({ name: 'keep', workerSrc: 'dist/hello', blobName: 'hello' }),
        shell({ name: 'clean', command: 'rm -rf dist', alwaysRun: true, flunkOnFailure: false }),
      ],
    }),
  ],

  schedulers: [
    anyBranch('millrace-changes', { builders: ['millrace-domain'], filter: { project: 'millrace' } }),
    anyBranch('hello-changes', { builders: ['hello'], filter: { project: 'hello' } }),
    force('force-millrace', {
      builders: ['millrace-domain'],
      label: 'Build libs/domain',
      codebases: [
        { branch: fields.text('branch', { default: 'main' }), repository: millraceRepository, project: 'millrace' },
      ],
    }),
    force('force-hello', {
      builders: ['hello'],
      label: 'Build hello',
      codebases: [
        {
          branch: fields.choice('branch', { choices: ['main', 'failing'], strict: false }),
          repository: helloRepository,
          project: 'hello',
        },
      ],
    }),
    trigger('trigger', { builders: ['hello', 'millrace-domain'] }),
  ],
});
