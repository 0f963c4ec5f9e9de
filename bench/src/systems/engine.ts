import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually, freePort } from '@millrace/testing';
import type { Stack } from './millrace.js';

const ROOT = join(import.meta.dirname, '../../..');
const PATIENCE_MS = 180_000;

export interface EngineOptions {
  readonly stack: Stack;
  /** A file of `bench/configuration`. */
  readonly config: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** An engine without the other masters, which may be killed and restarted on the same ports. */
export class Engine {
  private child: ChildProcess | null = null;
  /** Logged lines of level warning and worse. */
  readonly log: string[] = [];

  private constructor(
    private readonly options: EngineOptions,
    readonly workerPort: number,
    private readonly httpPort: number,
  ) {}

  static async create(options: EngineOptions): Promise<Engine> {
    return new Engine(options, await freePort(), await freePort());
  }

  get pid(): number {
    return this.child!.pid!;
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /**
   * Starts the engine.
   * @returns how long it took to get ready
   */
  async start(): Promise<number> {
    const startedAt = performance.now();
    const { stack, config, env } = this.options;
    this.child = spawn(process.execPath, [join(ROOT, 'apps/engine/dist/main.js')], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        MILLRACE_NAME: 'engine',
        MILLRACE_DB: stack.url,
        MILLRACE_BUS: stack.bus?.url ?? 'none:',
        MILLRACE_CONFIG: join(ROOT, 'bench/configuration', config),
        MILLRACE_DATA: stack.folder,
        MILLRACE_WORKER_PORT: String(this.workerPort),
        MILLRACE_HTTP_PORT: String(this.httpPort),
        MILLRACE_LOG_LEVEL: 'warn',
        ...env,
      },
      // If this process dies, the end of the IPC channel stops the engine.
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.log.push(...text.split('\n').filter(Boolean));
    });
    await eventually(async () => (await fetch(`http://127.0.0.1:${this.httpPort}/readyz`)).ok, {
      timeoutMs: PATIENCE_MS,
      what: 'the engine',
    });
    return performance.now() - startedAt;
  }

  /** Returns the sum of a metric over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.httpPort}/metrics`)).text();
    const values = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'));
    return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** Waits until this many workers are attached. */
  async attached(count: number): Promise<void> {
    await eventually(async () => (await this.metric('millrace_workers_attached')) === count, {
      timeoutMs: PATIENCE_MS,
      intervalMs: 200,
      what: `${count} attached workers`,
    });
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.child!, 'exit');
    this.child!.kill('SIGKILL');
    await exited;
  }
}
