import { spawn, spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CodebaseReads, EVERYTHING, withFilter } from '@millrace/database';
import { eventually, requireService, type Sshd, startSshd } from '@millrace/testing';
import { Repository, Site } from './site.js';

let site: Site;
let repository: Repository;
beforeEach(async () => {
  site = await Site.make();
  repository = new Repository(join(site.folder, 'repository'));
});
afterEach(() => site.close());

const poll = (options = ''): void =>
  site.configure({
    changeSources: `gitPoller({ name: 'r', repository: '${repository.url}', pollIntervalSeconds: 0.2, ${options} })`,
  });
const firstRound = (): Promise<unknown> =>
  eventually(async () => (await site.heads('r'))['seen'] === 'true', { timeoutMs: 20_000, what: 'a first round' });

/** Starts `git http-backend` for all repositories in a folder, with one user. */
async function startForge(folder: string, username: string, password: string) {
  const wanted = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const { pathname, search } = new URL(request.url!, 'http://forge');
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

describe('a polled repository', () => {
  it('records commits with their first parents, where the codebase is configured', async () => {
    repository.commit('1');
    site.configure({
      projects: `{ name: 'p' }`,
      codebases: `{ name: 'app', project: 'p' }`,
      changeSources: `gitPoller({ name: 'r', repository: '${repository.url}', pollIntervalSeconds: 0.2, project: 'p', codebase: 'app' })`,
    });
    await site.start();
    await firstRound();
    const topic = repository.branch('topic', 'main');
    await site.took('r', 'topic', topic);
    const second = repository.commit('2');
    repository.git('merge', '--quiet', '--no-ff', '--message', 'merged', 'topic');
    const merge = repository.git('rev-parse', 'HEAD');
    await site.took('r', 'main', merge);
    const reads = new CodebaseReads(site.db);
    const [codebase] = await reads.codebases();
    const { rows } = await reads.commits(withFilter(EVERYTHING, 'codebaseid', codebase!.codebaseid));
    const idOf = (revision: string) => rows.find((row) => row.revision === revision)?.commitid;
    expect(idOf(second)).toBeDefined();
    expect(rows.find(({ revision }) => revision === merge)).toMatchObject({
      parent_commitid: idOf(second),
      comments: 'merged',
    });
    const branches = await reads.branches(withFilter(EVERYTHING, 'codebaseid', codebase!.codebaseid));
    expect(Object.fromEntries(branches.rows.map(({ name, commitid }) => [name, commitid]))).toEqual({
      topic: idOf(topic),
      main: idOf(merge),
    });
  });

  it('takes in no old history: a branch from an earlier commit brings its own commits only', async () => {
    for (const message of ['1', '2', '3']) repository.commit(message);
    poll();
    await site.start();
    await firstRound();
    const topic = repository.branch('topic', 'main~1');
    await site.took('r', 'topic', topic);
    expect(await site.changes('topic')).toEqual([topic]);

    const pages = repository.orphan('pages');
    await site.took('r', 'pages', pages);
    expect(await site.changes('pages')).toEqual([pages]);
  });

  it('is taken over by another scheduler with an empty mirror, from where the first one was', async () => {
    for (const message of ['1', '2', '3']) repository.commit(message);
    poll();
    const one = await site.start('one');
    await firstRound();
    await site.start('two');
    const next = repository.commit('4');
    await site.took('r', 'main', next);
    await one.process.stop();

    const topic = repository.branch('topic', 'main~2');
    await site.took('r', 'topic', topic);
    const fifth = repository.commit('5');
    await site.took('r', 'main', fifth);
    expect(await site.changes('main')).toEqual([next, fifth]);
    expect(await site.changes('topic')).toEqual([topic]);
  });

  it('takes in only the head of a branch whose former head does not exist any more', async () => {
    for (const message of ['1', '2', '3']) repository.commit(message);
    poll();
    const one = await site.start('one');
    await firstRound();
    await one.process.stop();

    repository.git('reset', '--quiet', '--hard', 'main~2');
    const rewritten = ['2, again', '3, again'].map((message) => repository.commit(message));
    const topic = repository.branch('topic', 'main~1');
    repository.git('reflog', 'expire', '--expire=now', '--all');
    repository.git('gc', '--quiet', '--prune=now');
    await site.start('two');
    await site.took('r', 'main', rewritten[1]!);
    await site.took('r', 'topic', topic);
    expect(await site.changes('main')).toEqual([rewritten[1]]);
    expect(await site.changes('topic')).toEqual([topic]);
  });

  it('takes in the first commit of an empty repository, and a branch that was deleted and made again', async () => {
    poll();
    await site.start();
    await firstRound();
    const first = repository.commit('1');
    await site.took('r', 'main', first);
    expect(await site.changes('main')).toEqual([first]);

    repository.git('checkout', '--quiet', '--detach');
    repository.git('branch', '--quiet', '-D', 'main');
    await eventually(async () => !('branch:main' in (await site.heads('r'))), { what: 'main gone' });
    const second = repository.commit('2');
    repository.git('checkout', '--quiet', '-b', 'main');
    await site.took('r', 'main', second);
    expect(await site.changes('main')).toEqual([first, second]);
  });

  it('ignores a branch whose name is too long, and takes in one that replaces another', async () => {
    repository.commit('1');
    poll('buildHeadsOnFirstSight: true');
    const long = 'l'.repeat(200);
    repository.branch(long, 'main');
    await site.start();
    await firstRound();
    expect(await site.changes(long)).toEqual([]);
    const warned = () => site.output.filter((line) => line.includes('longer than 183 characters'));
    await eventually(() => warned().length === 1, { what: 'the warning' });

    const topic = repository.branch('topic', 'main');
    await site.took('r', 'topic', topic);
    repository.git('branch', '--quiet', '-D', 'topic');
    const below = repository.branch('topic/one', 'main');
    await site.took('r', 'topic/one', below);
    expect(await site.changes('topic/one')).toEqual([below]);
    expect(warned()).toHaveLength(1);
  });

  it('asks a callback which branches to watch', async () => {
    repository.commit('1');
    poll(`buildHeadsOnFirstSight: true, branches: (name) => name.startsWith('release/')`);
    const release = repository.branch('release/1', 'main');
    await site.start();
    await firstRound();
    expect(await site.heads('r')).toEqual({ seen: 'true', 'branch:release/1': release });
    expect(await site.changes('release/1')).toEqual([release]);
    expect(await site.changes('main')).toEqual([]);
  });

  it('watches the other branches when the callback fails for one, and forgets neither', async () => {
    const first = repository.commit('1');
    poll(`branches: (name) => { if (name === 'odd') process.exit(3); return true; }`);
    repository.branch('odd', 'main');
    await site.start();
    await firstRound();
    const second = repository.commit('2');
    await site.took('r', 'main', second);
    expect(await site.changes('main')).toEqual([second]);
    expect(await site.heads('r')).toEqual({ seen: 'true', 'branch:main': second });
    expect(first).not.toBe(second);
    const warned = site.output.filter((line) => line.includes('not watched'));
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain(`'odd' ('branches' failed for it`);
  });

  it('with credentials gets them, and no other does', async () => {
    const forge = await startForge(site.folder, 'ci', 'hunter2-tëst');
    try {
      repository.commit('1');
      repository.git('update-server-info');
      site.configure({
        changeSources: `gitPoller({ name: 'r', repository: '${forge.url}/repository/.git', pollIntervalSeconds: 0.2, buildHeadsOnFirstSight: true,
          credentials: { username: 'ci', password: 'hunter2-tëst' } }),
          gitPoller({ name: 'wrong', repository: '${forge.url}/repository/.git', pollIntervalSeconds: 0.2, credentials: { password: 'hunter2-wrong' } })`,
      });
      await site.start();
      await firstRound();
      const second = repository.commit('2');
      await site.took('r', 'main', second);
      await eventually(() => site.output.some((line) => line.includes('poll failed')), { what: 'a refusal' });
      expect(site.output.join('\n')).not.toContain('hunter2');
      const grep = spawnSync('grep', ['-rlF', 'hunter2', site.folder], { encoding: 'utf8' });
      const found = grep.stdout.split('\n').filter(Boolean);
      const kept = found.filter((path) => basename(dirname(path)) === 'revisions');
      expect(found.filter((path) => !kept.includes(path))).toEqual([site.config]);
      // What was written into the file is in the copy that is kept of it, which is for its user only.
      expect(kept.map((path) => statSync(path).mode & 0o077)).toEqual([0]);
    } finally {
      await forge.close();
    }
  });

  it('reports each reason for which it cannot be polled', async () => {
    repository.commit('1');
    poll();
    const { process: scheduler } = await site.start();
    const said = (what: string) => () =>
      site.output.some((line) => line.includes('poll failed') && line.includes(what));
    await firstRound();
    repository.git('config', 'core.repositoryformatversion', '99');
    await eventually(said('git ls-remote'), { what: 'the repository' });
    expect(scheduler.pid).not.toBeNull();
  });
});

describe('the tags of a repository', () => {
  const hasSeenTags = (name: string): Promise<unknown> =>
    eventually(async () => (await site.heads(name))['seen-tags'] === 'true', { timeoutMs: 20_000, what: 'the tags' });

  it('become one change each when they appear or move, and those of the first round are only remembered', async () => {
    const first = repository.commit('1');
    repository.git('tag', 'old');
    poll(`buildHeadsOnFirstSight: true, tags: true`);
    await site.start();
    await hasSeenTags('r');
    expect(await site.changes('main')).toEqual([first]);
    const [second, third] = [repository.commit('2'), repository.commit('3')];
    repository.git('tag', '--annotate', '--message', 'one', 'v1', second);
    repository.git('tag', 'of-a-file', repository.git('hash-object', '-w', '-t', 'blob', '/dev/null'));
    await site.took('r', 'main', third);
    await site.took('r', 'refs/tags/v1', second);
    repository.git('tag', '--force', '--annotate', '--message', 'one again', 'v1', third);
    await site.took('r', 'refs/tags/v1', third);
    expect(await site.changes('main')).toEqual([first, second, third]);
    expect(await site.changes('refs/tags/v1')).toEqual([second, third]);
    expect(await site.changes('refs/tags/old')).toEqual([]);
    expect(await site.changes('refs/tags/of-a-file')).toEqual([]);
    repository.git('tag', '--delete', 'v1');
    await eventually(async () => !('branch:refs/tags/v1' in (await site.heads('r'))), { what: 'v1 gone' });
  });

  it('are chosen as branches are, by several pollers of one repository', async () => {
    repository.commit('1');
    const poller = (name: string, options: string): string =>
      `gitPoller({ name: '${name}', repository: '${repository.url}', pollIntervalSeconds: 0.2, project: '${name}', ${options} })`;
    site.configure({
      changeSources: [
        poller('releases', `onlyTags: true, tags: /^v[0-9]/`),
        poller('named', `branches: ['main'], tags: ['v1', 'x1']`),
        poller('called', `onlyTags: true, tags: (name) => name === 'x1'`),
        poller('matched', `branches: /^mai(?=n)/`),
        poller('every', `branches: true`),
      ].join(),
    });
    await site.start();
    await Promise.all(['releases', 'named', 'called'].map(hasSeenTags));
    await Promise.all(
      ['named', 'matched', 'every'].map((name) =>
        eventually(async () => 'branch:main' in (await site.heads(name)), { what: `${name} began`, timeoutMs: 20_000 }),
      ),
    );
    const second = repository.commit('2');
    for (const tag of ['v1', 'x1', 'x2']) repository.git('tag', tag);
    const topic = repository.branch('topic', 'main');
    const expected = {
      releases: { 'refs/tags/v1': second },
      named: { main: second, 'refs/tags/v1': second, 'refs/tags/x1': second },
      called: { 'refs/tags/x1': second },
      matched: { main: second },
      every: { main: second, topic },
    };
    for (const [name, refs] of Object.entries(expected))
      for (const [ref, head] of Object.entries(refs)) await site.took(name, ref, head);
    const rows = await site.db.all<{ project: string; branch: string; revision: string }>(
      `SELECT project, branch, revision FROM changes`,
    );
    const changes: Record<string, Record<string, string>> = {};
    for (const { project, branch, revision } of rows) (changes[project] ??= {})[branch] = revision;
    expect(changes).toEqual(expected);
    expect(rows).toHaveLength(8);
  });

  it('are seen for the first time when they are watched later', async () => {
    const first = repository.commit('1');
    repository.git('tag', 'v1');
    poll();
    const one = await site.start('one');
    await firstRound();
    await one.process.stop();
    poll(`tags: true`);
    await site.start('two');
    await site.took('r', 'refs/tags/v1', first);
    await hasSeenTags('r');
    expect(await site.changes('refs/tags/v1')).toEqual([]);
  });
});

(requireService('sshd') ? describe : describe.skip)('a repository over SSH', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  it('is polled with a key, from a server that is known, and the state of a source says why it is not', async () => {
    repository.commit('1');
    const address = `${sshd.url}${repository.folder}`;
    const file = join(site.folder, 'key');
    writeFileSync(file, sshd.privateKey, { mode: 0o600 });
    const other = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, 7)]).toString('base64')}`;
    const hosts = `[127.0.0.1]:${new URL(sshd.url).port} ${sshd.hostKey}`;
    const poller = (name: string, options: string): string =>
      `gitPoller({ name: '${name}', repository: '${address}', pollIntervalSeconds: 0.2, ${options} })`;
    site.configure({
      changeSources: [
        poller('r', `sshPrivateKeyEnv: 'KEY', sshHostKey: '${sshd.hostKey}'`),
        poller('by file', `sshPrivateKeyFile: '${file}', sshKnownHosts: '${hosts}'`),
        poller('wrong host', `sshPrivateKeyEnv: 'KEY', sshHostKey: '${other}'`),
        poller('wrong key', `sshPrivateKeyEnv: 'OTHER', sshHostKey: '${sshd.hostKey}'`),
        poller('no key', `sshPrivateKeyFile: '${file}.gone', sshHostKey: '${sshd.hostKey}'`),
      ].join(),
    });
    await site.start('one', { KEY: sshd.privateKey, OTHER: sshd.otherPrivateKey });
    await firstRound();
    const second = repository.commit('2');
    await site.took('r', 'main', second);
    await site.took('by file', 'main', second);
    const problem = async (name: string): Promise<string> => {
      const row = await site.db.get<{ error: string | null }>(`SELECT error FROM change_sources WHERE name = ?`, [
        name,
      ]);
      return row?.error ?? '';
    };
    for (const [name, why] of [
      ['wrong host', "Host key verification failed: the server's key is SHA256:"],
      ['wrong key', 'Permission denied (publickey)'],
      ['no key', 'Permission denied (publickey)'],
    ] as const)
      await eventually(async () => (await problem(name)).includes(why), { what: `${name}: ${why}`, timeoutMs: 20_000 });
    expect(await site.heads('wrong host')).toEqual({});
    await site.stop();
    const secret = sshd.privateKey.split('\n')[2]!;
    const found = spawnSync('grep', ['-rlF', secret, site.folder], { encoding: 'utf8' });
    expect(found.stdout.split('\n').filter(Boolean)).toEqual([file]);
    expect(site.output.join('\n')).not.toContain(secret);
  });
});
