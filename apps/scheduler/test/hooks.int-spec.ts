import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HookDeliveryStore } from '@millrace/database';
import { eventually, hookDelivery } from '@millrace/testing';
import { Repository, type Scheduler, Site } from './site.js';

const SECRET = 'the secret of this test';
const PUSH = hookDelivery('github', 'push', SECRET).body;

let site: Site;
let repository: Repository;
let schedulers: Scheduler[];

const configure = (parser: string): void =>
  site.configure({
    schedulers: `anyBranch('s', { builders: ['b'], filter: { branch: 'main' } })`,
    changeSources: `gitPoller({ name: 'p', repository: '${repository.url}', pollIntervalSeconds: 3600 })`,
    projects: `{ name: 'widgets' }`,
    codebases: `{ name: 'app', project: 'widgets' }`,
    hooks: `githubHook({ secretEnv: 'HOOK_SECRET' }),
      githubHook({ name: 'app', secretEnv: 'HOOK_SECRET', project: 'widgets', codebase: 'app' }),
      baseHook({ secretEnv: 'HOOK_SECRET' }),
      pollerHook({ secretEnv: 'HOOK_SECRET', allowed: ['p'] }),
      customHook('mine', { secretEnv: 'HOOK_SECRET', signature: { token: 'X-Mine' }, parse: ${parser} }),
      baseHook({ name: 'open', strict: false })`,
  });

beforeAll(async () => {
  site = await Site.make();
  repository = new Repository(`${site.folder}/repository`);
  repository.commit('first');
  configure(`() => { throw new Error('not yet'); }`);
  const env = { HOOK_SECRET: SECRET };
  schedulers = [await site.start('one', env), await site.start('two', env)];
});
afterAll(() => site.close());

interface Answer {
  readonly status: number;
  readonly body: { readonly delivery: number; readonly [name: string]: unknown };
}

async function post(path: string, body: string, headers: Record<string, string> = {}, at = 0): Promise<Answer> {
  const url = new URL(`/change_hook/${path}`, schedulers[at]!.trigger);
  const response = await fetch(url, { method: 'POST', body, headers });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const signed = (body: string, id: string): Record<string, string> => ({
  'content-type': 'application/json',
  'x-github-event': 'push',
  'x-github-delivery': id,
  'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
});
const bearer = { authorization: `Bearer ${SECRET}`, 'content-type': 'application/x-www-form-urlencoded' };

const stored = (): Promise<number> =>
  site.db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM hook_deliveries`).then((row) => row!.n);

/** Waits until a delivery was read. */
async function read(delivery: number): Promise<{ state: string; reason: string | null }> {
  const row = () =>
    site.db.get<{ state: string; reason: string | null }>(`SELECT state, reason FROM hook_deliveries WHERE id = ?`, [
      delivery,
    ]);
  await eventually(async () => (await row())!.state !== 'waiting', { what: `delivery ${delivery}`, timeoutMs: 20_000 });
  return (await row())!;
}
const changesOf = (delivery: number): Promise<{ revision: string; branch: string }[]> =>
  site.db.all(`SELECT revision, branch FROM changes WHERE delivery_id = ? ORDER BY seq`, [delivery]);

describe('POST /change_hook', () => {
  it('makes changes of a signed push, once, whichever scheduler it comes to', async () => {
    const first = await post('github', PUSH, signed(PUSH, 'push-1'));
    expect(first).toMatchObject({ status: 202, body: { repeated: false } });
    const { delivery } = first.body;
    expect(await post('github', PUSH, signed(PUSH, 'push-1'), 1)).toEqual({
      status: 202,
      body: { ...first.body, repeated: true },
    });
    expect(await read(delivery)).toEqual({ state: 'done', reason: null });
    expect(await changesOf(delivery)).toEqual([
      { branch: 'main', revision: '1'.repeat(40) },
      { branch: 'main', revision: '2'.repeat(40) },
    ]);
    const kept = await site.db.get<{ headers: string }>(`SELECT headers FROM hook_deliveries WHERE id = ?`, [delivery]);
    expect(JSON.parse(kept!.headers)).toMatchObject({ 'x-github-event': 'push' });
    expect(kept!.headers).not.toContain('signature');
  });

  it('records the commits of a push, and the branch, where their codebase is listed', async () => {
    const commits = () => site.db.all(`SELECT revision, parent_revision AS parent FROM codebase_commits ORDER BY id`);
    const branches = () =>
      site.db.all(`SELECT b.name, c.revision FROM codebase_branches b JOIN codebase_commits c ON c.id = b.commit_id`);
    // The push before this was to a hook without a codebase.
    expect(await commits()).toEqual([]);
    const { delivery } = (await post('github/app', PUSH, signed(PUSH, 'push-app'))).body;
    expect(await read(delivery)).toMatchObject({ state: 'done' });
    const pushed = [
      { revision: '1'.repeat(40), parent: null },
      { revision: '2'.repeat(40), parent: null },
    ];
    expect(await commits()).toEqual(pushed);
    expect(await branches()).toEqual([{ name: 'main', revision: '2'.repeat(40) }]);

    const { commits: both, ...push } = JSON.parse(PUSH) as { commits: { id: string }[]; before: string };
    const revision = '3'.repeat(40);
    const one = JSON.stringify({
      ...push,
      before: '2'.repeat(40),
      after: revision,
      commits: [{ ...both[1], id: revision }],
    });
    const next = (await post('github/app', one, signed(one, 'push-next'))).body.delivery;
    expect(await read(next)).toMatchObject({ state: 'done' });
    expect(await commits()).toEqual([...pushed, { revision, parent: '2'.repeat(40) }]);
    expect(await branches()).toEqual([{ name: 'main', revision }]);

    // What is read again makes no changes, and takes no branch back.
    await new HookDeliveryStore(site.db).replay(delivery, { again: false });
    expect(await read(delivery)).toMatchObject({ state: 'done' });
    expect(await branches()).toEqual([{ name: 'main', revision }]);
  });

  it('refuses another body under the same delivery id', async () => {
    const other = PUSH.replace('First change', 'Another change');
    expect(await post('github', other, signed(other, 'push-1'))).toMatchObject({
      status: 409,
      body: { code: 'idempotency-conflict' },
    });
  });

  it.each<[string, string, Record<string, string>, number, string]>([
    ['no signature', 'github', { 'x-github-event': 'push' }, 401, 'bad-signature'],
    ['another signature', 'github', { ...signed('x', 'd'), 'x-github-event': 'push' }, 401, 'bad-signature'],
    ['no secret', 'base', {}, 401, 'bad-signature'],
    ['another secret', 'custom/mine', { 'x-mine': 'x' }, 401, 'bad-signature'],
    ['an unknown dialect', 'gitorious', {}, 404, 'not-found'],
    ['an address that no hook can have', 'github/a/b', {}, 404, 'not-found'],
    ['an unknown name', 'github/other', {}, 404, 'not-found'],
    ['an id that is too long', 'base', { ...bearer, 'idempotency-key': 'k'.repeat(191) }, 400, 'bad-delivery'],
  ])('keeps nothing of a delivery with %s', async (_what, path, headers, status, code) => {
    const before = await stored();
    expect(await post(path, '{}', headers)).toMatchObject({ status, body: { code } });
    expect(await stored()).toBe(before);
  });

  it('counts what it refuses', async () => {
    const text = await (await fetch(`${schedulers[0]!.url}/metrics`)).text();
    expect(text).toMatch(/millrace_hook_deliveries_total\{[^}]*hook="github",outcome="refused"[^}]*\} [1-9]/);
  });

  it('keeps bytes that are no text of nobody', async () => {
    const url = new URL('/change_hook/open', schedulers[0]!.trigger);
    url.pathname = '/change_hook/base/open';
    const response = await fetch(url, { method: 'POST', body: Buffer.from([0xff, 0xfe]) });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'bad-delivery']);
  });

  it('takes 20 MB, and not more than 25', async () => {
    const form = (length: number): string => `author=Ada&branch=large&comments=${'c'.repeat(length)}`;
    const large = await post('base', form(20 << 20), bearer);
    expect(large.status).toBe(202);
    expect(await read(large.body.delivery)).toMatchObject({ state: 'done' });
    const url = new URL('/change_hook/base', schedulers[0]!.trigger);
    const tooLarge = await fetch(url, { method: 'POST', body: form(26 << 20), headers: bearer }).then(
      ({ status }) => status,
      // The connection was closed while the body was being sent.
      () => 413,
    );
    expect(tooLarge).toBe(413);
  }, 60_000);

  it('keeps what cannot be read, with the reason, and does not stop at it', async () => {
    const bad = await post('base', 'comments=x', bearer);
    const good = await post('base', 'author=Ada&branch=dev&revision=r', bearer);
    expect(await read(good.body.delivery)).toMatchObject({ state: 'done' });
    expect(await read(bad.body.delivery)).toEqual({ state: 'failed', reason: "the form has no field 'author'" });
    // They are settled together where they are read together.
    const together = await Promise.all(
      ['dev', 'b'.repeat(191), 'next'].map((branch) => post('base', `author=Ada&branch=${branch}&revision=r`, bearer)),
    );
    const states = [];
    for (const { body } of together) states.push((await read(body.delivery)).state);
    expect(states).toEqual(['done', 'failed', 'done']);
    const long = await post('base', `author=Ada&branch=${'b'.repeat(191)}`, bearer);
    expect(await read(long.body.delivery)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('branch is longer than 190'),
    });
  });

  it('makes a poller poll now, also from the other scheduler', async () => {
    await site.took('p', 'main', repository.git('rev-parse', 'main'));
    for (const at of [0, 1]) {
      const revision = repository.commit(`hooked ${at}`);
      const { status, body } = await post('poller', 'poller=p', bearer, at);
      expect(status).toBe(202);
      await site.took('p', 'main', revision);
      expect(await read(body.delivery)).toEqual({ state: 'done', reason: 'asked to poll: p' });
    }
    const other = await post('poller', 'poller=q', bearer);
    expect(await read(other.body.delivery)).toMatchObject({ state: 'ignored' });
  });

  it('reads again what a parser could not, when the configuration has another one', async () => {
    const { body } = await post('custom/mine', 'hello', { 'x-mine': SECRET });
    expect(await read(body.delivery)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('not yet'),
    });
    configure(`({ body }) => [{ author: 'Ada', branch: 'main', revision: 'custom', comments: body }]`);
    for (const scheduler of schedulers) process.kill(scheduler.process.pid!, 'SIGHUP');
    await eventually(async () => (await changesOf(body.delivery)).length === 1, { what: 'its change' });
    expect(await read(body.delivery)).toEqual({ state: 'done', reason: null });
  });

  it('is answered 503 while the delivery cannot be committed', async () => {
    await site.db.run(`ALTER TABLE hook_deliveries RENAME TO hook_deliveries_away`);
    try {
      const { status } = await post('github', PUSH, signed(PUSH, 'push-503'));
      expect(status).toBe(503);
    } finally {
      await site.db.run(`ALTER TABLE hook_deliveries_away RENAME TO hook_deliveries`);
    }
    expect((await post('github', PUSH, signed(PUSH, 'push-503'))).status).toBe(202);
  });
});
