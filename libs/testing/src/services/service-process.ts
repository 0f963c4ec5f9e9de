import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { OperationalError } from '@millrace/domain';
import { eventually } from './eventually.js';
import { canListen } from './free-port.js';

/** A server in a process group of its own, which a test may stop, kill, freeze and restart on the same port. */
export interface Service {
  /** Address for clients. It is the same after `restart`. */
  readonly url: string;
  readonly port: number;
  /** The process that was started. Its pid is also the group's id. */
  readonly pid: number;
  /** Asks the service to end (SIGTERM), waits, and removes its files. */
  stop(): Promise<void>;
  /** Sends SIGKILL to the whole group. The files stay for `restart`. */
  kill(): Promise<void>;
  /** Kills what still runs and starts the service again with the same files and port. */
  restart(): Promise<void>;
  /** Sends SIGSTOP to the whole group: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
}

export interface ServiceProcessOptions {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A folder from `temporaryFolder`. The service owns it from here on. */
  readonly folder: string;
  /** Resolves when the service answers. It is called again until it does. */
  readonly probe: () => Promise<void>;
  /** Default 60,000. */
  readonly startTimeoutMs?: number;
}

export function temporaryFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `millrace-${name}-`));
}

/**
 * Runs a service as a process group. A guard process holds the other end of a pipe of ours: however this process ends, the guard reads
 * end-of-file, kills the group and removes the folder.
 */
export class ServiceProcess implements Service {
  private child: ChildProcess | undefined;
  private guard: ChildProcess | undefined;

  private constructor(private readonly options: ServiceProcessOptions) {}

  /**
   * Starts a service and waits until it answers.
   * @throws OperationalError `service-start` with the end of the service's output
   */
  static async start(options: ServiceProcessOptions): Promise<ServiceProcess> {
    const service = new ServiceProcess(options);
    await service.launch();
    return service;
  }

  get url(): string {
    return this.options.url;
  }

  get port(): number {
    return this.options.port;
  }

  get pid(): number {
    if (this.child?.pid === undefined) {
      throw new OperationalError('service-stopped', `${this.options.name} is not running`, { name: this.options.name });
    }
    return this.child.pid;
  }

  async stop(): Promise<void> {
    if (this.child) {
      const { child } = this;
      this.signal('SIGTERM');
      this.thaw();
      const timer = setTimeout(() => this.signal('SIGKILL'), 10_000);
      await exited(child);
      clearTimeout(timer);
      await this.gone();
    }
    await rm(this.options.folder, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    if (!this.child) return;
    const { child } = this;
    this.signal('SIGKILL');
    await exited(child);
    await this.gone();
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.launch();
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  /** Returns the end of the service's output. */
  output(): string {
    return readFileSync(join(this.options.folder, 'output.txt'), 'utf8').slice(-4_000);
  }

  private async launch(): Promise<void> {
    const { name, command, args, env, folder, probe, startTimeoutMs = 60_000 } = this.options;
    const output = openSync(join(folder, 'output.txt'), 'a');
    const child = spawn(command, args, {
      detached: true,
      cwd: folder,
      stdio: ['ignore', output, output],
      env: { ...serviceEnvironment(), ...env },
    });
    closeSync(output);
    let spawnError: Error | undefined;
    child.once('error', (error) => (spawnError = error));
    child.unref();
    this.child = child;
    if (child.pid !== undefined) this.guard = startGuard(child.pid, folder);
    try {
      await eventually(
        async () => {
          if (spawnError || hasExited(child)) return;
          await probe();
        },
        { timeoutMs: startTimeoutMs, intervalMs: 25, what: `start of ${name}` },
      );
      if (spawnError) throw spawnError;
      if (hasExited(child)) throw new Error(`it ended with ${child.signalCode ?? child.exitCode}`);
    } catch (cause) {
      const text = this.output();
      if (child.pid !== undefined) await this.kill();
      throw new OperationalError(
        'service-start',
        `${name} did not start: ${String(cause)}\n${text}`,
        { name },
        { cause },
      );
    }
  }

  private signal(signal: NodeJS.Signals): void {
    if (this.child?.pid !== undefined) signalGroup(this.child.pid, signal);
  }

  /** Kills the rest of the group (a crossbar worker may outlive its controller) and waits until the port is free. */
  private async gone(): Promise<void> {
    this.signal('SIGKILL');
    await eventually(() => canListen(this.port), {
      what: `port ${this.port} free after the end of ${this.options.name}`,
    });
    this.guard?.kill('SIGKILL');
    this.guard = undefined;
    this.child = undefined;
  }
}

/** Returns our environment with /usr/sbin on the path: Debian keeps servers there, and not every user has it. */
export function serviceEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin` };
}

/** Sends a signal to a group. A group without processes is not an error. */
function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function startGuard(group: number, folder: string): ChildProcess {
  const script = 'cat >/dev/null; kill -s KILL -- "-$1"; rm -rf -- "$2"';
  const guard = spawn('/bin/sh', ['-c', script, 'guard', String(group), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  // A pipe handle keeps the event loop alive unless it is unreferenced. The stream's type does not have `unref`.
  (guard.stdin as { unref?: () => void } | null)?.unref?.();
  return guard;
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function exited(child: ChildProcess): Promise<void> {
  if (hasExited(child)) return Promise.resolve();
  child.ref();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** Connects and waits for the first bytes, for servers that speak first (MySQL, NATS). */
export function probeGreeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(2_000, () => socket.destroy(new Error('no greeting')));
    socket.once('data', () => {
      resolve();
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without a greeting')));
  });
}

/** Requests `url` by HTTP. Any answer counts. */
export async function probeHttp(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
}
