import { OperationalError } from '@millrace/domain';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The last two are what Twisted needs for TLS. */
const PACKAGES = ['buildbot-worker==4.3.0', 'msgpack', 'pyopenssl', 'service-identity'];
const MARKER = 'complete-with-tls';

/** Where the stock worker lives: a virtual environment below `.services` of the checkout. */
export function stockWorkerFolder(): string {
  return join(import.meta.dirname, '../../../.services/buildbot-worker');
}

/**
 * Installs buildbot-worker from PyPI where it is missing; takes half a minute then. Returns whether it is there afterwards.
 * @throws OperationalError `service-missing` with CI=true when it cannot be had
 */
export function provisionStockWorker(): boolean {
  const folder = stockWorkerFolder();
  if (existsSync(join(folder, MARKER))) return true;
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', folder]],
    [join(folder, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...PACKAGES]],
    // Last, so that an installation that was cut short is done again.
    ['touch', [join(folder, MARKER)]],
  ];
  for (const [program, args] of steps) {
    const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
    if (status === 0) continue;
    const message = `buildbot-worker cannot be installed: ${error?.message ?? stderr.trim()}`;
    if (process.env['CI'] === 'true')
      throw new OperationalError('service-missing', message, { service: 'buildbot-worker' });
    process.stderr.write(`\n*** SKIPPED, ${message} ***\n`);
    return false;
  }
  return true;
}

export interface StockWorkerOptions {
  readonly port: number;
  readonly name: string;
  readonly password: string;
  readonly basedir: string;
  /** msgpack unless told otherwise; `create-worker` itself defaults to PB. */
  readonly protocol?: 'msgpack' | 'pb';
  /** Another buildbot-worker than the provisioned one. */
  readonly program?: string;
  /** Further options of `create-worker`. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** An unmodified buildbot-worker that connects to 127.0.0.1, as a process of its own. Provision it first. */
export class StockWorker {
  /** What it has written to standard output and error. */
  log = '';
  private readonly exited: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    const gather = (chunk: Buffer): void => void (this.log += chunk.toString());
    child.stdout?.on('data', gather);
    child.stderr?.on('data', gather);
    this.exited = once(child, 'exit');
  }

  static start({
    port,
    name,
    password,
    basedir,
    protocol = 'msgpack',
    program = join(stockWorkerFolder(), 'bin/buildbot-worker'),
    options = [],
    env: more = {},
  }: StockWorkerOptions): StockWorker {
    const env = {
      PATH: `${dirname(program)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: basedir,
      LANG: 'C.UTF-8',
      ...more,
    };
    const create = [
      'create-worker',
      `--protocol=${protocol === 'pb' ? 'pb' : 'msgpack_experimental_v7'}`,
      ...options,
      basedir,
      `127.0.0.1:${port}`,
      name,
      password,
    ];
    const { status, stdout, stderr } = spawnSync(program, create, { env, encoding: 'utf8' });
    if (status !== 0)
      throw new OperationalError('stock-worker', `create-worker failed: ${stdout}${stderr}`, { status });
    return new StockWorker(
      spawn(program, ['start', '--nodaemon', '.'], { cwd: basedir, env, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  /** Its process has ended. */
  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(): Promise<void> {
    if (!this.hasExited) this.signal('SIGTERM');
    await this.exited;
  }
}
