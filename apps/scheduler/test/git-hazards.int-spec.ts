import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { IntakeStore, type NewChange } from '@millrace/database';
import { eventually } from '@millrace/testing';
import { Repository, Site } from './site.js';

let site: Site;
let repository: Repository;
beforeEach(async () => {
  site = await Site.make();
  repository = new Repository(join(site.folder, 'repository'));
});
afterEach(() => site.close());

const poller = (name: string, options = ''): string =>
  `gitPoller({ name: '${name}', repository: '${repository.url}', pollIntervalSeconds: 0.2, ${options} })`;
const seen = (name: string): Promise<unknown> =>
  eventually(async () => (await site.heads(name))['seen'] === 'true', { timeoutMs: 20_000, what: 'a first round' });
const start = async (options = ''): Promise<void> => {
  site.configure({ changeSources: poller('r', options) });
  await site.start();
  await seen('r');
};
const state = async (name = 'r'): Promise<unknown> =>
  (await site.db.get<{ state: string }>(`SELECT state FROM change_sources WHERE name = ?`, [name]))?.state;

describe('the same change', () => {
  it('is a separate one for each of two change sources of a repository', async () => {
    repository.commit('1');
    site.configure({ changeSources: `${poller('one', `project: 'app'`)}, ${poller('two', `project: 'docs'`)}` });
    await site.start();
    await Promise.all([seen('one'), seen('two')]);
    const second = repository.commit('2');
    await Promise.all([site.took('one', 'main', second), site.took('two', 'main', second)]);
    const rows = await site.db.all(`SELECT project, revision FROM changes ORDER BY project`);
    expect(rows).toEqual([
      { project: 'app', revision: second },
      { project: 'docs', revision: second },
    ]);
  });

  it('is another one when a branch comes back to it', async () => {
    const first = repository.commit('1');
    await start();
    const second = repository.commit('2');
    await site.took('r', 'main', second);
    for (const head of [first, second, first]) {
      repository.git('reset', '--quiet', '--hard', head);
      await site.took('r', 'main', head);
    }
    expect(await site.changes('main')).toEqual([second, first, second, first]);
  });

  it('is another one when its branch was deleted and made again, or got another name', async () => {
    repository.commit('1');
    await start();
    const topic = repository.branch('topic', 'main');
    await site.took('r', 'topic', topic);
    repository.git('branch', '--quiet', '-D', 'topic');
    await eventually(async () => !('branch:topic' in (await site.heads('r'))), { what: 'topic gone' });
    repository.git('branch', 'topic', topic);
    await site.took('r', 'topic', topic);
    repository.git('branch', '--move', 'topic', 'moved');
    await site.took('r', 'moved', topic);
    expect(await site.changes('topic')).toEqual([topic, topic]);
    expect(await site.changes('moved')).toEqual([topic]);
  });

  it('is not taken in twice when a move was only partly taken in', async () => {
    const first = repository.commit('1');
    await start();
    await site.took('r', 'main', first);
    await site.stop();
    const [second, third] = [repository.commit('2'), repository.commit('3')];
    const half: NewChange = {
      ...{ dedupKey: JSON.stringify(['git', 'r', 'main', 'half', second]), revision: second, branch: 'main' },
      ...{ author: '', committer: null, comments: '', revlink: '', category: null, whenMs: 0, files: [] },
      ...{ properties: {}, repository: repository.url, project: '', codebase: '' },
    };
    await new IntakeStore(site.db).addChanges([half]);
    await site.db.run(`INSERT INTO object_state (owner, name, value) VALUES ('poller:r', 'move:main', '"half"')`);
    await site.start();
    await site.took('r', 'main', third);
    expect(await site.changes('main')).toEqual([second, third]);
    expect(await site.heads('r')).toEqual({ seen: 'true', 'branch:main': third });
  });
});

describe('an oddity in a repository', () => {
  it('is a branch whose name is no text: the others go on, and the change source reports it', async () => {
    const first = repository.commit('1');
    const odd = Buffer.concat([Buffer.from('refs/heads/caf'), Buffer.from([0xe9])]);
    await start();
    writeFileSync(
      join(repository.folder, '.git/packed-refs'),
      Buffer.concat([Buffer.from(`# pack-refs with: peeled fully-peeled sorted \n${first} `), odd, Buffer.from('\n')]),
    );
    const second = repository.commit('2');
    await site.took('r', 'main', second);
    expect(await site.changes('main')).toEqual([second]);
    await eventually(async () => (await state()) === 'partial', { what: 'the state' });
    expect(await site.db.get(`SELECT error FROM change_sources`)).toEqual({
      error: `a branch is not watched: 'caf\\xe9' (its name is not UTF-8)`,
    });
    rmSync(join(repository.folder, '.git/packed-refs'));
    await eventually(async () => (await state()) === 'ok', { what: 'the state' });
  });

  it('is a branch that cannot be fetched: the others go on', async () => {
    repository.commit('1');
    await start();
    for (let i = 0; i < 5; i++) repository.branch(`topic/${i}`, 'main');
    const broken = repository.branch('broken', 'main');
    rmSync(join(repository.folder, '.git/objects', `${broken.slice(0, 2)}/${broken.slice(2)}`));
    // The answer of upload-pack for a lost head depends on its version. A head without its parent is always refused.
    const orphaned = repository.orphanOf('b'.repeat(40));
    writeFileSync(join(repository.folder, '.git/refs/heads/orphaned'), `${orphaned}\n`);
    const second = repository.commit('2');
    await site.took('r', 'main', second);
    for (let i = 0; i < 5; i++)
      await site.took('r', `topic/${i}`, repository.git('rev-parse', `refs/heads/topic/${i}`));
    expect(await site.changes('main')).toEqual([second]);
    await eventually(async () => (await state()) === 'failing', { what: 'the state' });
  });

  it.each([
    ['1795795447000000', 253_402_300_799_000],
    ['18446744073709551615', 253_402_300_799_000],
    ['1700000000', 1_700_000_000_000],
  ])('is a commit of the time %s', async (seconds, whenMs) => {
    repository.commit('1');
    await start();
    const odd = repository.commitAt(seconds);
    await site.took('r', 'main', odd);
    const after = repository.commit('after');
    await site.took('r', 'main', after);
    expect(await site.changes('main')).toEqual([odd, after]);
    expect(await site.db.get(`SELECT when_ms AS whenMs FROM changes WHERE revision = ?`, [odd])).toEqual({ whenMs });
  });

  it.each([
    ['sha256', 'sha1'],
    ['sha1', 'sha256'],
  ])('is that its objects are named by %s where the host prefers %s', async (format, preferred) => {
    const other = new Repository(join(site.folder, 'other'), ['--object-format', format]);
    other.commit('1');
    site.configure({
      changeSources: `gitPoller({ name: 'r', repository: '${other.url}', pollIntervalSeconds: 0.2 })`,
    });
    await site.start('one', { GIT_DEFAULT_HASH: preferred });
    await seen('r');
    const second = other.commit('2');
    await site.took('r', 'main', second);
    expect(await site.changes('main')).toEqual([second]);

    // The repository is made again in the other format.
    rmSync(other.folder, { recursive: true });
    const again = new Repository(other.folder, ['--object-format', preferred]);
    const third = again.commit('3');
    await site.took('r', 'main', third);
    expect(await site.changes('main')).toEqual([second, third]);
  });
});

describe('a mirror', () => {
  const mirror = (): string => join(site.folder, 'one/git', readdirSync(join(site.folder, 'one/git'))[0]!);
  const objects = (): string[] =>
    readdirSync(join(mirror(), 'objects'), { recursive: true, encoding: 'utf8' })
      .filter((name) => /[0-9a-f]{38}$|\.pack$/.test(name))
      .map((name) => join(mirror(), 'objects', name));

  it.each<[string, () => void]>([
    ['has a lock of a git that was killed', () => writeFileSync(join(mirror(), 'shallow.lock'), '')],
    [
      'has a lock in every place',
      () => {
        for (const place of ['packed-refs', 'config', 'HEAD', 'FETCH_HEAD'])
          writeFileSync(join(mirror(), `${place}.lock`), '');
        for (const ref of readdirSync(join(mirror(), 'refs/branches')))
          writeFileSync(join(mirror(), 'refs/branches', `${ref}.lock`), '');
      },
    ],
    ['lost its HEAD', () => rmSync(join(mirror(), 'HEAD'))],
    ['has an empty HEAD', () => writeFileSync(join(mirror(), 'HEAD'), '')],
    ['has a broken configuration', () => writeFileSync(join(mirror(), 'config'), '[core')],
    [
      'has empty objects',
      () => {
        for (const path of objects()) {
          rmSync(path);
          writeFileSync(path, '');
        }
      },
    ],
    ['lost its objects', () => rmSync(join(mirror(), 'objects'), { recursive: true })],
    [
      'is a file',
      () => {
        const path = mirror();
        rmSync(path, { recursive: true });
        writeFileSync(path, '');
      },
    ],
  ])('that %s is repaired or made again', async (_what, damage) => {
    repository.commit('1');
    await start();
    const second = repository.commit('2');
    await site.took('r', 'main', second);
    damage();
    const third = repository.commit('3');
    await site.took('r', 'main', third);
    expect(await site.changes('main')).toEqual([second, third]);
    await eventually(async () => (await state()) === 'ok', { what: 'the state' });
  });
});

describe('a change source that cannot be polled', () => {
  it('reports it in the database, in /readyz, in metrics and once in the log, until it can be polled again', async () => {
    repository.commit('1');
    site.configure({ changeSources: poller('r') });
    const { url } = await site.start();
    await seen('r');
    const ready = async (): Promise<{ status: string }> =>
      (await (await fetch(`${url}/readyz`)).json()) as { status: string };
    const metric = async (): Promise<string | undefined> =>
      /^millrace_change_source_failing\{source="r"\} (\d)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
    await eventually(async () => (await state()) === 'ok', { what: 'the state' });
    // Both follow the row, a moment later.
    await eventually(async () => (await ready()).status === 'ok', { what: 'readiness to be ok' });
    expect(await metric()).toBe('0');

    repository.git('config', 'core.repositoryformatversion', '99');
    await eventually(async () => (await state()) === 'failing', { what: 'the state' });
    const row = await site.db.get<{ error: string; since: number }>(
      `SELECT error, state_since_ms AS since FROM change_sources`,
    );
    expect(row!.error).toContain('git ls-remote');
    expect(await ready()).toMatchObject({
      status: 'amber',
      ambers: [expect.stringContaining(`change source 'r': git`)],
    });
    expect(await metric()).toBe('1');

    repository.recover();
    await eventually(async () => (await state()) === 'ok', { what: 'the state' });
    expect(await ready()).toMatchObject({ status: 'ok' });
    expect(await ready()).not.toHaveProperty('ambers');
    expect(await metric()).toBe('0');
    expect(site.output.filter((line) => line.includes('poll failed'))).toHaveLength(1);
  });
});
