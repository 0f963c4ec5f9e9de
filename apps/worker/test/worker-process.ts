import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../dist/main.js');

/** The built worker as a process of its own. */
export class WorkerProcess {
  log = '';
  readonly exited: Promise<unknown>;

  private constructor(readonly child: ChildProcess) {
    const gather = (chunk: Buffer): void => void (this.log += chunk.toString());
    child.stdout?.on('data', gather);
    child.stderr?.on('data', gather);
    this.exited = once(child, 'exit');
  }

  static start(
    url: string,
    basedir: string,
    env: Record<string, string> = {},
    args: string[] = [],
    starter: string[] = [],
  ): WorkerProcess {
    return WorkerProcess.run(['--master', url, '--name', 'w1', '--basedir', basedir, ...args], env, starter);
  }

  /** Starts the program with these arguments, by way of `starter` if given. */
  static run(args: readonly string[], env: Record<string, string> = {}, starter: string[] = []): WorkerProcess {
    const [program = '', ...rest] = [...starter, process.execPath, MAIN, ...args];
    return new WorkerProcess(
      spawn(program, rest, {
        env: {
          PATH: process.env['PATH'],
          HOME: '/nowhere',
          GREETING: 'hello',
          MILLRACE_WORKER_PASSWORD: 's3cret',
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Returns the peak memory of the process in MiB. */
  peakMemoryMiB(): number {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.exited;
  }
}

/** Waits until `check` is true. */
export async function until(what: string, check: () => boolean, timeoutMs = 30_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
