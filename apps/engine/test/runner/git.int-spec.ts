import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { eventually, freePort, requireService } from '@millrace/testing';
import { Runners } from './git-builder.js';

const run = promisify(execFile);
const SUCCESS = { kind: 'finished', results: Result.SUCCESS };
const FAILURE = { kind: 'finished', results: Result.FAILURE };

let folder: string;
let runners: Runners;
let daemon: ChildProcess;
let port: number;

/** Returns an address of the daemon. Git does not allow submodules over its protocol for files by default. */
const served = (name: string): string => `git://127.0.0.1:${port}/${name}`;
const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

class Repository {
  readonly folder: string;

  constructor(readonly name: string) {
    this.folder = join(folder, 'served', name);
  }

  static async make(name: string): Promise<Repository> {
    const made = new Repository(name);
    await mkdir(made.folder, { recursive: true });
    await made.git('init', '--quiet', '--initial-branch=main');
    await made.commit('a.txt', 'one');
    return made;
  }

  get url(): string {
    return pathToFileURL(this.folder).href;
  }

  async git(...args: string[]): Promise<string> {
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'protocol.file.allow=always'];
    return (await run('git', ['-C', this.folder, ...identity, ...args])).stdout.trim();
  }

  /**
   * Makes a commit.
   * @returns the revision
   */
  async commit(file: string, text: string): Promise<string> {
    await writeFile(join(this.folder, file), text);
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--message', `change ${file}`);
    return await this.git('rev-parse', 'HEAD');
  }

  async addSubmodule(url: string, path: string): Promise<void> {
    await this.git('submodule', '--quiet', 'add', url, path);
    await this.git('commit', '--quiet', '--message', `with ${path}`);
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-git-'));
  await mkdir(join(folder, 'served'));
  runners = new Runners(folder);
  port = await freePort();
  const args = ['daemon', '--reuseaddr', `--base-path=${join(folder, 'served')}`, '--export-all', '--listen=127.0.0.1'];
  // A process group of its own: git runs the daemon itself as another process.
  daemon = spawn('git', [...args, `--port=${port}`], { stdio: 'ignore', detached: true });
  await Repository.make('any');
  await eventually(
    () =>
      run('git', ['ls-remote', served('any')]).then(
        () => true,
        () => false,
      ),
    { what: 'the daemon' },
  );
});
afterAll(async () => {
  await runners.close();
  const ended = once(daemon, 'exit');
  process.kill(-daemon.pid!, 'SIGKILL');
  await ended;
  await rm(folder, { recursive: true });
});

type Built = Awaited<ReturnType<Awaited<ReturnType<Runners['builderWith']>>['build']>>;
const gotRevision = ({ host }: Built): unknown => host.properties['got_revision']?.[0];
const stateOf = ({ host }: Built): string | null => host.steps[0]!.stateString;
/** Whether the checkout was removed and made again. */
const wasRemade = ({ host }: Built): boolean => host.events.includes('command rmdir');

describe('what was wanted', () => {
  let app: Repository;
  const ids: Record<string, string> = {};
  beforeAll(async () => {
    app = await Repository.make('wanted');
    ids['first'] = await app.git('rev-parse', 'HEAD');
    await app.git('tag', 'light');
    ids['second'] = await app.commit('a.txt', 'two');
    await app.git('tag', '--annotate', '--message=x', 'v1.0');
    ids['main'] = await app.commit('a.txt', 'three');
    await app.git('checkout', '--quiet', '-b', 'side', ids['first']);
    ids['side'] = await app.commit('b.txt', 'side');
    await app.git('update-ref', 'refs/pull/7/head', ids['side']);
    await app.git('tag', '20240101');
    await app.git('checkout', '--quiet', 'main');
  });

  const wanted: readonly [string, string | null, string | null, string][] = [
    ['the default branch', null, null, 'main'],
    ['a branch', 'side', null, 'side'],
    ['a tag as a branch', 'light', null, 'first'],
    ['an annotated tag as a branch', 'v1.0', null, 'second'],
    ['a tag by its full name', 'refs/tags/v1.0', null, 'second'],
    ['a request of a forge', 'refs/pull/7/head', null, 'side'],
    ['the same without its beginning', 'pull/7/head', null, 'side'],
    ['a tag as a revision', 'main', 'v1.0', 'second'],
    ['a tag of digits as a revision', 'main', '20240101', 'side'],
    ['a branch as a revision', null, 'side', 'side'],
    ['the beginning of an id', 'main', 'first/7', 'first'],
    ['the beginning of an id of another branch', 'main', 'side/10', 'side'],
    ['an id of another branch', 'main', 'side/40', 'side'],
    ['the head, said so', 'side', 'HEAD', 'side'],
  ];
  it.each([false, true].flatMap((shallow) => wanted.map((one) => [...one, shallow] as const)))(
    'is %s (%s, %s, %s), shallow: %s',
    async (_what, branch, given, expected, shallow) => {
      const [name, length] = (given ?? '').split('/') as [string, string | undefined];
      const revision = length === undefined ? given : ids[name]!.slice(0, Number(length));
      const { build } = await runners.builderWith(`{ repository: '${app.url}', shallow: ${shallow} }`);
      const built = await build({ branch, revision });
      expect([built.outcome, gotRevision(built)]).toMatchObject([SUCCESS, ids[expected]]);
    },
  );

  it.each<[string, { branch?: string; revision?: string }, string]>([
    ['an unknown branch', { branch: 'deleted' }, "update: no branch or tag 'deleted'"],
    ['an unknown id', { branch: 'main', revision: '12'.repeat(20) }, `update: no revision '${'12'.repeat(20)}'`],
    ['the beginning of an unknown id', { branch: 'main', revision: '1212121' }, "update: no revision '1212121'"],
    ['an unknown tag', { branch: 'main', revision: 'v9' }, "update: no branch or tag 'v9'"],
  ])('cannot be had for %s, and costs nothing', async (_what, stamp, state) => {
    const { build, workdir } = await runners.builderWith(`{ repository: '${app.url}' }`);
    await build();
    await writeFile(join(workdir, 'made'), '');
    const failed = await build(stamp);
    expect([failed.outcome, stateOf(failed)]).toMatchObject([FAILURE, `${state} (failure)`]);
    expect([await isThere(join(workdir, 'made')), wasRemade(failed)]).toEqual([true, false]);
    const again = await build();
    expect([again.outcome, gotRevision(again)]).toMatchObject([SUCCESS, ids['main']]);
    expect(await isThere(join(workdir, 'made'))).toBe(true);
  });

  it('is the head of the branch, whatever the source stamp says, with alwaysUseLatest', async () => {
    const { build } = await runners.builderWith(`{ repository: '${app.url}', alwaysUseLatest: true }`);
    expect(gotRevision(await build({ branch: 'main', revision: ids['first']! }))).toBe(ids['main']);
  });

  it('is described', async () => {
    const options = `getDescription: { tags: true, long: true, match: 'v*' }, tags: true`;
    const { build } = await runners.builderWith(`{ repository: '${app.url}', ${options} }`);
    const { host } = await build({ branch: 'main' });
    expect(host.properties['commit-description']).toEqual([`v1.0-1-g${ids['main']!.slice(0, 7)}`, 'Git']);
    const undescribed = await (await runners.builderWith(`{ repository: '${app.url}', getDescription: true }`)).build();
    expect(undescribed.outcome).toMatchObject(SUCCESS);
    expect(undescribed.host.properties).not.toHaveProperty('commit-description');
  });

  it('is that of the codebase', async () => {
    const { build } = await runners.builderWith(`{ repository: '${app.url}', codebase: 'app' }`);
    const built = await build({ codebase: 'lib', branch: 'nowhere' }, { codebase: 'app', branch: 'side' });
    expect([built.outcome, gotRevision(built)]).toMatchObject([SUCCESS, { app: ids['side'] }]);
    const without = await build({ codebase: 'lib', branch: 'main' });
    expect(without.outcome).toMatchObject({ results: Result.EXCEPTION });
    expect(without.host.log('git', 'err.text')).toContain("no source stamp of the codebase 'app'; there are: 'lib'");
  });
});

describe('a patch', () => {
  const patch = { level: 1, author: 'Ada', comment: '', subdir: '.' };
  const body = `diff --git a/a.txt b/a.txt
--- a/a.txt
+++ b/a.txt
@@ -1 +1 @@
-one
\\ No newline at end of file
+patched é
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+new
`;

  it('is applied after the checkout, and the next build is without it', async () => {
    const app = await Repository.make('patched');
    const { build, workdir } = await runners.builderWith(`{ repository: '${app.url}' }`);
    const built = await build({ branch: 'main', patch: { ...patch, body } });
    expect([built.outcome, stateOf(built)]).toMatchObject([
      SUCCESS,
      expect.stringMatching(/^update main .*, patched$/),
    ]);
    expect([await built.text('a.txt'), await built.text('new.txt')]).toEqual(['patched é\n', 'new\n']);
    expect(gotRevision(built)).toBe(await app.git('rev-parse', 'HEAD'));
    const next = await build({ branch: 'main' });
    expect([next.outcome, await next.text('a.txt')]).toMatchObject([SUCCESS, 'one']);
    expect(await isThere(join(workdir, 'new.txt'))).toBe(false);
  });

  it('that does not apply fails the step with its text, and changes nothing', async () => {
    const app = await Repository.make('unpatched');
    await app.commit('a.txt', 'something else');
    const { build, workdir } = await runners.builderWith(`{ repository: '${app.url}' }`);
    const built = await build({ branch: 'main', patch: { ...patch, body } });
    expect([built.outcome, stateOf(built)]).toMatchObject([FAILURE, 'the patch does not apply (failure)']);
    const log = built.host.log('git', 'stdio');
    expect(log).toContain('while searching for:\none');
    expect(log).toContain('patch failed: a.txt:1');
    expect([await built.text('a.txt'), await isThere(join(workdir, 'new.txt'))]).toEqual(['something else', false]);
  });

  it('is applied in a folder and at a level, and leads nowhere else', async () => {
    const app = await Repository.make('patched-below');
    await mkdir(join(app.folder, 'src'));
    await app.commit('src/a.txt', 'one');
    const { build } = await runners.builderWith(`{ repository: '${app.url}' }`);
    const below = body.replaceAll(/\b[ab]\/(?=a\.txt|new)/g, '');
    const built = await build({ branch: 'main', patch: { ...patch, body: below, level: 0, subdir: 'src' } });
    expect([built.outcome, await built.text('src/a.txt'), await built.text('a.txt')]).toMatchObject([
      SUCCESS,
      'patched é\n',
      'one',
    ]);
    const outside = await build({
      branch: 'main',
      patch: { ...patch, body: body.replaceAll('new.txt', '../new.txt') },
    });
    expect(outside.outcome).toMatchObject(FAILURE);
    expect(outside.host.log('git', 'stdio')).toContain('invalid path');
  });
});

describe('a clone', () => {
  it('has an origin', async () => {
    const app = await Repository.make('origin');
    const { build, workdir } = await runners.builderWith(`{ repository: '${app.url}' }`);
    await build();
    const config = async () =>
      (await run('git', ['-C', workdir, 'config', '--get-regexp', 'remote'])).stdout.trim().split('\n').sort();
    const expected = ['remote.origin.fetch +refs/heads/*:refs/remotes/origin/*', `remote.origin.url ${app.url}`];
    expect(await config()).toEqual(expected);
    await run('git', ['-C', workdir, 'fetch', '--quiet', 'origin']);
    await run('git', ['-C', workdir, 'remote', 'set-url', '--add', 'origin', 'https://elsewhere.example/x']);
    expect((await build()).outcome).toMatchObject(SUCCESS);
    expect(await config()).toEqual(expected);
  });

  it.each([
    ['partly', `filters: ['blob:none']`, 'filter=blob:none'],
    ['without telling how far it is', `progress: false`, '--no-progress'],
    [
      'with settings',
      `config: { 'user.name': 'n', 'transfer.fsckObjects': '%(prop:greeting:+true)s' }`,
      'transfer.fsckObjects=true',
    ],
  ])('is made %s', async (_what, options, word) => {
    const app = await Repository.make(`made-${word.replace(/\W/g, '-')}`);
    await app.git('config', 'uploadpack.allowFilter', 'true');
    const { build } = await runners.builderWith(`{ repository: '${app.url}', ${options} }`);
    for (const text of ['two', 'three']) {
      const head = await app.commit('a.txt', text);
      const built = await build();
      expect([built.outcome, gotRevision(built), await built.text('a.txt')]).toMatchObject([SUCCESS, head, text]);
      expect(JSON.stringify(built.host.requests)).toContain(word);
    }
  });

  it('borrows from a reference, and works without one that does not exist', async () => {
    const app = await Repository.make('lent');
    await run('git', ['clone', '--quiet', '--bare', app.url, join(folder, 'mirror')]);
    const head = await app.commit('a.txt', 'newer than the mirror');
    const loose = async (workdir: string) =>
      (await run('git', ['-C', workdir, 'count-objects'])).stdout.split(' ', 1)[0]!;
    const borrowing = await runners.builderWith(`{ repository: '${app.url}', reference: '${join(folder, 'mirror')}' }`);
    const alone = await runners.builderWith(`{ repository: '${app.url}', reference: '/nowhere' }`);
    for (const { build } of [borrowing, alone, borrowing]) expect(gotRevision(await build())).toBe(head);
    expect([await loose(borrowing.workdir), await loose(alone.workdir)]).toEqual(['3', '6']);
  });

  it.each<[string, readonly string[]]>([
    [`mode: 'incremental'`, ['ignored', 'lib/ignored', 'lib/stray', 'stray']],
    [`mode: 'full'`, []],
    [`mode: 'full', method: 'fresh'`, []],
    [`mode: 'full', method: 'clean'`, ['ignored', 'lib/ignored']],
    [`mode: 'full', method: 'clobber'`, []],
    [`mode: 'full', method: 'copy'`, []],
  ])('of %s keeps %j', async (mode, kept) => {
    const app = new Repository('modes');
    if (!(await isThere(app.folder))) {
      const lib = await Repository.make('modes-lib');
      await lib.commit('.gitignore', 'ignored\n');
      await Repository.make('modes');
      await app.addSubmodule(served('modes-lib'), 'lib');
      await app.commit('.gitignore', 'ignored\n');
    }
    const { build, workdir } = await runners.builderWith(
      `{ repository: '${served('modes')}', submodules: true, ${mode} }`,
    );
    expect((await build()).outcome).toMatchObject(SUCCESS);
    for (const file of ['ignored', 'stray', 'lib/ignored', 'lib/stray', 'a.txt', 'lib/a.txt'])
      await writeFile(join(workdir, file), 'left by a build');
    const again = await build();
    expect(again.outcome).toMatchObject(SUCCESS);
    const files = (await readdir(workdir, { recursive: true })).filter((file) => /ignored$|stray$/.test(file));
    expect(files.filter((file) => !file.startsWith('.git')).sort()).toEqual(kept);
    expect([await again.text('a.txt'), await again.text('lib/a.txt')]).toEqual(['one', 'one']);
  });
});

describe('submodules', () => {
  const made = async (name: string, inner: (name: string) => string) => {
    const deep = await Repository.make(`${name}-deep`);
    const lib = await Repository.make(`${name}-lib`);
    await lib.addSubmodule(served(`${name}-deep`), 'deep');
    const app = await Repository.make(name);
    await app.addSubmodule(served(`${name}-lib`), 'lib');
    for (const [repository, path, to] of [
      [lib, 'deep', `${name}-deep`],
      [app, 'lib', `${name}-lib`],
    ] as const) {
      await repository.git('config', '--file', '.gitmodules', `submodule.${path}.url`, inner(to));
      await repository.commit('b.txt', 'with an address');
    }
    await app.git('-C', 'lib', 'pull', '--quiet');
    await app.commit('c.txt', 'the newest of it');
    return { app, lib, deep };
  };

  it('with relative addresses lie beside their repository', async () => {
    await made('relative', (name) => `../${name}`);
    const { build } = await runners.builderWith(`{ repository: '${served('relative')}', submodules: true }`);
    const built = await build();
    expect([built.outcome, built.host.log('git')]).toMatchObject([SUCCESS, expect.anything()]);
    expect(await built.text('lib/deep/a.txt')).toBe('one');
  });

  it('may move, also one in another', async () => {
    const { app, lib, deep } = await made('moving', served);
    const { build, workdir } = await runners.builderWith(`{ repository: '${served('moving')}', submodules: true }`);
    expect((await build()).outcome).toMatchObject(SUCCESS);
    await writeFile(join(workdir, 'made'), '');
    for (const one of [lib, deep]) await rename(one.folder, `${one.folder}-moved`);
    const [movedLib, movedDeep] = [new Repository('moving-lib-moved'), new Repository('moving-deep-moved')];
    await movedDeep.commit('a.txt', 'moved');
    await movedLib.git('config', '--file', '.gitmodules', 'submodule.deep.url', served('moving-deep-moved'));
    await movedLib.git('submodule', '--quiet', 'sync');
    await movedLib.git('-C', 'deep', 'pull', '--quiet', 'origin', 'main');
    await movedLib.commit('b.txt', 'deep moved');
    await app.git('config', '--file', '.gitmodules', 'submodule.lib.url', served('moving-lib-moved'));
    await app.git('submodule', '--quiet', 'sync');
    await app.git('-C', 'lib', 'pull', '--quiet', 'origin', 'main');
    await app.commit('b.txt', 'lib moved');
    const again = await build();
    expect([again.outcome, again.host.log('git')]).toMatchObject([SUCCESS, expect.anything()]);
    expect(await again.text('lib/deep/a.txt')).toBe('moved');
    expect([await isThere(join(workdir, 'made')), wasRemade(again)]).toEqual([true, false]);
  });

  it('whose server is away do no harm when they are not needed, nor do ones that lack their revision', async () => {
    const { app, lib } = await made('away', served);
    const { build, workdir } = await runners.builderWith(`{ repository: '${served('away')}', submodules: true }`);
    expect((await build()).outcome).toMatchObject(SUCCESS);
    await writeFile(join(workdir, 'lib', 'made'), '');
    for (const [id, before, after] of [
      [() => '12'.repeat(20), () => undefined, () => undefined],
      [
        () => lib.commit('a.txt', 'newer'),
        () => rename(lib.folder, `${lib.folder}-away`),
        () => rename(`${lib.folder}-away`, lib.folder),
      ],
    ] as const) {
      await app.git('update-index', '--cacheinfo', `160000,${await id()},lib`);
      await app.git('commit', '--quiet', '--message', 'another lib');
      await before();
      const failed = await build();
      expect([failed.outcome, stateOf(failed)]).toMatchObject([FAILURE, 'update: submodules failed (failure)']);
      expect([await isThere(join(workdir, 'lib', 'made')), wasRemade(failed)]).toEqual([true, false]);
      await after();
    }
    const again = await build();
    expect([again.outcome, await again.text('lib/a.txt')]).toMatchObject([SUCCESS, 'newer']);
  });
});

describe('what a killed git has left', () => {
  let app: Repository;
  let lib: Repository;
  let head: string;
  beforeAll(async () => {
    lib = await Repository.make('left-lib');
    app = await Repository.make('left');
    await app.addSubmodule(served('left-lib'), 'lib');
    head = await app.git('rev-parse', 'HEAD');
  });

  const emptied = async (dir: string): Promise<void> => {
    for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (!entry.isFile()) continue;
      await rm(file);
      await writeFile(file, '');
    }
  };
  const objects = (where: string) => emptied(join(where, 'objects'));

  it.each<readonly [string, (dotGit: string) => Promise<unknown>, 'kept' | 'remade']>([
    ...[
      ...['config.lock', 'HEAD.lock', 'index.lock', 'packed-refs.lock', 'shallow.lock'],
      ...['refs/millrace/fetched.lock', 'modules/lib/index.lock', 'modules/lib/HEAD.lock', 'modules/lib/config.lock'],
    ].map((lock) => [lock, (dotGit: string) => writeFile(join(dotGit, lock), ''), 'kept'] as const),
    ['a configuration of zeros', (dotGit) => writeFile(join(dotGit, 'config'), Buffer.alloc(64)), 'kept'],
    ['half a configuration', (dotGit) => writeFile(join(dotGit, 'config'), '[core]\n\trepositoryformatver'), 'kept'],
    ['an empty configuration', (dotGit) => writeFile(join(dotGit, 'config'), ''), 'kept'],
    ['no configuration', (dotGit) => rm(join(dotGit, 'config')), 'kept'],
    ['no HEAD', (dotGit) => rm(join(dotGit, 'HEAD')), 'kept'],
    ['an empty HEAD', (dotGit) => writeFile(join(dotGit, 'HEAD'), ''), 'remade'],
    ['an index of zeros', (dotGit) => writeFile(join(dotGit, 'index'), Buffer.alloc(64)), 'remade'],
    ['empty objects', objects, 'remade'],
    ['no objects', (dotGit) => rm(join(dotGit, 'objects'), { recursive: true }), 'kept'],
    ['empty objects of a submodule', (dotGit) => objects(join(dotGit, 'modules/lib')), 'kept'],
    ['a submodule that was begun', (dotGit) => emptied(join(dotGit, 'modules/lib')), 'remade'],
    [
      'an empty file instead',
      async (dotGit) => (await rm(dotGit, { recursive: true }), writeFile(dotGit, '')),
      'remade',
    ],
  ])('does not keep the next build from succeeding: %s', async (_what, leave, files) => {
    const { build, workdir } = await runners.builderWith(`{ repository: '${served('left')}', submodules: true }`);
    expect((await build()).outcome).toMatchObject(SUCCESS);
    await writeFile(join(workdir, 'made'), '');
    await leave(join(workdir, '.git'));
    const newest = `after ${workdir}`;
    const moved = await lib.commit('a.txt', newest);
    await app.git('update-index', '--cacheinfo', `160000,${moved},lib`);
    await app.git('commit', '--quiet', '--message', 'another lib');
    const again = await build();
    expect([again.outcome, [...again.host.logs]]).toMatchObject([SUCCESS, expect.anything()]);
    expect([await again.text('lib/a.txt'), wasRemade(again)]).toEqual([newest, files === 'remade']);
    expect(await isThere(join(workdir, 'made'))).toBe(files === 'kept');
    expect((await build()).host.logs.has('git/repair')).toBe(false);
  });

  it('is repaired wherever git was killed', async () => {
    for (let commands = 1; commands <= 5; commands++) {
      const { begin, build } = await runners.builderWith(`{ repository: '${served('left')}', submodules: true }`);
      const { host, running } = begin();
      await eventually(() => host.requests.length >= commands, { what: `command ${commands}` });
      running.stop('killed');
      await running.outcome;
      expect((await build()).outcome).toMatchObject(SUCCESS);
    }
  });

  it('is the only thing removed when remaking is not allowed', async () => {
    const { build, workdir } = await runners.builderWith(
      `{ repository: '${served('left')}', clobberOnFailure: false }`,
    );
    await build();
    await writeFile(join(workdir, '.git/config.lock'), '');
    expect((await build({ revision: head })).outcome).toMatchObject(SUCCESS);
    await objects(join(workdir, '.git'));
    const failed = await build();
    expect([failed.outcome, wasRemade(failed)]).toMatchObject([FAILURE, false]);
  });
});

describe('a server that is away', () => {
  it.each<[string, string]>([
    ['incremental', ''],
    ['full', `, mode: 'full'`],
    ['shallow', ', shallow: true'],
  ])('costs nothing: %s', async (name, options) => {
    const app = await Repository.make(`server-${name}`);
    const { build, workdir } = await runners.builderWith(`{ repository: '${app.url}'${options} }`);
    await build();
    await writeFile(join(workdir, 'made'), '');
    await rename(app.folder, `${app.folder}-away`);
    const failed = await build();
    expect([failed.outcome, stateOf(failed)]).toMatchObject([FAILURE, 'update: the server gives no answer (failure)']);
    expect([await isThere(join(workdir, 'made')), wasRemade(failed)]).toEqual([true, false]);
    await rename(`${app.folder}-away`, app.folder);
    expect((await build()).outcome).toMatchObject(SUCCESS);
  });

  it('is asked again as often as configured', async () => {
    const app = await Repository.make('retried');
    await rename(app.folder, `${app.folder}-away`);
    const options = `{ repository: '${app.url}', retry: { delaySeconds: 0.05, repeats: 100 } }`;
    const { begin, build } = await runners.builderWith(options);
    const { host, running } = begin();
    await eventually(
      () => host.states.some(({ stateString }) => /try again \(([3-9]|\d\d) of 100\)/.test(stateString ?? '')),
      {
        what: 'the third time or a later one',
        timeoutMs: 30_000,
      },
    );
    await rename(`${app.folder}-away`, app.folder);
    expect(await running.outcome).toMatchObject(SUCCESS);

    await rename(app.folder, `${app.folder}-away`);
    const waiting = begin();
    await eventually(() => waiting.host.states.some(({ stateString }) => stateString?.includes('try again')), {
      what: 'the wait',
      timeoutMs: 30_000,
    });
    waiting.running.stop('enough');
    expect(await waiting.running.outcome).toMatchObject({ results: Result.CANCELLED });
    await rename(`${app.folder}-away`, app.folder);
    expect((await build()).outcome).toMatchObject(SUCCESS);
  });

  it('is no reason to remake a checkout, nor is a missing git', async () => {
    const app = await Repository.make('without-git');
    const { build, workdir } = await runners.builderWith(
      `{ repository: '${app.url}', env: { PATH: (build) => (build.sourceStamp.branch === 'main' ? '/nowhere' : '${process.env['PATH']}') } }`,
    );
    await build();
    await writeFile(join(workdir, 'made'), '');
    const failed = await build({ branch: 'main' });
    expect([failed.outcome, stateOf(failed)]).toMatchObject([
      FAILURE,
      'update: there is no git on this worker (failure)',
    ]);
    expect([await isThere(join(workdir, 'made')), wasRemade(failed)]).toEqual([true, false]);
  });
});

(requireService('git-lfs') ? describe : describe.skip)('files of Git LFS', () => {
  it('are fetched, and keep the checkout when they cannot be', async () => {
    const app = await Repository.make('lfs');
    await app.git('lfs', 'install', '--local');
    await app.git('lfs', 'track', '*.bin');
    const text = 'large '.repeat(10_000);
    await app.commit('data.bin', text);
    const filter = 'process = git-lfs filter-process\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f';
    await writeFile(join(folder, 'lfs.config'), `[filter "lfs"]\n\t${filter}\n\trequired = true\n`);
    const options = `{ repository: '${app.url}', env: { GIT_CONFIG_GLOBAL: '${join(folder, 'lfs.config')}' } }`;
    const { build, workdir } = await runners.builderWith(options);
    const built = await build();
    expect([built.outcome, await built.text('data.bin')]).toMatchObject([SUCCESS, text]);

    await writeFile(join(workdir, 'made'), '');
    await app.commit('data.bin', `${text}!`);
    await rename(join(app.folder, '.git/lfs'), join(app.folder, '.git/lfs-away'));
    const failed = await build();
    const state = 'update: files of Git LFS cannot be fetched (failure)';
    expect([failed.outcome, stateOf(failed), [...failed.host.logs]]).toMatchObject([FAILURE, state, expect.anything()]);
    expect([await isThere(join(workdir, 'made')), wasRemade(failed)]).toEqual([true, false]);
    await rm(join(app.folder, '.git/lfs'), { recursive: true, force: true });
    await rename(join(app.folder, '.git/lfs-away'), join(app.folder, '.git/lfs'));
    const again = await build();
    expect([again.outcome, await again.text('data.bin')]).toMatchObject([SUCCESS, `${text}!`]);
  });
});

describe('an SSH key', () => {
  /** Records what ssh would do and read, and then does the other side's part here. */
  const SSH = (seen: string) => `#!/bin/sh
/usr/bin/ssh -G "$@" > '${seen}.options' || exit 255
sed -n 's/^identityfile //p' '${seen}.options' | while read -r key; do cat "$key" > '${seen}.key'; stat -c %a "$key" > '${seen}.mode'; done
sed -n 's/^userknownhostsfile //p' '${seen}.options' | tr -d '"' | while read -r file; do cat "$file" > '${seen}.hosts'; done
for last; do :; done
exec sh -c "$last"
`;

  it('opens the repository, with the given host key, and is removed afterwards', async () => {
    const lib = await Repository.make('ssh-lib');
    const app = await Repository.make('ssh');
    await app.addSubmodule(served('ssh-lib'), 'lib');
    await app.git('config', '--file', '.gitmodules', 'submodule.lib.url', `ssh://git@forge.example${lib.folder}`);
    const head = await app.commit('b.txt', 'x');
    const bin = join(folder, 'ssh bin');
    await mkdir(bin);
    await writeFile(join(bin, 'ssh'), SSH(join(folder, 'seen')), { mode: 0o755 });
    process.env['MILLRACE_TEST_SSH_KEY'] = 'PRIVATE hunter2\nKEY';
    const { build, workdir } = await runners.builderWith(
      `{ repository: 'ssh://git@forge.example${app.folder}', sshPrivateKeyEnv: 'MILLRACE_TEST_SSH_KEY', sshHostKey: 'ssh-ed25519 AAAA', submodules: true }`,
      { PATH: `${bin}:${process.env['PATH']}` },
    );
    for (const _again of [1, 2]) {
      const built = await build({ branch: 'main' });
      expect([built.outcome, gotRevision(built), built.host.log('git')]).toMatchObject([
        SUCCESS,
        head,
        expect.anything(),
      ]);
      const shown = JSON.stringify(built.host.requests.map((request) => ({ ...request, download: null })));
      expect(shown + built.host.allText).not.toContain('hunter2');
    }
    const read = (what: string) => readFile(join(folder, `seen.${what}`), 'utf8');
    expect(await read('key')).toBe('PRIVATE hunter2\nKEY\n');
    expect(await read('mode')).toBe('600\n');
    expect(await read('hosts')).toBe('* ssh-ed25519 AAAA\n');
    const options = await read('options');
    for (const option of ['batchmode yes', 'identitiesonly yes', 'stricthostkeychecking true', 'host forge.example'])
      expect(options.split('\n')).toContain(option);
    expect(await readdir(join(workdir, '..'))).toEqual(['build']);
    expect((await stat(join(workdir, 'lib/a.txt'))).size).toBe(3);
  });
});
