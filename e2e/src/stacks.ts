import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  Cluster,
  type MariaDb,
  requireService,
  type Service,
  startCrossbar,
  startMariaDb,
  startNats,
} from '@millrace/testing';

export const ROOT = join(import.meta.dirname, '../..');
export const CLI = cliOf(ROOT);

/** The kinds of database and bus that a cluster uses. */
export type StackName = 'embedded' | 'MariaDB + crossbar' | 'MariaDB + NATS';

export interface Stack {
  readonly name: StackName;
  readonly folder: string;
  readonly database: string | null;
  readonly bus: Service | null;
  start(
    config: string,
    env?: Readonly<Record<string, string>>,
    args?: readonly string[],
    releaseOf?: (name: string) => string,
  ): Promise<Cluster>;
  stop(): Promise<void>;
}

/** Returns the stacks whose servers are installed. Under CI a missing one is an error. */
export function availableStacks(): StackName[] {
  const names: StackName[] = ['embedded'];
  const mariadb = requireService('mariadb');
  if (mariadb && requireService('crossbar')) names.push('MariaDB + crossbar');
  if (mariadb && requireService('nats')) names.push('MariaDB + NATS');
  return names;
}

/**
 * Starts database and bus.
 * @param root of the Millrace whose schema the database gets
 */
export async function startStack(name: StackName, root: string = ROOT): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
  let mariadb: MariaDb | null = null;
  let database: string | null = null;
  let bus: Service | null = null;
  if (name !== 'embedded') {
    mariadb = await startMariaDb();
    database = await mariadb.createDatabase();
    bus = name === 'MariaDB + NATS' ? await startNats() : await startCrossbar();
    const { status, stderr } = run(cliOf(root), ['db', 'migrate', '--database', database]);
    if (status !== 0) throw new Error(`db migrate ended with ${status}: ${stderr}`);
  }
  return {
    name,
    folder,
    database,
    bus,
    start: (config, env = {}, args = [], releaseOf = () => ROOT) =>
      Cluster.start({
        releaseOf,
        config,
        args,
        folder,
        ...(database ? { database } : {}),
        ...(bus ? { bus: bus.url } : {}),
        env: { MILLRACE_LEASE_MS: '3000', ...env },
      }),
    async stop() {
      await bus?.stop();
      await mariadb?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Runs the command line client without blocking the test. `hear` is called with all that it has printed so far.
 * @returns what it printed
 */
export async function millraceSoon(
  args: readonly string[],
  hear: (stdout: string) => void = () => undefined,
): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => hear((stdout += more)));
  const [stderr, status] = await Promise.all([
    text(child.stderr),
    new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1))),
  ]);
  return { status, stdout, stderr };
}

/**
 * Runs the command line client.
 * @returns what it printed
 */
export function millrace(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { status: number; stdout: string; stderr: string } {
  return run(CLI, args, env);
}

function run(
  cli: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { status: number; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  });
  return { status: status ?? -1, stdout, stderr };
}

function cliOf(root: string): string {
  return join(root, 'apps/cli/dist/main.js');
}

export const FIXTURES = join(ROOT, 'e2e/fixtures');
