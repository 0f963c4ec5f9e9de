import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.js';
import { probeGreeting, type Service, serviceEnvironment, ServiceProcess, temporaryFolder } from './service-process.js';

const run = promisify(execFile);

export interface MariaDb extends Service {
  /** Makes an empty utf8mb4 database and returns its URL (`mysql://root@127.0.0.1:PORT/NAME`). */
  createDatabase(name?: string): Promise<string>;
}

export interface MariaDbOptions {
  /** Further arguments of `mariadbd`, which take precedence over ours. */
  readonly args?: readonly string[];
}

/** Starts a MariaDB server, durable as in production (`innodb_flush_log_at_trx_commit=1`), with the user root without a password. */
export async function startMariaDb(options: MariaDbOptions = {}): Promise<MariaDb> {
  const folder = await temporaryFolder('mariadb');
  const data = join(folder, 'data');
  const socket = join(folder, 'mariadb.sock');
  const port = await freePort();
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  const install = ['--auth-root-authentication-method=normal', '--skip-test-db', `--datadir=${data}`];
  await run('mariadb-install-db', ['--no-defaults', ...install, ...asRoot], {
    // Two installations at the same time would disturb each other's temporary tables.
    env: { ...serviceEnvironment(), TMPDIR: folder },
  });
  const url = `mysql://root@127.0.0.1:${port}/`;
  const service = await ServiceProcess.start({
    name: 'mariadbd',
    port,
    url,
    folder,
    command: 'mariadbd',
    args: [
      '--no-defaults',
      `--datadir=${data}`,
      `--socket=${socket}`,
      `--pid-file=${join(folder, 'mariadb.pid')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--innodb-flush-log-at-trx-commit=1',
      '--character-set-server=utf8mb4',
      ...asRoot,
      ...(options.args ?? []),
    ],
    probe: () => probeGreeting(port),
  });
  return Object.assign(service, {
    async createDatabase(name = `test_${randomBytes(6).toString('hex')}`): Promise<string> {
      const quoted = name.replaceAll('`', '``');
      const sql = `CREATE DATABASE \`${quoted}\` CHARACTER SET utf8mb4`;
      await run('mariadb', ['--no-defaults', `--socket=${socket}`, '--user=root', `--execute=${sql}`]);
      return url + encodeURIComponent(name);
    },
  });
}
