import { OperationalError } from '@millrace/domain';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { eventually } from './services/eventually.js';

/** The last two are needed by Twisted for TLS. */
const PACKAGES = ['buildbot-worker==4.3.0', 'msgpack', 'pyopenssl', 'service-identity'];
const FRONTEND = ['buildbot-www', 'buildbot-waterfall-view', 'buildbot-console-view', 'buildbot-grid-view'];
const QUIET = ['--quiet', '--disable-pip-version-check'];
const MARKER = 'complete-with-tls';
/** The program of Debian's package `buildbot-worker`. */
const DEBIAN_PROGRAM = '/usr/bin/buildbot-worker';

/** Returns the folder of the stock worker: a virtual environment below `.services` of the checkout. */
export function stockWorkerFolder(): string {
  return join(import.meta.dirname, '../../../.services/buildbot-worker');
}

/**
 * Installs buildbot-worker from PyPI if it is missing, which takes half a minute. Returns whether it is installed afterwards.
 * @throws OperationalError `service-missing` with CI=true when it cannot be installed
 */
export function provisionStockWorker(): boolean {
  const folder = stockWorkerFolder();
  return provision('buildbot-worker', join(folder, MARKER), [
    ['python3', ['-m', 'venv', folder]],
    [join(folder, 'bin/pip'), ['install', ...QUIET, ...PACKAGES]],
  ]);
}

/** Returns the folder of Buildbot's own frontend, below `.services` of the checkout. */
export function stockFrontendFolder(): string {
  return join(import.meta.dirname, '../../../.services/buildbot-www');
}

/**
 * Fetches Buildbot's own frontend from PyPI if it is missing. Returns whether it is there afterwards.
 * @throws OperationalError `service-missing` with CI=true when it cannot be fetched
 */
export function provisionStockFrontend(): boolean {
  if (!provisionStockWorker()) return false;
  const folder = stockFrontendFolder();
  const packages = FRONTEND.map((name) => `${name}==4.3.0`);
  return provision('buildbot-www', join(folder, MARKER), [
    [
      join(stockWorkerFolder(), 'bin/pip'),
      ['install', ...QUIET, '--no-deps', '--upgrade', '--target', folder, ...packages],
    ],
  ]);
}

function provision(what: string, marker: string, steps: readonly [string, string[]][]): boolean {
  if (existsSync(marker)) return true;
  // The marker comes last, so that an installation that was cut short is repeated.
  for (const [program, args] of [...steps, ['touch', [marker]] as const]) {
    const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
    if (status === 0) continue;
    return missing(`${what} cannot be installed: ${error?.message ?? stderr.trim()}`);
  }
  return true;
}

function missing(message: string): false {
  if (process.env['CI'] === 'true')
    throw new OperationalError('service-missing', message, { service: 'buildbot-worker' });
  process.stderr.write(`\n*** SKIPPED, ${message} ***\n`);
  return false;
}

export type StockProtocol = 'msgpack' | 'pb';

/** One version of a stock worker with one protocol. */
export interface StockKind {
  /** Such as `3.7.0-pb`. */
  readonly name: string;
  readonly version: string;
  readonly protocol: StockProtocol;
  readonly program: string;
}

/**
 * Returns the newest buildbot-worker and Debian's, each over both protocols, as far as they are installed.
 * @throws OperationalError `service-missing` with CI=true when one is not
 */
export function stockKinds(): StockKind[] {
  const programs: [string, string][] = [];
  if (provisionStockWorker()) programs.push(['4.3.0', join(stockWorkerFolder(), 'bin/buildbot-worker')]);
  if (existsSync(DEBIAN_PROGRAM)) programs.push([debianVersion(), DEBIAN_PROGRAM]);
  else missing("Debian's buildbot-worker is not installed");
  return programs.flatMap(([version, program]) =>
    (['msgpack', 'pb'] as const).map((protocol) => ({ name: `${version}-${protocol}`, version, protocol, program })),
  );
}

function debianVersion(): string {
  const { stdout } = spawnSync(DEBIAN_PROGRAM, ['--version'], { encoding: 'utf8' });
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? 'debian';
}

export interface StockWorkerOptions {
  readonly port: number;
  readonly name: string;
  readonly password: string;
  readonly basedir: string;
  /** Default msgpack; `create-worker` itself defaults to PB. */
  readonly protocol?: StockProtocol;
  /** Another buildbot-worker than the provisioned one. */
  readonly program?: string;
  /** Further options of `create-worker`. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Prepared {
  readonly program: string;
  readonly basedir: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Sets a worker up with `create-worker`, with the options that the manual recommends. */
function prepared({ basedir, ...rest }: StockWorkerOptions): Prepared {
  const program = rest.program ?? join(stockWorkerFolder(), 'bin/buildbot-worker');
  const env = { PATH: `${dirname(program)}:/usr/local/bin:/usr/bin:/bin`, HOME: basedir, LANG: 'C.UTF-8', ...rest.env };
  return { program, basedir, env };
}

function createArguments({ port, name, password, basedir, protocol, options = [] }: StockWorkerOptions): string[] {
  const flag = `--protocol=${protocol === 'pb' ? 'pb' : 'msgpack_experimental_v7'}`;
  return ['create-worker', flag, ...options, basedir, `127.0.0.1:${port}`, name, password];
}

function assertSucceeded(what: string, status: number | null, output: string): void {
  if (status !== 0) throw new OperationalError('stock-worker', `${what} failed: ${output}`, { status });
}

/** An unmodified buildbot-worker that connects to 127.0.0.1, as a process of its own. Provision it first. */
export class StockWorker {
  /** Everything that the worker has written to standard output and error. */
  log = '';
  private child: ChildProcess;
  private exited: Promise<unknown>;

  private constructor(private readonly prepared: Prepared) {
    [this.child, this.exited] = this.launch();
  }

  static start(options: StockWorkerOptions): StockWorker {
    const worker = prepared(options);
    const { status, stdout, stderr } = spawnSync(worker.program, createArguments(options), {
      ...worker,
      encoding: 'utf8',
    });
    assertSucceeded('create-worker', status, stdout + stderr);
    return new StockWorker(worker);
  }

  /** Null once the process has ended. */
  get pid(): number | null {
    return this.hasExited ? null : (this.child.pid ?? null);
  }

  /** Whether the process has ended. */
  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<void> {
    await this.exited;
  }

  async stop(): Promise<void> {
    if (!this.hasExited) this.signal('SIGTERM');
    await this.exited;
  }

  /** Starts the worker again after it has ended. */
  restart(): void {
    [this.child, this.exited] = this.launch();
  }

  private launch(): [ChildProcess, Promise<unknown>] {
    const { program, basedir: cwd, env } = this.prepared;
    const child = spawn(program, ['start', '--nodaemon', '.'], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const gather = (chunk: Buffer): void => void (this.log += chunk.toString());
    child.stdout.on('data', gather);
    child.stderr.on('data', gather);
    return [child, once(child, 'exit')];
  }
}

/** A stock worker as a daemon: `buildbot-worker start`. */
export class StockDaemon {
  private constructor(private readonly prepared: Prepared) {}

  static async start(options: StockWorkerOptions): Promise<StockDaemon> {
    const daemon = new StockDaemon(prepared(options));
    await daemon.run(createArguments(options), '/');
    await daemon.start();
    return daemon;
  }

  /** Null when the daemon does not run. */
  get pid(): number | null {
    const file = join(this.prepared.basedir, 'twistd.pid');
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : null;
  }

  /** Resolves when the worker says that it is attached. `buildbot-worker start` waits for that, but gives up after ten seconds. */
  async start(): Promise<void> {
    const before = this.log().length;
    const { status, output } = await this.tried(['start', '.']);
    if (status === 0) return;
    if (!output.includes('took more than 10 seconds')) assertSucceeded('start', status, output);
    const isAttached = (): void => {
      const said = this.log().slice(before);
      if (!said.includes('message from master: attached')) throw new Error(said.slice(-2000));
    };
    await eventually(isAttached, { what: 'the message that it is attached' });
  }

  async stop(): Promise<void> {
    if (this.pid !== null) await this.run(['stop', '.']);
  }

  /** Everything that the worker has written. */
  private log(): string {
    const file = join(this.prepared.basedir, 'twistd.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  private async run(args: readonly string[], cwd?: string): Promise<void> {
    const { status, output } = await this.tried(args, cwd);
    assertSucceeded(args[0]!, status, output);
  }

  private async tried(
    args: readonly string[],
    cwd = this.prepared.basedir,
  ): Promise<{ status: number | null; output: string }> {
    const { program, env } = this.prepared;
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => void (output += chunk.toString()));
    // Not 'close': the daemon keeps the inherited streams open.
    const [status] = (await once(child, 'exit')) as [number | null];
    return { status, output };
  }
}
