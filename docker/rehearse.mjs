/**
 * Carries out `docker/Dockerfile` without Docker: `sudo node docker/rehearse.mjs`. Each stage is an overlay over this machine's own root
 * folder, in which its steps are run (so this machine, a Debian with Node 20, stands in for the base image). Nothing outside of a temporary
 * folder is changed. Then the image's user starts roles by the entry point, and the health check asks one. It needs Linux, root, and the
 * registries of npm and Debian.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { copyOf, ignores, stagesOf } from './dockerfile.mjs';

const ROOT = join(import.meta.dirname, '..');
const INSIDE = 'REHEARSAL_FOLDER';
const ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  DEBIAN_FRONTEND: 'noninteractive',
};

async function rehearse(folder) {
  must('mount', ['-t', 'tmpfs', 'millrace-rehearsal', folder]);
  const isIgnored = ignores(readFileSync(join(ROOT, '.dockerignore'), 'utf8'));
  const done = new Map();
  for (const stage of stagesOf(readFileSync(join(ROOT, 'docker/Dockerfile'), 'utf8'))) {
    say(`── ${stage.name}, from ${stage.base}`);
    const parent = done.get(stage.base);
    const image = overlay(folder, stage.name, parent);
    done.set(stage.name, image);
    for (const { instruction, rest } of stage.steps) {
      if (instruction === 'WORKDIR') image.cwd = rest;
      else if (instruction === 'USER') image.user = rest;
      else if (instruction === 'ENTRYPOINT') image.entry = JSON.parse(rest);
      else if (instruction === 'RUN') run(image, rest);
      else if (instruction === 'COPY') copy(image, copyOf(rest), done, isIgnored);
      else if (!['VOLUME', 'STOPSIGNAL', 'HEALTHCHECK'].includes(instruction))
        throw new Error(`not rehearsed: ${instruction}`);
      if (instruction === 'WORKDIR') mkdirSync(join(image.root, rest), { recursive: true });
    }
  }
  await tryImages(done.get('millrace'), done.get('worker'));
  say('all of it went well');
}

/** Returns the overlay of a stage: its own files over its parent's over this machine's. */
function overlay(folder, name, parent) {
  const place = (kind) => join(folder, name, kind);
  for (const kind of ['own', 'work', 'root']) mkdirSync(place(kind), { recursive: true });
  const layers = [...(parent?.layers ?? []), '/'];
  const root = place('root');
  must('mount', [
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=${layers.join(':')},upperdir=${place('own')},workdir=${place('work')}`,
    root,
  ]);
  must('mount', ['-t', 'proc', 'proc', join(root, 'proc')]);
  must('mount', ['--rbind', '/dev', join(root, 'dev')]);
  cpSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'), { dereference: true });
  return {
    name,
    root,
    layers: [place('own'), ...(parent?.layers ?? [])],
    cwd: parent?.cwd ?? '/',
    user: 'root',
    entry: null,
  };
}

function run(image, command) {
  say(`   RUN ${command}`);
  must('chroot', [image.root, '/bin/sh', '-c', `cd '${image.cwd}' && ${command}`], { env: ENV });
}

function copy(image, { from, sources, target }, done, isIgnored) {
  const source = from === null ? ROOT : done.get(from).root;
  const to = join(image.root, isAbsolute(target) ? '' : image.cwd, target);
  mkdirSync(target.endsWith('/') || target === '.' ? to : dirname(to), { recursive: true });
  for (const path of sources.flatMap((one) => matching(source, one))) {
    const file = join(source, path);
    if (!existsSync(file)) throw new Error(`COPY ${path}: there is no such file in ${from ?? 'the context'}`);
    // A folder's content is copied; a file is copied itself.
    const isFolder = readdirSyncOrNull(file) !== null;
    cpSync(file, isFolder ? to : join(to, basename(file)), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (one) => from !== null || one === ROOT || !isIgnored(relative(ROOT, one)),
    });
  }
}

/** Finds the files for a pattern. A `*` occurs in names of files only. */
function matching(source, path) {
  if (!path.includes('*')) return [path];
  const [start, end] = basename(path).split('*');
  const names = readdirSync(join(source, dirname(path)));
  return names.filter((name) => name.startsWith(start) && name.endsWith(end)).map((name) => join(dirname(path), name));
}

async function tryImages(millrace, worker) {
  const data = '/var/lib/millrace';
  const port = await freePort();
  const env = {
    ...ENV,
    HOME: data,
    MILLRACE_DATA: data,
    MILLRACE_DB: `sqlite:${data}/millrace.sqlite`,
    MILLRACE_HTTP_PORT: String(port),
  };
  expectStatus(millrace, [], env, 64);
  expectStatus(millrace, ['millrace', '--help'], env, 0);
  expectStatus(millrace, ['migrate'], env, 0);
  expectStatus(worker, ['--help'], env, 0);
  for (const program of ['jest', 'eslint', 'typescript', 'turbo', 'vite', 'playwright-core', '@swc/core']) {
    if (existsSync(join(millrace.root, 'opt/millrace/node_modules', program)))
      throw new Error(`the image contains ${program}`);
  }
  say('   a ui by its entry point, as process 1 of its own');
  const ui = spawn(
    'unshare',
    ['--pid', '--fork', '--mount-proc=' + join(millrace.root, 'proc'), ...asUser(millrace, ['ui'])],
    {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    },
  );
  const ended = new Promise((resolve) => ui.once('exit', resolve));
  try {
    await delay(0);
    const child = await until(
      () => Number(readFileSync(`/proc/${ui.pid}/task/${ui.pid}/children`, 'utf8').trim()) || null,
    );
    const health = [
      '--target',
      String(child),
      '--pid',
      '--mount',
      '--root',
      '--',
      'node',
      '/opt/millrace/deploy/health.mjs',
    ];
    await until(() => spawnSync('nsenter', health, { env, stdio: 'ignore' }).status === 0 || null);
    say('   the health check is content');
    process.kill(child, 'SIGTERM');
    await Promise.race([ended, delay(10_000).then(() => Promise.reject(new Error('the ui did not end on SIGTERM')))]);
    say('   it ended when told to');
  } finally {
    if (ui.exitCode === null) process.kill(-ui.pid, 'SIGKILL');
  }
}

const asUser = (image, args) => ['chroot', `--userspec=${image.user}`, image.root, ...image.entry, ...args];

function expectStatus(image, args, env, wanted) {
  const [program, ...rest] = asUser(image, args);
  const { status, stderr } = spawnSync(program, rest, { env, encoding: 'utf8', cwd: '/' });
  say(`   ${image.name} ${args.join(' ')}: status ${status}`);
  if (status !== wanted) throw new Error(`status ${wanted} was expected: ${stderr}`);
}

function must(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `status ${status}`}`);
}

function readdirSyncOrNull(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error.code === 'ENOTDIR') return null;
    throw error;
  }
}

async function until(check, patienceMs = 30_000) {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await delay(100)) {
    const value = check();
    if (value !== null) return value;
  }
  throw new Error('it did not come true in time');
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

if (process.env[INSIDE] === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rehearsal-'));
  try {
    // The mounts are in a namespace of their own and end with it.
    const { status } = spawnSync(
      'unshare',
      ['--mount', '--propagation=private', process.execPath, import.meta.filename],
      {
        stdio: 'inherit',
        env: { ...process.env, [INSIDE]: folder },
      },
    );
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  await rehearse(process.env[INSIDE]);
}
