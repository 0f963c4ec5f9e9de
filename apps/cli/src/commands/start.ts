import { get } from 'node:http';
import { get as getOverTls } from 'node:https';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadAndCompile } from '@millrace/config';
import type { CompiledConfig } from '@millrace/contracts';
import { checkSchema, keepFolderPrivate, keepSqlitePrivate, migrate, secretFile, sqliteFile } from '@millrace/database';
import { workerEnvironment } from '../supervisor/environment.js';
import { LogLines } from '../supervisor/log-lines.js';
import { NODE_FLAGS_OF_MASTERS } from '../supervisor/node-flags.js';
import { checkPorts, hostOf, type PortName, reachableAt, readPorts } from '../supervisor/ports.js';
import { type ProcessSpec, SupervisedProcess } from '../supervisor/supervised-process.js';

/** Time that each process has for stopping. All processes stop within five seconds of Ctrl-C. */
const PATIENCE_MS = 3500;

const require = createRequire(import.meta.url);

export interface StartOptions {
  readonly config: string;
  /** The configured worker to start on this machine; false for none. */
  readonly worker: string | false;
  /** The user's own umask for the worker: files of builds are as readable as other files of that user. */
  readonly umask: number;
}

/** Runs `millrace start`: every role as a supervised process of its own on this machine. Resolves when told to stop. */
export async function start(options: StartOptions, env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const dataFolder = resolve(env['MILLRACE_DATA'] || '.millrace');
  const repairs = [keepFolderPrivate(dataFolder)];
  const databaseUrl = env['MILLRACE_DB'] || `sqlite:${join(dataFolder, 'millrace.sqlite')}`;
  const ports = readPorts(env);
  const needsRouter = !env['MILLRACE_BUS'];
  const { router: _router, ...otherPorts } = ports;
  await checkPorts(needsRouter ? ports : otherPorts, env);

  const workerPassword = env['MILLRACE_WORKER_PASSWORD'] || secretFile(join(dataFolder, 'worker-password'));
  const busTicket = env['MILLRACE_BUS_TICKET'] || secretFile(join(dataFolder, 'bus-ticket'));
  const shared: NodeJS.ProcessEnv = {
    ...env,
    MILLRACE_DATA: dataFolder,
    MILLRACE_DB: databaseUrl,
    MILLRACE_CONFIG: resolve(options.config),
    MILLRACE_WORKER_PASSWORD: workerPassword,
    MILLRACE_URL: env['MILLRACE_URL'] || `${schemeOfUi(env)}://localhost:${ports.ui}`,
    ...(needsRouter
      ? {
          MILLRACE_BUS: `ws://${reachableAt('router', ports.router, env)}/ws`,
          MILLRACE_BUS_USER: 'millrace',
          MILLRACE_BUS_TICKET: busTicket,
        }
      : {}),
  };
  // The configuration may read the environment that its masters will have.
  Object.assign(process.env, { MILLRACE_DATA: dataFolder, MILLRACE_WORKER_PASSWORD: workerPassword });
  const config = (await loadAndCompile(resolve(options.config))).revision;
  await prepareDatabase(databaseUrl);
  const file = sqliteFile(databaseUrl);
  if (file !== null) repairs.push(keepSqlitePrivate(file));

  const lines = new LogLines();
  const say = (text: string): void => lines.write('millrace', text);
  for (const repair of repairs) if (repair !== null) say(repair);
  const specs = processes(shared, ports, needsRouter, workerOf(config, options.worker, say), options.umask);
  let stopped: (code: number) => void;
  const ended = new Promise<number>((resolveEnd) => (stopped = resolveEnd));
  const supervised = specs.map(
    (spec) =>
      new SupervisedProcess(spec, {
        line: (name, line) => lines.write(name, line),
        note: (name, text) => lines.write(name, text),
        refused: () => stopped(78),
      }),
  );
  let asked = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (++asked > 1) for (const child of supervised) child.kill();
      stopped(0);
    });
  }
  process.on('SIGHUP', () => {
    for (const child of supervised)
      if (child.pid && /scheduler|engine/.test(child.name)) process.kill(child.pid, 'SIGHUP');
  });
  if (process.connected) process.on('disconnect', () => stopped(1));
  // If this process ends abruptly, the end of its IPC channels ends the others.
  for (const child of supervised) child.start();
  const untilStopped = new AbortController();
  void announce(supervised, ports, env, say, untilStopped.signal);
  const code = await ended;
  untilStopped.abort();
  say('stopping');
  await stopAll(supervised);
  say('stopped');
  // An open channel would keep this process alive.
  if (process.connected) process.disconnect();
  return code;
}

async function prepareDatabase(databaseUrl: string): Promise<void> {
  if (sqliteFile(databaseUrl) !== null) await migrate(databaseUrl);
  else await checkSchema(databaseUrl);
}

/** Stops all processes, workers and masters first: the router carries their last hints. */
async function stopAll(supervised: readonly SupervisedProcess[]): Promise<void> {
  const [first, last] = [
    supervised.filter((child) => child.name !== 'router'),
    supervised.filter((child) => child.name === 'router'),
  ];
  await Promise.all(first.map((child) => child.stop(PATIENCE_MS)));
  await Promise.all(last.map((child) => child.stop(500)));
}

function workerOf(config: CompiledConfig, wanted: string | false, say: (text: string) => void): string | null {
  if (wanted === false) return null;
  if (config.workers.some((worker) => worker.name === wanted)) return wanted;
  say(
    `no worker '${wanted}' is configured, so none is started here; there are: ${config.workers.map((worker) => worker.name).join(', ')}`,
  );
  return null;
}

function processes(
  shared: NodeJS.ProcessEnv,
  ports: Record<PortName, number>,
  router: boolean,
  worker: string | null,
  umask: number,
): ProcessSpec[] {
  const script = (app: string): string =>
    join(dirname(require.resolve(`@millrace/${app}/package.json`)), 'dist/main.js');
  const master = (role: 'scheduler' | 'engine' | 'ui'): ProcessSpec => ({
    name: role,
    script: script(role),
    nodeFlags: NODE_FLAGS_OF_MASTERS,
    env: {
      ...shared,
      // A name belongs to one master.
      ...(shared['MILLRACE_NAME'] ? { MILLRACE_NAME: `${role}@${shared['MILLRACE_NAME']}` } : {}),
      MILLRACE_HTTP_HOST: hostOf(role, shared),
      MILLRACE_HTTP_PORT: String(ports[role]),
      MILLRACE_WORKER_PORT: String(ports.workers),
      MILLRACE_TRIGGER_PORT: String(ports.trigger),
    },
  });
  return [
    ...(router
      ? [
          {
            name: 'router',
            script: join(dirname(fileURLToPath(import.meta.resolve('@millrace/wamp-router'))), 'main.js'),
            env: {
              ...shared,
              MILLRACE_ROUTER_HOST: hostOf('router', shared),
              MILLRACE_ROUTER_PORT: String(ports.router),
              MILLRACE_ROUTER_TICKET: shared['MILLRACE_BUS_TICKET']!,
            },
          },
        ]
      : []),
    master('scheduler'),
    master('engine'),
    master('ui'),
    ...(worker
      ? [
          {
            name: 'worker',
            script: script('worker'),
            args: [
              '--master',
              workerAddress(shared, ports.workers),
              '--name',
              worker,
              '--basedir',
              join(shared['MILLRACE_DATA']!, 'worker'),
            ],
            env: workerEnvironment(shared),
            umask,
          },
        ]
      : []),
  ];
}

/**
 * Returns the address to which the worker on this machine connects. A TLS certificate is valid for a name, which `MILLRACE_WORKER_URL` has.
 */
export function workerAddress(env: NodeJS.ProcessEnv, port: number): string {
  const here = reachableAt('workers', port, env);
  return env['MILLRACE_WORKER_TLS_CERT'] ? env['MILLRACE_WORKER_URL'] || `wss://${here}` : `ws://${here}`;
}

/** Prints the address of the UI once every role is ready. A role's own log lines tell what keeps it from getting ready. */
async function announce(
  supervised: readonly SupervisedProcess[],
  ports: Record<PortName, number>,
  env: NodeJS.ProcessEnv,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const role of ['scheduler', 'engine', 'ui'] as const) {
    const scheme = role === 'ui' ? schemeOfUi(env) : 'http';
    while (!(await isReady(`${scheme}://${reachableAt(role, ports[role], env)}/readyz`, signal))) {
      // A process that is stopped before it is ready never will be; waiting on would keep this process alive.
      if (signal.aborted) return;
      await delay(100);
    }
    supervised.find((child) => child.name === role)?.hasBeenReady();
  }
  for (const child of supervised) child.hasBeenReady();
  say(`Millrace is up: ${schemeOfUi(env)}://localhost:${ports.ui}`);
}

function schemeOfUi(env: NodeJS.ProcessEnv): 'http' | 'https' {
  return env['MILLRACE_UI_TLS_CERT'] ? 'https' : 'http';
}

/** Asks a process on this machine. A certificate is for the name by which people reach it, and is not checked. */
function isReady(url: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    (url.startsWith('https:') ? getOverTls : get)(url, { signal, rejectUnauthorized: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
      // The process does not listen yet, or never will.
    }).on('error', () => resolve(false));
  });
}
