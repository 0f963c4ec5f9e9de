import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { messageOf } from '@millrace/domain';
import { Backoff } from './backoff.js';

/** sysexits' EX_CONFIG: a restart would fail again. */
const EXIT_CONFIG = 78;

export interface ProcessSpec {
  readonly name: string;
  /** Path of a Node program. */
  readonly script: string;
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  readonly args?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The process's umask, when it differs from this process's. */
  readonly umask?: number;
}

export interface ProcessEvents {
  line(name: string, line: string): void;
  note(name: string, text: string): void;
  /** Called when the process refused to start for a reason that a person has to fix. */
  refused(name: string): void;
}

/**
 * A process that is restarted when it ends. It stays in this process's session: with `sched_autogroup_enabled`, the kernel's default, the
 * niceness of threads that run user code would mean nothing to processes of other sessions. Therefore Ctrl-C reaches it too; it ignores
 * that and is stopped by its supervisor.
 */
export class SupervisedProcess {
  private child: ChildProcess | null = null;
  private timer: NodeJS.Timeout | null = null;
  private stopping = false;
  private wasReady = false;
  private readonly backoff = new Backoff();
  private exited: Promise<void> = Promise.resolve();

  constructor(
    private readonly spec: ProcessSpec,
    private readonly events: ProcessEvents,
  ) {}

  get name(): string {
    return this.spec.name;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Records that the process has been ready. From now on it is restarted after every exit code: what it then refuses has changed since it
   * started, and may change back.
   */
  hasBeenReady(): void {
    this.wasReady = true;
  }

  start(): void {
    const startedAt = performance.now();
    this.exited = new Promise((resolve) => {
      const ended = (how: string, code: number | null = null): void => {
        this.child = null;
        resolve();
        if (this.stopping) return;
        if (code === EXIT_CONFIG && !this.wasReady) return this.events.refused(this.spec.name);
        const waitMs = this.backoff.ended(performance.now() - startedAt);
        const why = code === EXIT_CONFIG ? `${how}: what it says above has to be mended` : how;
        this.events.note(this.spec.name, `ended (${why}); starts again in ${waitMs} ms`);
        this.timer = setTimeout(() => this.start(), waitMs);
      };
      try {
        const child = this.spawn();
        child.on('error', (error) => {
          if (child.pid === undefined) ended(error.message);
          else this.events.note(this.spec.name, error.message);
        });
        child.once('exit', (code, signal) => ended(signal ?? `code ${code}`, code));
      } catch (error) {
        ended(messageOf(error));
      }
    });
  }

  private spawn(): ChildProcess {
    const { script, nodeFlags = [], args = [], env, umask } = this.spec;
    const ours = umask === undefined ? null : process.umask(umask);
    // Nothing is sent over the IPC channel. Its end tells the process that its supervisor is gone, for whatever reason.
    const child = spawn(process.execPath, [...nodeFlags, script, ...args], {
      env: { ...env, MILLRACE_SUPERVISED: '1' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    if (ours !== null) process.umask(ours);
    this.child = child;
    // When the process could not be made, there may be no streams either.
    for (const stream of [child.stdout, child.stderr] as (Readable | null | undefined)[]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.events.line(this.spec.name, line));
    }
    return child;
  }

  /** Asks the process to end, and kills it when it has not ended within `patienceMs`. */
  async stop(patienceMs: number): Promise<void> {
    this.stopping = true;
    if (this.timer) clearTimeout(this.timer);
    const { child } = this;
    if (!child) return;
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await this.exited;
    clearTimeout(kill);
  }

  /** Kills the process, on a second Ctrl-C. */
  kill(): void {
    this.stopping = true;
    this.child?.kill('SIGKILL');
  }
}
