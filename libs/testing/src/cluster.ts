import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { messageOf, OperationalError } from '@millrace/domain';
import { ExtraProcess } from './extra-process.js';
import { eventually } from './services/eventually.js';
import { freePort } from './services/free-port.js';

const ROOT = join(import.meta.dirname, '../../..');
const SCRIPTS = {
  router: 'libs/wamp-router/dist/main.js',
  scheduler: 'apps/scheduler/dist/main.js',
  engine: 'apps/engine/dist/main.js',
  runner: 'apps/engine/dist/runner/process/main.js',
  ui: 'apps/ui/dist/main.js',
  worker: 'apps/worker/dist/main.js',
} as const;
const PORT_SETTINGS = {
  ui: 'MILLRACE_UI_PORT',
  scheduler: 'MILLRACE_SCHEDULER_PORT',
  engine: 'MILLRACE_ENGINE_PORT',
  router: 'MILLRACE_ROUTER_PORT',
  trigger: 'MILLRACE_TRIGGER_PORT',
  workers: 'MILLRACE_WORKER_PORT',
} as const;

export type ClusterProcess = keyof typeof SCRIPTS;
export type ClusterPort = keyof typeof PORT_SETTINGS;
export type ExtraRole = 'scheduler' | 'engine' | 'ui' | 'worker';

/** A process that `Cluster.add` started. */
export interface Extra {
  readonly process: ExtraProcess;
  /** Port for health and metrics; null for a worker. */
  readonly httpPort: number | null;
  /** Port where an engine's workers connect. */
  readonly workerPort: number | null;
}

export interface ClusterOptions {
  /** The configuration file. */
  readonly config: string;
  /** The data folder. */
  readonly folder: string;
  /** `mysql://…`, migrated already. Default: SQLite in `folder`. */
  readonly database?: string;
  /** `ws://…` or `nats://…`. Default: the embedded router. */
  readonly bus?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly startTimeoutMs?: number;
  /**
   * Returns the root folder of the Millrace that a process is started from: asked at each start, with the name that `add` was given, or
   * 'start'. Default: this one.
   */
  readonly releaseOf?: (name: string) => string;
}

export interface Triggered {
  readonly buildset: { readonly id: number; readonly uuid: string };
  readonly requests: readonly {
    readonly id: number;
    readonly uuid: string;
    readonly builder: string;
    readonly link: string;
  }[];
  readonly repeated: boolean;
}

/** Longest time for a cluster to start: less than that of a test's set-up, so that it can say what it waited for. */
const START_WITHIN_MS = 100_000;
/** Longest time for a cluster to end by itself. */
const STOP_WITHIN_MS = 60_000;
/** Of what the cluster printed, how many lines an error has. */
const LINES_TOLD = 40;

/** `millrace start` as a user runs it: real processes, on ports of their own, that a test may kill one by one. */
export class Cluster {
  private readonly extras: ExtraProcess[] = [];
  private readonly lines: string[] = [];
  private child!: ChildProcess;

  private constructor(
    readonly ports: Readonly<Record<ClusterPort, number>>,
    private readonly options: ClusterOptions,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  static async start(options: ClusterOptions): Promise<Cluster> {
    const names = Object.keys(PORT_SETTINGS) as ClusterPort[];
    const ports = {} as Record<ClusterPort, number>;
    for (const name of names) ports[name] = await freePort();
    const env: NodeJS.ProcessEnv = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      LANG: 'C.UTF-8',
      MILLRACE_DATA: options.folder,
      ...(options.database ? { MILLRACE_DB: options.database } : {}),
      ...(options.bus ? { MILLRACE_BUS: options.bus } : {}),
      ...Object.fromEntries(names.map((name) => [PORT_SETTINGS[name], String(ports[name])])),
      ...options.env,
    };
    const cluster = new Cluster(ports, options, env);
    await cluster.launch().catch(async (error: unknown) => {
      // What it has started writes into its folder until it has ended.
      await cluster.stop();
      throw error;
    });
    return cluster;
  }

  /** Everything that the cluster has printed. */
  get output(): readonly string[] {
    return this.lines;
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.ui}`;
  }

  /** Returns the pids of the running processes of that name. */
  pids(name: ClusterProcess): number[] {
    return name === 'runner' ? this.runnersOf(this.pids('engine')) : childrenOf([this.child.pid!], SCRIPTS[name]);
  }

  /** Returns the pids of the runner processes of these engine processes. */
  runnersOf(engines: readonly number[]): number[] {
    return childrenOf(engines, SCRIPTS.runner);
  }

  /**
   * Sends a signal to the processes of that name.
   * @returns the pids that got the signal
   */
  signal(name: ClusterProcess, signal: NodeJS.Signals): number[] {
    const pids = this.pids(name);
    for (const pid of pids) process.kill(pid, signal);
    return pids;
  }

  /**
   * Starts one more master or worker, as on another machine: with its own name, ports and data folder. It is restarted whenever it ends. A
   * worker needs the engine's worker port. A master may have settings of its own. Masters are ready a little later: ask `/readyz` on `httpPort`.
   */
  async add(
    role: ExtraRole,
    name: string,
    engineWorkerPort: number = this.ports.workers,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Extra> {
    const { folder } = this.options;
    const secret = (file: string): string => readFileSync(join(folder, file), 'utf8').trim();
    const data = join(folder, name);
    mkdirSync(data, { recursive: true });
    const httpPort = role === 'worker' ? null : await freePort();
    const workerPort = role === 'engine' ? await freePort() : null;
    const { PATH, HOME, LANG } = this.env;
    const password = this.env['MILLRACE_WORKER_PASSWORD'] ?? secret('worker-password');
    const env: NodeJS.ProcessEnv =
      role === 'worker'
        ? { PATH, HOME, LANG, MILLRACE_WORKER_PASSWORD: password }
        : {
            ...this.env,
            MILLRACE_NAME: name,
            MILLRACE_CONFIG: this.options.config,
            MILLRACE_DATA: data,
            MILLRACE_DB: this.options.database ?? `sqlite:${join(folder, 'millrace.sqlite')}`,
            MILLRACE_WORKER_PASSWORD: password,
            MILLRACE_HTTP_PORT: String(httpPort),
            MILLRACE_WORKER_PORT: String(workerPort ?? ''),
            MILLRACE_TRIGGER_PORT: String(await freePort()),
            ...(this.options.bus
              ? {}
              : {
                  MILLRACE_BUS: `ws://127.0.0.1:${this.ports.router}/ws`,
                  MILLRACE_BUS_USER: 'millrace',
                  MILLRACE_BUS_TICKET: secret('bus-ticket'),
                }),
            ...settings,
          };
    const extra = new ExtraProcess({
      name,
      script: () => join(this.releaseOf(name), SCRIPTS[role]),
      args:
        role === 'worker'
          ? ['--master', `ws://127.0.0.1:${engineWorkerPort}`, '--name', name, '--basedir', join(data, 'worker')]
          : [],
      env,
      cwd: data,
      onLine: (line) => this.lines.push(line),
    });
    this.extras.push(extra);
    return { process: extra, httpPort, workerPort };
  }

  async api<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await this.fetch(`${this.url}/api/v2${path}`, {
      ...init,
      headers: { accept: 'application/json', 'content-type': 'application/json' },
    });
    const text = await response.text();
    if (!response.ok)
      throw new OperationalError('api', `${path}: ${response.status} ${text}`, { status: response.status });
    return JSON.parse(text) as T;
  }

  /** Makes one JSON-RPC call of `/api/v2`. */
  async call<T>(path: string, method: string, params: Record<string, unknown> = {}): Promise<T> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    return (await this.api<{ result: T }>(path, { method: 'POST', body })).result;
  }

  async trigger(body: Record<string, unknown>, key?: string): Promise<Triggered> {
    const response = await this.fetch(`http://127.0.0.1:${this.ports.trigger}/trigger`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key ? { 'idempotency-key': key } : {}) },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status !== 202)
      throw new OperationalError('trigger', `${response.status} ${text}`, { status: response.status });
    return JSON.parse(text) as Triggered;
  }

  /** Ends what `millrace start` runs by Ctrl-C, and starts it anew, on the same ports and data. What `add` started runs on. */
  async restart(): Promise<void> {
    await this.end();
    await this.launch();
  }

  /** Sends a signal to the supervisor itself. */
  signalSupervisor(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /**
   * Stops the processes that `add` started, then sends Ctrl-C to the supervisor.
   * @returns its exit code; null when it did not end by itself
   */
  async stop(): Promise<number | null> {
    await Promise.all(this.extras.map((extra) => extra.stop()));
    return this.end();
  }

  /** As `fetch`. When there is no answer, what the cluster printed says why. */
  private async fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (cause) {
      const printed = this.lines.slice(-LINES_TOLD).join('\n');
      throw new OperationalError('cluster-silent', `${url}: ${messageOf(cause)}\n${printed}`, {}, { cause });
    }
  }

  private async launch(): Promise<void> {
    const { config, folder, args = [], startTimeoutMs = START_WITHIN_MS } = this.options;
    const begin = this.lines.length;
    // If this process dies, the end of the IPC channel makes the supervisor stop its children one by one.
    const child = spawn(
      process.execPath,
      [join(this.releaseOf('start'), 'apps/cli/dist/main.js'), 'start', '--config', config, ...args],
      { env: this.env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
    );
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
    await eventually(
      () => {
        if (child.exitCode !== null) throw new OperationalError('cluster-ended', `it ended with ${child.exitCode}`);
        return this.lines.slice(begin).some((line) => line.includes('Millrace is up'));
      },
      { timeoutMs: startTimeoutMs, intervalMs: 50, what: 'the start of the cluster' },
    ).catch((cause: unknown) => {
      const printed = this.lines.slice(begin).slice(-LINES_TOLD).join('\n');
      throw new OperationalError('cluster-start', `${String(cause)}\n${printed}`, {}, { cause });
    });
  }

  private releaseOf(name: string): string {
    return this.options.releaseOf?.(name) ?? ROOT;
  }

  private async end(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGINT');
      const killer = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
      await exited;
      clearTimeout(killer);
    }
    return this.child.exitCode;
  }
}

/** Returns processes that run `script` and have one of `parents` as their parent. */
function childrenOf(parents: readonly number[], script: string): number[] {
  const found: number[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || !parents.includes(Number(parent))) continue;
      if (readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(script)) found.push(Number(entry));
    } catch (error) {
      // The process ended while we looked.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return found;
}
