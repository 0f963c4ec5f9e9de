// Installs what the tests need beside npm packages: MariaDB, nats-server, Chromium, HAProxy, systemd-analyze, sshd, git-lfs, slapd and an old
// buildbot-worker from Debian, crossbar.io from PyPI. It is fast and silent about what is installed already. With CI=true a missing program
// is a failure, on a laptop it is reported.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const CROSSBAR = 'crossbar==26.10.1';
const APT = [
  { pkg: 'mariadb-server', programs: ['mariadbd', 'mariadb-install-db', 'mariadb'] },
  { pkg: 'nats-server', programs: ['nats-server'] },
  { pkg: 'chromium', programs: ['chromium'] },
  { pkg: 'haproxy', programs: ['haproxy'] },
  { pkg: 'systemd', programs: ['systemd-analyze'] },
  { pkg: 'openssh-server', programs: ['sshd', 'ssh-keygen'] },
  { pkg: 'git-lfs', programs: ['git-lfs'] },
  { pkg: 'slapd', programs: ['slapd', 'slapadd'] },
  { pkg: 'buildbot-worker', programs: ['/usr/bin/buildbot-worker'] },
];

const root = join(import.meta.dirname, '..');
const venv = join(root, '.services', 'crossbar');
const searchPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];

const isExecutable = (file) => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};
const find = (program) =>
  program.startsWith('/')
    ? isExecutable(program)
    : searchPath.map((folder) => join(folder, program)).find(isExecutable);
const say = (text) => process.stdout.write(`provision: ${text}\n`);

/** Runs a command with its output shown. Resolves to whether it succeeded. */
function run(command, args, env = {}) {
  say(`$ ${command} ${args.join(' ')}`);
  const startedAt = Date.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } });
    const progress = setInterval(() => say(`… ${Math.round((Date.now() - startedAt) / 1000)} s`), 15_000);
    const done = (ok) => {
      clearInterval(progress);
      resolve(ok);
    };
    child.once('error', (error) => {
      say(error.message);
      done(false);
    });
    child.once('exit', (code) => done(code === 0));
  });
}

const missingPackages = () => APT.filter(({ programs }) => !programs.every(find)).map(({ pkg }) => pkg);

/** Installs packages without letting Debian start their services: tests start their own. */
async function installPackages(packages) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !isExecutable(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update', '-q'], quiet);
    await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], quiet);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

/** Whether the venv holds exactly this version, according to pip. An interrupted install is repeated. */
function crossbarIsInstalled() {
  if (!isExecutable(join(venv, 'bin', 'crossbar'))) return false;
  const version = "from importlib.metadata import version; print('crossbar==' + version('crossbar'))";
  const { stdout } = spawnSync(join(venv, 'bin', 'python'), ['-c', version], { encoding: 'utf8' });
  return stdout?.trim() === CROSSBAR;
}

async function installCrossbar() {
  const isRecent = (python) =>
    spawnSync(python, ['-c', 'import sys; sys.exit(sys.version_info < (3, 11))']).status === 0;
  const python = ['python3', 'python3.13', 'python3.12', 'python3.11'].find((name) => find(name) && isRecent(name));
  if (!python) return say('no Python of at least 3.11 for crossbar.io');
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(venv, { recursive: true });
  if (!(await run(python, ['-m', 'venv', venv]))) return say('python3-venv is missing');
  say('installing crossbar.io, which takes a minute or two');
  await run(join(venv, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', CROSSBAR]);
}

const startedAt = Date.now();
let packages = missingPackages();
if (packages.length > 0) {
  if (process.getuid?.() === 0 && find('apt-get')) await installPackages(packages);
  else say(`not root, or no apt-get: install these yourself: ${packages.join(' ')}`);
  packages = missingPackages();
}
if (!crossbarIsInstalled()) await installCrossbar();

const missing = [...packages, ...(crossbarIsInstalled() ? [] : [CROSSBAR])];
if (missing.length === 0) {
  say(`everything is there (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
} else {
  say(`*** MISSING: ${missing.join(', ')} — tests that need them are skipped here and fail under CI=true ***`);
  if (process.env.CI === 'true') process.exitCode = 1;
}
