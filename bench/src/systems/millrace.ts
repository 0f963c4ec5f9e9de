import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, migrate, openDatabase } from '@millrace/database';
import { Cluster, eventually, type MariaDb, type Service, startCrossbar, startMariaDb } from '@millrace/testing';
import { Api } from '../api.js';
import { type System, type Workload, workloadEnvironment } from './system.js';

const ROOT = join(import.meta.dirname, '../../..');
const CONFIG = join(ROOT, 'bench/configuration/master.config.ts');
const WORKER = join(ROOT, 'apps/worker/dist/main.js');
const WORKERS = ['w0', 'w1', 'w2', 'w3'];
export const WORKER_PASSWORD = 'bench';

export type StackName = 'sqlite' | 'mariadb';
const STACKS: Readonly<Record<StackName, string>> = {
  sqlite: 'SQLite + embedded router',
  mariadb: 'MariaDB + crossbar',
};

/** An empty migrated database, and the servers beside it. */
export interface Stack {
  readonly title: string;
  readonly folder: string;
  readonly url: string;
  readonly bus: Service | null;
  /** Pid of the database server; null when there is none. */
  readonly databasePid: number | null;
  stop(): Promise<void>;
}

export async function startStack(name: StackName): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const services: Service[] = [];
  let url = `sqlite:${join(folder, 'millrace.sqlite')}`;
  let bus: Service | null = null;
  let databasePid: number | null = null;
  if (name === 'mariadb') {
    const server: MariaDb = await startMariaDb({ args: ['--innodb-buffer-pool-size=512M'] });
    url = await server.createDatabase();
    bus = await startCrossbar();
    services.push(bus, server);
    databasePid = server.pid;
  }
  await migrate(url);
  return {
    title: STACKS[name],
    folder,
    url,
    bus,
    databasePid,
    async stop() {
      for (const service of services) await service.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a cluster on a stack, without a worker of its own. It says only what goes wrong. */
export function startCluster(stack: Stack, config: string, env: Readonly<Record<string, string>>): Promise<Cluster> {
  return Cluster.start({
    config,
    folder: stack.folder,
    args: ['--no-worker'],
    ...(stack.databasePid === null ? {} : { database: stack.url }),
    ...(stack.bus ? { bus: stack.bus.url } : {}),
    env: { MILLRACE_WORKER_PASSWORD: WORKER_PASSWORD, MILLRACE_LOG_LEVEL: 'warn', ...env },
  });
}

export interface MillraceSystem extends System {
  readonly cluster: Cluster;
  readonly database: Database;
}

export interface MillraceOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Starts one of the workers, and returns what stops it. Default: a worker of our own. */
  readonly startWorker?: (name: string, port: number, folder: string) => () => unknown;
}

export async function startMillrace(
  stack: Stack,
  workload: Workload,
  { env = {}, startWorker = startOwnWorker }: MillraceOptions = {},
): Promise<MillraceSystem> {
  const cluster = await startCluster(stack, CONFIG, { ...workloadEnvironment(workload), ...env });
  const stops = WORKERS.map((name) => startWorker(name, cluster.ports.workers, stack.folder));
  await eventually(
    async () => {
      const all = await cluster.api<{ workers: { connected_to: unknown[] }[] }>('/workers');
      return all.workers.filter((worker) => worker.connected_to.length > 0).length === WORKERS.length;
    },
    { timeoutMs: 30_000, what: 'four connected workers' },
  );
  const api = new Api(cluster.url);
  const database = openDatabase(stack.url, { connections: 2 });
  return {
    name: `Millrace, ${stack.title}`,
    api,
    cluster,
    database,
    async stop() {
      api.close();
      await database.close();
      await Promise.all(stops.map((stop) => stop()));
      await cluster.stop();
    },
  };
}

function startOwnWorker(name: string, port: number, folder: string): () => void {
  const args = ['--master', `ws://127.0.0.1:${port}`, '--name', name, '--basedir', join(folder, name)];
  const child = spawn(process.execPath, [WORKER, ...args], {
    env: { PATH: process.env['PATH'], MILLRACE_WORKER_PASSWORD: WORKER_PASSWORD },
    // If this process dies, the end of the IPC channel stops it.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return () => void child.kill('SIGTERM');
}
