import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenStore, UserStore } from '@millrace/database';
import { eventually } from '@millrace/testing';
import { type Scheduler, Site } from './site.js';

let site: Site;
let scheduler: Scheduler;
beforeAll(async () => {
  site = await Site.make();
  site.configure({
    schedulers: `trigger('t', { builders: ['b'] }), trigger('off', { builders: ['b'] }),
      nightlyTriggerable('later', { builders: ['b'], cron: '0 0 1 1 *' })`,
  });
  scheduler = await site.start();
});
afterAll(() => site.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Sends a request with `node:http`, because fetch does not allow forged Host and Origin headers. */
function post(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(scheduler.trigger, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    asked.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
    });
    asked.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const buildsets = async (): Promise<number> =>
  (await site.db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM buildsets`))!.n;

describe('POST /trigger', () => {
  const good = { scheduler: 't' };

  it.each<[string, unknown, Record<string, string>, number]>([
    ['a form', 'scheduler=t', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['plain text', JSON.stringify(good), { 'content-type': 'text/plain' }, 415],
    ['a foreign page', good, { origin: 'https://evil.example' }, 403],
    ['a name that was pointed here', good, { host: 'evil.example:8020' }, 421],
    ['a priority beyond all bounds', { ...good, priority: 1e300 }, {}, 400],
    ['a revision that is too long', { ...good, sourceStamp: { revision: 'r'.repeat(191) } }, {}, 400],
    ['no body', '', {}, 400],
    ['a list as source stamp', { ...good, sourceStamp: [{ branch: 'main' }] }, {}, 400],
    ['two source stamps of one codebase', { ...good, sourceStamps: [{ codebase: 'a' }, { codebase: 'a' }] }, {}, 400],
    ['a list as properties', { ...good, properties: [1] }, {}, 400],
    ['an object as builders', { ...good, builders: { 0: 'b' } }, {}, 400],
    ['deep properties', `{"scheduler":"t","properties":{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`, {}, 400],
    ['125,000 unknown keys', `{${Array.from({ length: 125_000 }, (_, i) => `"k${i}":1`).join()}}`, {}, 413],
  ])('refuses %s', async (_what, body, headers, status) => {
    const before = await buildsets();
    expect((await post(body, headers)).status).toBe(status);
    expect(await buildsets()).toBe(before);
  });

  it('names a field that is too long', async () => {
    const { body } = await post({ ...good, sourceStamp: { repository: 'r'.repeat(2001) } });
    expect(JSON.stringify(body)).toContain('sourceStamp.repository must be shorter');
  });

  it('accepts curl under every name of this machine, and our own pages', async () => {
    for (const [name, value] of [
      ['host', 'localhost:8020'],
      ['host', '[::1]:8020'],
      ['origin', 'http://localhost:8010'],
    ] as const)
      expect((await post(good, { [name]: value })).status).toBe(202);
  });

  it.each([
    { repository: 'https://user:hunter2@h/x' },
    { repository: 'https://h/x?private_token=hunter2' },
    { project: 'ssh://u:hunter2@h/x' },
  ])('refuses an address with a secret, and does not repeat it: %j', async (sourceStamp) => {
    const before = await buildsets();
    const { status, body } = await post({ ...good, sourceStamp });
    expect({ status, body }).toMatchObject({ status: 400, body: { code: 'secret-in-address' } });
    expect(JSON.stringify(body)).not.toContain('hunter2');
    expect(await buildsets()).toBe(before);
  });

  it('starts nothing for a disabled scheduler', async () => {
    const key = { 'idempotency-key': 'off-1' };
    const first = await post({ scheduler: 'off' }, key);
    expect(first.status).toBe(202);
    await site.db.run(`UPDATE schedulers SET enabled = 0 WHERE name = 'off'`);
    const before = await buildsets();
    expect(await post({ scheduler: 'off' })).toMatchObject({ status: 409, body: { code: 'disabled' } });
    expect(await buildsets()).toBe(before);
    expect(await post({ scheduler: 'off' }, key)).toEqual({ status: 202, body: { ...first.body, repeated: true } });
  });

  it('is kept by a scheduler that builds later: the last call is built, once, when it is time', async () => {
    const scheduler = 'later';
    const before = await buildsets();
    const first = await post({ scheduler, reason: 'first' }, { 'idempotency-key': 'later-1' });
    const buildsAt = Date.UTC(new Date().getUTCFullYear() + 1, 0, 1) / 1000;
    expect(first).toEqual({ status: 202, body: { buildset: null, requests: [], buildsAt, repeated: false } });
    await post({ scheduler, reason: 'last', sourceStamp: { revision: 'abc' }, properties: { p: 1 } });
    const again = await post({ scheduler, reason: 'first' }, { 'idempotency-key': 'later-1' });
    expect(again.body).toEqual({ ...first.body, repeated: true });
    expect(await post({ scheduler, builders: ['x'] })).toMatchObject({ status: 400, body: { code: 'bad-builders' } });
    expect(await buildsets()).toBe(before);

    const slotMs = Date.UTC(new Date().getUTCFullYear(), 0, 1);
    const pass = () => site.db.run(`UPDATE schedulers SET wake_at_ms = ? WHERE name = 'later'`, [slotMs]);
    const wakeAt = async () =>
      (await site.db.get<{ ms: number }>(`SELECT wake_at_ms AS ms FROM schedulers WHERE name = 'later'`))!.ms;
    const passed = async () => {
      await pass();
      await eventually(async () => (await wakeAt()) !== slotMs, { what: 'the decision', timeoutMs: 30_000 });
    };
    await passed();
    await passed();
    const made = await site.db.all<{ reason: string; properties: string }>(
      `SELECT reason, properties FROM buildsets WHERE scheduler_name = 'later'`,
    );
    expect(made.map(({ reason }) => reason)).toEqual(['last']);
    expect(JSON.parse(made[0]!.properties)).toMatchObject({ p: [1, 'Trigger'] });
  });

  it('repeats its answer after the scheduler was renamed', async () => {
    const key = { 'idempotency-key': 'renamed-1' };
    const first = await post(good, key);
    site.configure({ schedulers: `trigger('renamed', { builders: ['b'] })` });
    process.kill(scheduler.process.pid!, 'SIGHUP');
    await eventually(async () => (await post({ scheduler: 'renamed' })).status === 202, { what: 'the new name' });
    expect((await post(good)).status).toBe(404);
    expect(await post(good, key)).toEqual({ status: 202, body: { ...first.body, repeated: true } });
  });
});

describe('POST /trigger with a token', () => {
  const TOKEN = 'a-token-of-this-test';
  let guarded: Scheduler;
  beforeAll(async () => {
    guarded = await site.start('guarded', { MILLRACE_TRIGGER_TOKEN: TOKEN });
  });

  /** Sends the head of a request whose body never comes. */
  async function head(authorization: string | null): Promise<string> {
    const socket = connect(Number(new URL(guarded.trigger).port), '127.0.0.1');
    socket.write(
      `POST /trigger HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n` +
        `${authorization === null ? '' : `Authorization: ${authorization}\r\n`}\r\n`,
    );
    return text(socket);
  }

  it.each([
    ['no token', null],
    ['a wrong one', 'Bearer wrong'],
    ['the token under another scheme', `Basic ${TOKEN}`],
    ['more than the token', `Bearer ${TOKEN}x`],
    ['an empty one', 'Bearer '],
  ])('answers %s before the body has come, and hangs up', async (_what, authorization) => {
    const answer = await head(authorization);
    expect(answer).toMatch(/^HTTP\/1.1 401/);
    expect(answer).toContain('MILLRACE_TRIGGER_TOKEN');
  });

  it('accepts the token', async () => {
    const response = await fetch(guarded.trigger, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ scheduler: 'renamed' }),
    });
    expect(response.status).toBe(202);
  });

  it('does not print the secret of an address that it refuses to start with', async () => {
    const secret = 's3cret-of-this-test';
    const bad: readonly Record<string, string>[] = [
      { MILLRACE_DB: `postgres://u:${secret}@127.0.0.1/x` },
      { MILLRACE_DB: `mariadb://u:${secret}@127.0.0.1:1x/x` },
      { MILLRACE_DB: `mysql://u:${secret}/x@h` },
      { MILLRACE_BUS: `amqp://u:${secret}@127.0.0.1` },
      { MILLRACE_BUS: `u:${secret}@127.0.0.1` },
      { MILLRACE_BUS: `nats://%zz:${secret}@127.0.0.1` },
      { MILLRACE_URL: `ftp://u:${secret}@127.0.0.1` },
      { MILLRACE_HTTP_PORT: `http://u:${secret}@127.0.0.1` },
    ];
    for (const env of bad) {
      const { status, output } = await site.run(env);
      expect([JSON.stringify(env), status]).toEqual([JSON.stringify(env), 78]);
      expect(output).not.toContain(secret);
      expect(output).toContain(Object.keys(env)[0]);
    }
  });
});

describe('POST /trigger, where people have accounts', () => {
  const WWW = `{ auth: {}, authz: {
    roles: [{ from: 'groups', prefix: '' }],
    rules: [{ action: 'trigger', builder: 'b', branch: 'release', role: 'admins' }, { action: 'trigger', role: 'signed-in' }],
  } }`;
  const tokenOf = async (username: string, ...scopes: string[]): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await new ApiTokenStore(site.db).create({ username, purpose: 'x', scopes, lifeMs: null })}`,
  });
  const body = (branch: string): object => ({ scheduler: 'people', sourceStamp: { branch } });
  beforeAll(async () => {
    site.configure({ schedulers: `trigger('people', { builders: ['b'] })`, www: WWW });
    process.kill(scheduler.process.pid!, 'SIGHUP');
    await eventually(async () => (await post(body('main'))).status === 403, { what: 'the new rules' });
    const users = new UserStore(site.db);
    const nobody = { fullName: null, email: null, password: 'long enough' };
    await users.add({ ...nobody, username: 'ann', groups: ['admins'] });
    await users.add({ ...nobody, username: 'bob', groups: [] });
  }, 30_000);

  it('takes tokens, as far as their scopes and the rights of their users go, and records it', async () => {
    const [ann, bob, reader] = [
      await tokenOf('ann', 'trigger'),
      await tokenOf('bob', 'trigger'),
      await tokenOf('ann', 'view'),
    ];
    const unknown = { authorization: `Bearer mrt_${'x'.repeat(43)}` };
    const cases: [string, Record<string, string>, string, number][] = [
      ['a stranger', {}, 'main', 403],
      ['a token that does not work', unknown, 'main', 401],
      ['a token for something else', reader, 'main', 403],
      ['somebody', bob, 'main', 202],
      ['somebody, on a branch of others', bob, 'release', 403],
      ['an administrator', ann, 'release', 202],
    ];
    for (const [who, headers, branch, status] of cases)
      expect([who, (await post(body(branch), headers)).status]).toEqual([who, status]);
    expect(await site.db.all(`SELECT username, via, action, target, outcome FROM audit ORDER BY id`)).toEqual(
      [
        ['ann', 'refused'],
        ['bob', 'done'],
        ['bob', 'refused'],
        ['ann', 'done'],
      ].map(([username, outcome]) => ({
        username,
        via: 'token',
        action: 'trigger',
        target: 'schedulers/people',
        outcome,
      })),
    );
  });
});

describe('POST /trigger, where a project is hidden', () => {
  const SECRET_BUILDER = `builder('s', { workers: ['w'], project: 'secret', factory: [customStep('do', async () => 0)] })`;
  const tokenOf = async (username: string): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await new ApiTokenStore(site.db).create({ username, purpose: 'x', scopes: ['trigger'], lifeMs: null })}`,
  });
  let [insider, outsider]: Record<string, string>[] = [];
  beforeAll(async () => {
    site.configure({
      projects: `{ name: 'secret', visibleTo: ['staff'] }`,
      builders: SECRET_BUILDER,
      schedulers: `trigger('both', { builders: ['b', 's'] }), trigger('hidden', { builders: ['s'] })`,
      www: `{ auth: {}, authz: { roles: [{ from: 'groups', prefix: '' }], rules: [] } }`,
    });
    process.kill(scheduler.process.pid!, 'SIGHUP');
    await eventually(async () => (await post({ scheduler: 'both' })).status === 202, { what: 'the new configuration' });
    const users = new UserStore(site.db);
    const nobody = { fullName: null, email: null, password: 'long enough' };
    await users.add({ ...nobody, username: 'ida', groups: ['staff'] });
    await users.add({ ...nobody, username: 'otto', groups: [] });
    [insider, outsider] = [await tokenOf('ida'), await tokenOf('otto')];
  }, 60_000);

  const buildersOf = ({ body }: Answer): unknown =>
    (body['requests'] as { readonly builder: string }[]).map(({ builder }) => builder);

  it('answers as if it were not there, and starts nothing of it', async () => {
    const asked = [{ scheduler: 'hidden' }, { scheduler: 'both', builders: ['s'] }];
    const missing = [{ scheduler: 'nothing' }, { scheduler: 'both', builders: ['x'] }];
    const hiddenNames = (text: string): string =>
      text.replaceAll(/'(nothing|hidden)'/g, `'?'`).replaceAll(/'[xs]'/g, `'?'`);
    for (const headers of [{}, outsider]) {
      for (const [index, body] of asked.entries()) {
        const before = await buildsets();
        const [answer, expected] = [await post(body, headers), await post(missing[index], headers)];
        expect({ ...answer, body: hiddenNames(JSON.stringify(answer.body)) }).toEqual({
          ...expected,
          body: hiddenNames(JSON.stringify(expected.body)),
        });
        expect([400, 404]).toContain(answer.status);
        expect(await buildsets()).toBe(before);
      }
      expect(buildersOf(await post({ scheduler: 'both' }, headers))).toEqual(['b']);
    }
    for (const body of asked) expect(buildersOf(await post(body, insider))).toEqual(['s']);
    expect(buildersOf(await post({ scheduler: 'both' }, insider))).toEqual(['b', 's']);
  });

  it('does not tell of it in the repeated answer of somebody who sees more', async () => {
    const key = { 'idempotency-key': 'both-1' };
    expect(buildersOf(await post({ scheduler: 'both' }, { ...insider, ...key }))).toEqual(['b', 's']);
    const again = await post({ scheduler: 'both' }, { ...outsider, ...key });
    expect([again.body['repeated'], buildersOf(again)]).toEqual([true, ['b']]);
  });
});
