import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { OperationalError } from '@millrace/domain';
import { serviceEnvironment } from './service-process.js';
import { crossbarFolder } from './wamp.js';

export type ServiceName =
  | 'mariadb'
  | 'nats'
  | 'crossbar'
  | 'chromium'
  | 'debian-worker'
  | 'haproxy'
  | 'systemd-analyze'
  | 'git-lfs'
  | 'sshd'
  | 'slapd';

const BINARIES: Readonly<Record<ServiceName, readonly string[]>> = {
  mariadb: ['mariadbd', 'mariadb-install-db', 'mariadb'],
  nats: ['nats-server'],
  crossbar: [],
  chromium: ['chromium'],
  haproxy: ['haproxy'],
  'systemd-analyze': ['systemd-analyze'],
  'git-lfs': ['git-lfs'],
  sshd: ['sshd', 'ssh-keygen'],
  slapd: ['slapd', 'slapadd'],
  'debian-worker': ['/usr/bin/buildbot-worker'],
};

/**
 * Whether a service's programs are installed. A test that needs them uses `(requireService('nats') ? describe : describe.skip)('…', …)`.
 *
 * @throws OperationalError `service-missing` when CI=true: there a skipped suite is a failure
 */
export function requireService(name: ServiceName): boolean {
  const wanted = name === 'crossbar' ? [join(crossbarFolder(), 'bin', 'crossbar')] : BINARIES[name];
  const missing = wanted.filter((binary) => !findProgram(binary));
  if (missing.length === 0) return true;
  const message = `${name}: ${missing.join(', ')} not found; run 'npm run provision'`;
  if (process.env['CI'] === 'true') throw new OperationalError('service-missing', message, { service: name, missing });
  process.stderr.write(`\n*** SKIPPED, tests need ${message} ***\n`);
  return false;
}

/**
 * Whether the machine itself has what a test needs: root, a kernel feature.
 * @returns `isThere`
 * @throws OperationalError `machine-unfit` when CI=true
 */
export function requireOfMachine(isThere: boolean, what: string): boolean {
  if (isThere) return true;
  if (process.env['CI'] === 'true') throw new OperationalError('machine-unfit', `tests need ${what}`, { what });
  process.stderr.write(`\n*** SKIPPED, tests need ${what} ***\n`);
  return false;
}

function findProgram(program: string): boolean {
  const path = serviceEnvironment()['PATH']!.split(delimiter);
  const candidates = program.includes('/') ? [program] : path.map((folder) => join(folder, program));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
