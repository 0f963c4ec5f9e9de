import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperationalError } from '@millrace/domain';
import { eventually, freePort } from '@millrace/testing';
import { Api } from '../api.js';
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

/** Starts one Buildbot master on SQLite with four workers, each a process. */
export async function startBuildbot(workload: Workload): Promise<System> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-peer-'));
  const master = join(folder, 'master');
  const [web, pb] = [await freePort(), await freePort()];
  run(join(BIN, 'buildbot'), ['create-master', master]);
  copyFileSync(join(ROOT, 'bench/peer/master.cfg'), join(master, 'master.cfg'));
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    WEB: String(web),
    PB: String(pb),
    ...workloadEnvironment(workload),
  };
  const children = [spawn(join(BIN, 'buildbot'), ['start', '--nodaemon', master], { env, stdio: 'ignore' })];
  process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));
  const api = new Api(`http://127.0.0.1:${web}`);
  const stop = async (): Promise<void> => {
    api.close();
    await Promise.all(children.map(ended));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (let i = 0; i < 4; i++) {
      const worker = join(folder, `w${i}`);
      run(join(BIN, 'buildbot-worker'), ['create-worker', worker, `127.0.0.1:${pb}`, `w${i}`, 'pass']);
      children.push(spawn(join(BIN, 'buildbot-worker'), ['start', '--nodaemon', worker], { env, stdio: 'ignore' }));
    }
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
  return { name: 'Buildbot 4.3, SQLite', api, database: null, stop };
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
