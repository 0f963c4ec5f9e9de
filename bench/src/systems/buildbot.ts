import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import { eventually, freePort } from '@millrace/testing';
import { Api } from '../api.js';
import { ANSWER_WITHIN_MS } from '../stats.js';
import { writePeerHistory, writePeerLongLog } from './peer-history.js';
import { BUILDERS, type Site } from './site.js';
import { type System, type Workload, workloadEnvironment } from './system.js';

const ROOT = join(import.meta.dirname, '../../..');
const VENV = join(ROOT, '.services/buildbot');
const BIN = join(VENV, 'bin');
const PACKAGES = ['buildbot==4.3.0', 'buildbot-worker==4.3.0', 'buildbot-www==4.3.0'];

/**
 * Installs Buildbot from PyPI if it is missing, which takes a minute.
 * @throws OperationalError `peer-missing`
 */
export function installBuildbot(): void {
  if (existsSync(join(BIN, 'buildbot')) && existsSync(join(BIN, 'buildbot-worker'))) return;
  run('python3', ['-m', 'venv', VENV]);
  run(join(BIN, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...PACKAGES]);
}

export const PEER = 'Buildbot 4.3, SQLite';

interface Master {
  /** Of its own, with its database. */
  readonly folder: string;
  readonly url: string;
  readonly pid: number;
  /** Starts a worker, a process. */
  startWorker(name: string): void;
  stop(): Promise<void>;
}

/** Starts one Buildbot master on SQLite. It may take a while until it answers. */
async function startMaster(config: string, variables: Readonly<Record<string, string>>): Promise<Master> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-peer-'));
  const master = join(folder, 'master');
  const [web, pb] = [await freePort(), await freePort()];
  run(join(BIN, 'buildbot'), ['create-master', master]);
  copyFileSync(join(ROOT, 'bench/peer', config), join(master, 'master.cfg'));
  const env = { PATH: process.env['PATH'], HOME: folder, WEB: String(web), PB: String(pb), ...variables };
  const children: ChildProcess[] = [];
  const start = (program: string, basedir: string): ChildProcess => {
    const child = spawn(join(BIN, program), ['start', '--nodaemon', basedir], { env, stdio: 'ignore' });
    children.push(child);
    return child;
  };
  process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));
  const { pid } = start('buildbot', master);
  return {
    folder: master,
    url: `http://127.0.0.1:${web}`,
    pid: pid!,
    startWorker(name) {
      const worker = join(folder, name);
      run(join(BIN, 'buildbot-worker'), ['create-worker', worker, `127.0.0.1:${pb}`, name, 'pass']);
      start('buildbot-worker', worker);
    },
    async stop() {
      await Promise.all(children.map(ended));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts one Buildbot master on SQLite with four workers, each a process. */
export async function startBuildbot(workload: Workload): Promise<System> {
  const master = await startMaster('master.cfg', workloadEnvironment(workload));
  const api = new Api(master.url);
  const stop = async (): Promise<void> => {
    api.close();
    await master.stop();
  };
  try {
    for (let i = 0; i < 4; i++) master.startWorker(`w${i}`);
    await eventually(
      async () => {
        const all = await api.get<{ workers: { connected_to: unknown[] }[] }>('/api/v2/workers');
        return all.workers.filter((worker) => worker.connected_to.length > 0).length === 4;
      },
      { timeoutMs: 90_000, intervalMs: 200, what: 'a Buildbot master with four workers' },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { name: PEER, api, database: null, stop };
}

/** Starts a Buildbot master with a history, which everybody sees: it can hide no builder. */
export async function startPeerSite(builds: number): Promise<Site> {
  const master = await startMaster('crowd.cfg', { BENCH_BUILDERS: String(BUILDERS) });
  const api = new Api(master.url, { answerWithinMs: ANSWER_WITHIN_MS });
  const db = openDatabase(`sqlite:${join(master.folder, 'state.sqlite')}`);
  const stop = async (): Promise<void> => {
    api.close();
    await db.close();
    await master.stop();
  };
  try {
    await eventually(
      async () => {
        const { builders } = await api.get<{ builders: unknown[] }>('/api/v2/builders');
        const { workers } = await api.get<{ workers: unknown[] }>('/api/v2/workers');
        return builders.length === BUILDERS && workers.length === 1;
      },
      { timeoutMs: 90_000, intervalMs: 200, what: `a Buildbot master with ${BUILDERS} builders and a worker` },
    );
    await writePeerHistory(db, builds, BUILDERS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: master.url,
    api,
    pid: master.pid,
    rowsRead: () => Promise.resolve(null),
    writeLongLog: () => writePeerLongLog(db),
    stop,
  };
}

/**
 * Waits for one of Buildbot's own programs to end, and kills it if it does not: a loop that is blocked by a step does not see the signal.
 */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
  await exit;
  clearTimeout(patience);
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new OperationalError('peer-missing', `${command} ${args.join(' ')}: ${error?.message ?? stderr.slice(-500)}`);
}
