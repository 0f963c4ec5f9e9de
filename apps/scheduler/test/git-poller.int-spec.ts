import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@millrace/testing';
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

describe('a polled repository', () => {
  it('has no history of news: what branches off earlier brings its own commits alone', async () => {
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

  it('is taken over by another scheduler, whose mirror is empty, from where the first one was', async () => {
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

  it('takes the head alone of a branch whose earlier one nobody has any longer', async () => {
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

  it('takes in the first commit of an empty repository, and a branch that comes again', async () => {
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

  it('goes on beside a branch whose name is too long, and with one in the place of another', async () => {
    repository.commit('1');
    poll('buildHeadsOnFirstSight: true');
    const long = 'l'.repeat(200);
    repository.branch(long, 'main');
    await site.start();
    await firstRound();
    expect(await site.changes(long)).toEqual([]);
    const warned = site.output.filter((line) => line.includes('longer than 183 characters'));
    expect(warned).toHaveLength(1);

    const topic = repository.branch('topic', 'main');
    await site.took('r', 'topic', topic);
    repository.git('branch', '--quiet', '-D', 'topic');
    const below = repository.branch('topic/one', 'main');
    await site.took('r', 'topic/one', below);
    expect(await site.changes('topic/one')).toEqual([below]);
    expect(site.output.filter((line) => line.includes('longer than 183 characters'))).toEqual(warned);
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
    const warned = site.output.filter((line) => line.includes('not looked at for now'));
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain('odd');
  });

  it('says each reason for which it cannot be polled', async () => {
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
