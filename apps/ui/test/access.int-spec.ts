import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledWww } from '@millrace/contracts';
import { ApiTokenStore, CatalogReads, ConfigurationStore, SessionStore, UserStore } from '@millrace/database';
import { Result, type RightsRule } from '@millrace/domain';
import { eventually, slamDoor } from '@millrace/testing';
import { WebSocket } from 'ws';
import { AccessPolicy } from '../src/access/access-policy.js';
import { startUi, type UiServer } from './server.js';
import { CONFIG, Site } from './site.js';

const AUTH = { idleMs: 3_600_000, sessionMs: 7_200_000 };
const ROLES = [
  { from: 'groups', prefix: '' },
  { from: 'owner', role: 'owner' },
] as const;
const COOKIE = /^millrace_session=([\w-]{43}); Max-Age=7200; Path=\/; HttpOnly; SameSite=Lax$/;

let site: Site;
let ui: UiServer;
let other: UiServer;
let www: CompiledWww = { auth: AUTH };
const rules = (...some: RightsRule[]): void => {
  www = { auth: AUTH, authz: { roles: ROLES, rules: some, otherwise: 'allow' } };
};

beforeAll(async () => {
  site = await Site.onSqlite();
  await site.built('linux-tests', Result.SUCCESS);
  const users = new UserStore(site.db);
  await users.add({
    username: 'ann',
    fullName: 'Ann',
    email: 'ann@example.org',
    groups: ['admins'],
    password: 'correct horse',
  });
  await users.add({ username: 'bob', fullName: null, email: null, groups: [], password: 'battery staple' });
  const policy = {
    get www(): CompiledWww {
      return www;
    },
  };
  ui = await startUi(site, { policy });
  other = await startUi(site, { policy });
}, 60_000);
afterEach(() => {
  www = { auth: AUTH };
});
afterAll(async () => {
  await ui.close();
  await other.close();
  await site.close();
});

type Headers = Readonly<Record<string, string>>;
const get = (path: string, headers: Headers = {}, at = ui): Promise<Response> =>
  fetch(`${at.url}${path}`, { headers, redirect: 'manual' });
const basic = (name: string, password: string): Headers => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const login = (username: string, password: string, headers: Headers = {}): Promise<Response> =>
  fetch(`${ui.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ username, password }),
  });
const sessionOf = (response: Response): Headers => ({ cookie: response.headers.get('set-cookie')!.split(';', 1)[0]! });
const whois = async (headers: Headers, at = ui): Promise<unknown> =>
  ((await (await get('/auth/userinfo', headers, at)).json()) as { user: unknown }).user;
const post = async (path: string, method: string, params: object, headers: Headers = {}) => {
  const response = await fetch(`${ui.url}/api/v2/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return { status: response.status, text: await response.text() };
};
const ANN = { username: 'ann', email: 'ann@example.org', full_name: 'Ann', groups: ['admins'] };

describe('signing in', () => {
  it('begins a session that every UI knows, until it is ended on one of them', async () => {
    const answer = await login('ann', 'correct horse');
    expect([answer.status, await answer.json()]).toEqual([200, { user: ANN }]);
    expect(answer.headers.get('set-cookie')).toMatch(COOKIE);
    const session = sessionOf(answer);
    expect([await whois(session), await whois(session, other)]).toEqual([ANN, ANN]);
    const out = await fetch(`${other.url}/auth/logout`, { method: 'POST', headers: session });
    expect(out.headers.get('set-cookie')).toContain('millrace_session=; Max-Age=0;');
    expect([await whois(session), await whois(session, other)]).toEqual([{ anonymous: true }, { anonymous: true }]);
  });

  it('ends on every UI with the account', async () => {
    const users = new UserStore(site.db);
    await users.add({ username: 'eve', fullName: null, email: null, groups: [], password: 'long enough' });
    const session = sessionOf(await login('eve', 'long enough'));
    expect(await whois(session)).toEqual({ username: 'eve', email: 'eve', groups: [] });
    await users.remove('eve');
    expect([await whois(session), await whois(session, other)]).toEqual([{ anonymous: true }, { anonymous: true }]);
  });

  it("works by Buildbot's addresses", async () => {
    const stranger = await get('/auth/login');
    expect([stranger.status, stranger.headers.get('www-authenticate'), await stranger.text()]).toEqual([
      401,
      'basic realm="buildbot"',
      'Unauthorized',
    ]);
    expect((await get('/auth/login?redirect=/builders', basic('ann', 'wrong'))).status).toBe(401);
    const answer = await get('/auth/login?redirect=/builders', basic('ann', 'correct horse'));
    expect([answer.status, answer.headers.get('location')]).toEqual([302, 'http://ci.example.invalid/#/builders']);
    const session = sessionOf(answer);
    const config = (await (await get('/config', session)).json()) as object;
    expect(config).toMatchObject({
      auth: { name: 'UserPasswordAuth' },
      user: { username: 'ann', email: 'ann@example.org' },
    });
    const out = await get('/auth/logout', session);
    expect([out.status, out.headers.get('location')]).toEqual([302, 'http://ci.example.invalid/#/']);
    expect(await whois(session)).toEqual({ anonymous: true });
  });

  // CVE-2019-7313: line breaks in the redirect of a login and logout.
  it.each([
    '/builders%0d%0aSet-Cookie:%20a=b',
    '/builders%0aX:%20y',
    'https://evil.example/',
    '//evil.example%20/',
    '/%e2%80%a8',
    `/${'x'.repeat(2000)}`,
  ])('leads nowhere else: %s', async (redirect) => {
    for (const [path, headers] of [
      ['login', basic('ann', 'correct horse')],
      ['logout', {}],
    ] as const) {
      const answer = await get(`/auth/${path}?redirect=${redirect}`, headers);
      expect([answer.status, answer.headers.get('location')]).toEqual([302, 'http://ci.example.invalid/#/']);
      expect(answer.headers.get('x')).toBeNull();
    }
  });

  it.each([
    ['no JSON', 'nonsense'],
    ['no password', '{"username":"ann"}'],
    ['a password that is no text', '{"username":"ann","password":["correct horse"]}'],
    ['null', 'null'],
    ['depth', '{"a":{"b":{"c":1}}}'],
  ])('refuses %s', async (_name, body) => {
    const answer = await fetch(`${ui.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([400, null]);
  });

  it('is not possible for pages and links of other sites', async () => {
    expect((await login('ann', 'correct horse', { origin: 'https://evil.example' })).status).toBe(403);
    const foreign = { 'sec-fetch-site': 'cross-site' };
    expect((await get('/auth/login', { ...basic('ann', 'correct horse'), ...foreign })).status).toBe(403);
    const session = sessionOf(await login('ann', 'correct horse'));
    expect((await get('/auth/logout', { ...session, ...foreign })).status).toBe(403);
    expect(await whois(session)).toEqual(ANN);
    // A page of another origin of the same site would have the cookie sent along.
    expect((await post('builds/1', 'rebuild', {}, { ...session, origin: 'http://localhost:1' })).status).toBe(400);
  });

  it('slows guessing down, and never refuses the right password', async () => {
    const guess = async (n: number): Promise<number> => (await login('bob', `guess ${n}`)).status;
    expect(await Promise.all(Array.from({ length: 6 }, (_, n) => guess(n)))).toEqual(Array<number>(6).fill(401));
    const startedAt = performance.now();
    expect(await guess(7)).toBe(401);
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect((await login('bob', 'battery staple')).status).toBe(200);
  }, 20_000);

  it('is left to a proxy, whose headers say who it is, and to nobody else', async () => {
    const proxy = { userHeader: 'x-remote-user', emailHeader: null, groupsHeader: 'x-groups' };
    const headers = { 'x-remote-user': 'carol', 'x-groups': 'admins,qa' };
    www = { auth: { ...AUTH, proxy: { ...proxy, from: ['127.0.0.1'] } } };
    expect(await whois(headers)).toEqual({ username: 'carol', email: 'carol', groups: ['admins', 'qa'] });
    expect(await whois({})).toEqual({ anonymous: true });
    www = { auth: { ...AUTH, proxy: { ...proxy, from: ['192.0.2.1'] } } };
    expect(await whois(headers)).toEqual({ anonymous: true });
  });

  it('is not possible without accounts, and then nobody is anybody', async () => {
    const session = sessionOf(await login('ann', 'correct horse'));
    www = {};
    expect((await login('ann', 'correct horse')).status).toBe(400);
    expect(await whois(session)).toEqual({ anonymous: true });
    expect(await (await get('/config')).json()).toMatchObject({ auth: { name: 'NoAuth' }, refused: {} });
  });

  it.each([
    'millrace_session=',
    'millrace_session=short',
    `millrace_session=${'a'.repeat(43)}`,
    '=;=;;',
    `x${'; a=b'.repeat(500)}`,
  ])('makes a stranger of whoever has the cookie %.40s', async (cookie) =>
    expect(await whois({ cookie })).toEqual({ anonymous: true }),
  );

  it('takes no session that somebody else may have put beside it', async () => {
    const { cookie } = sessionOf(await login('ann', 'correct horse'));
    expect(await whois({ cookie: `${cookie}; ${cookie}` })).toEqual({ anonymous: true });
  });
});

describe('rights', () => {
  const deny = (role: string, more: Partial<RightsRule> = {}): RightsRule => ({ role, orElse: 'deny', ...more });
  const session = async (name: string): Promise<Headers> => {
    const account = { username: name, fullName: null, email: null, groups: name === 'ann' ? ['admins'] : [] };
    const secret = await new SessionStore(site.db).begin({ account, signedInBy: 'account', address: '::1', ...AUTH });
    return { cookie: `millrace_session=${secret}` };
  };
  const FORCE = ['forceschedulers/force', 'force', { reason: 'x', builderNames: ['docs'] }] as const;
  const STOP = ['builds/1', 'stop', {}] as const;

  it.each<[string, RightsRule, readonly [string, string, object], boolean]>([
    ['any action', deny('admins'), STOP, true],
    ['the builder of a build', deny('admins', { builder: 'linux-*' }), STOP, true],
    ['another builder', deny('admins', { builder: 'docs' }), STOP, false],
    ['the project of a build', deny('admins', { project: 'widgets' }), STOP, true],
    ['the branch of a build', deny('admins', { branch: 'main' }), STOP, true],
    ['another branch', deny('admins', { branch: 'other' }), STOP, false],
    ['the worker of a build', deny('admins', { worker: 'w1' }), STOP, true],
    ['the builder of a request', deny('admins', { builder: 'linux-tests' }), ['buildrequests/1', 'cancel', {}], true],
    ['the branch of a request', deny('admins', { branch: 'main' }), ['buildrequests/1', 'cancel', {}], true],
    ['a builder of a form', deny('admins', { builder: 'docs' }), FORCE, true],
    ['a builder that the form does not ask for', deny('admins', { builder: 'linux-tests' }), FORCE, false],
    ['all builders of a form', deny('admins', { builder: 'linux-tests' }), [FORCE[0], 'force', { reason: 'x' }], true],
    ['the branch of a form', deny('admins', { branch: 'main' }), FORCE, true],
    ['the form', deny('admins', { scheduler: 'force' }), FORCE, true],
    ['a worker', deny('admins', { worker: 'w2' }), ['workers/w2', 'unpause', {}], true],
    ['another worker', deny('admins', { worker: 'w2' }), ['workers/w1', 'unpause', {}], false],
    ['a scheduler', deny('admins', { scheduler: 'for*' }), ['schedulers/1', 'enable', { enabled: true }], true],
    ['a resource', deny('admins', { resource: 'worker' }), ['workers/w2', 'unpause', {}], true],
  ])('are decided by %s', async (_name, rule, [path, method, params], matters) => {
    rules(rule);
    const refused = await post(path, method, params);
    expect(refused.status).toBe(matters ? 403 : 200);
    if (matters) expect(refused.text).toContain(`you need to have role 'admins' (rule 1, about '`);
    expect((await post(path, method, params, await session('bob'))).status).toBe(matters ? 403 : 200);
    expect((await post(path, method, params, await session('ann'))).status).toBe(200);
  });

  it("let people stop their own builds, and nobody else's, whatever name a form gives", async () => {
    rules(deny('owner', { actions: ['stop'] }));
    const bob = await session('bob');
    const forced = await post(FORCE[0], 'force', { ...FORCE[2], username: 'ann' }, bob);
    const requestId = Object.values(
      (JSON.parse(forced.text) as { result: [number, Record<string, number>] }).result[1],
    )[0];
    expect((await post(`buildrequests/${requestId}`, 'cancel', {}, await session('ann'))).status).toBe(403);
    expect((await post(`buildrequests/${requestId}`, 'cancel', {})).status).toBe(403);
    expect((await post(`buildrequests/${requestId}`, 'cancel', {}, bob)).status).toBe(200);
  });

  it('are told to pages before anybody tries', async () => {
    rules(deny('admins', { actions: ['stop'] }), deny('admins', { actions: ['force'], builder: 'docs' }));
    const refused = async (headers: Headers): Promise<unknown> =>
      ((await (await get('/config', headers)).json()) as { refused: unknown }).refused;
    const usually = { audit: "no rule allows 'audit'", deliver: "no rule allows 'deliver'" };
    expect(await refused({})).toEqual({ ...usually, stop: "you need to have role 'admins' (rule 1, about 'stop')" });
    expect(await refused(await session('ann'))).toEqual(usually);
  });

  it('keep strangers from reading: pages, lines, and live events', async () => {
    rules(deny('signed-in', { actions: ['view'] }));
    for (const path of ['/api/v2', '/api/v2/builds', '/api/v2/logs/1/contents', '/api/v2/logs/1/raw'])
      expect([path, (await get(path)).status]).toEqual([path, 403]);
    expect(await slamDoor(`${ui.url}/ws`)).toBe('HTTP/1.1 403 Forbidden');
    const bob = await session('bob');
    expect((await get('/api/v2/builds', bob)).status).toBe(200);
    const socket = new WebSocket(`${ui.url.replace('http', 'ws')}/ws`, { headers: bob });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    socket.close();
    // Nobody may look over the shoulder of somebody who asks for the same at the same time.
    const both = await Promise.all([get('/api/v2/builds', bob), get('/api/v2/builds')]);
    expect(both.map(({ status }) => status)).toEqual([200, 403]);
  });

  it('of tokens are those of their user, as far as their scopes go', async () => {
    const tokens = new ApiTokenStore(site.db);
    const create = (username: string, ...scopes: string[]): Promise<string> =>
      tokens.create({ username, purpose: 'test', scopes, lifeMs: null });
    const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
    rules(deny('admins'));
    const [stopper, reader, bobs] = [
      await create('ann', 'stop'),
      await create('ann', 'view'),
      await create('bob', 'stop'),
    ];
    expect((await post(...STOP, bearer(stopper))).status).toBe(200);
    expect((await get('/api/v2/builds', bearer(stopper))).status).toBe(403);
    expect((await get('/api/v2/builds', bearer(reader))).status).toBe(200);
    const refused = await post(...STOP, bearer(reader));
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("do not include 'stop'")]);
    expect((await post(...STOP, bearer(bobs))).status).toBe(403);
    const wrong = await get('/api/v2/builds', bearer(`mrt_${'x'.repeat(43)}`));
    expect([wrong.status, await wrong.text()]).toEqual([401, expect.stringContaining('does not work')]);
    await tokens.revoke((await tokens.list())[0]!.tokenId);
    expect((await post(...STOP, bearer(stopper))).status).toBe(401);
  });
});

/** Reads from an address of this machine, through a proxy. */
const readThrough = (at: UiServer, localAddress: string, client: string, path = 'masters', more: Headers = {}) =>
  new Promise<{ status: number; retryAfter: string | undefined }>((resolve, reject) => {
    const headers = { 'x-forwarded-for': client, ...more };
    const asked = request(`${at.url}/api/v2/${path}`, { localAddress, headers }, (response) => {
      const { statusCode: status, headers: own } = response;
      response.resume().on('end', () => resolve({ status: status!, retryAfter: own['retry-after'] }));
    });
    asked.on('error', reject).end();
  });

it('each client has a budget of requests, and says when the next one is answered', async () => {
  const strict = await startUi(site, { requestsPerSecond: 0.001, policy: { www: { auth: AUTH } } });
  try {
    const ask = (client: string, more?: Headers) => readThrough(strict, '127.0.0.5', client, 'masters', more);
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await ask('203.0.113.9'));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(Number(answers[3]!.retryAfter)).toBeGreaterThan(0);
    // Others have theirs, whoever is signed in has one of their own, and so have those whose tokens do not work.
    expect((await ask('203.0.113.10')).status).toBe(200);
    const ann = sessionOf(await login('ann', 'correct horse'));
    expect((await ask('203.0.113.9', ann)).status).toBe(200);
    const wrong = [];
    for (let i = 0; i < 4; i++)
      wrong.push((await ask('203.0.113.11', { authorization: `Bearer mrt_${'x'.repeat(43)}` })).status);
    expect(wrong).toEqual([401, 401, 401, 429]);
    // Nobody is limited on this machine.
    for (let i = 0; i < 5; i++) expect((await get('/api/v2/masters', {}, strict)).status).toBe(200);
  } finally {
    await strict.close();
  }
});

/** Signs in from an address of this machine. */
const loginFrom = (localAddress: string, headers: Headers): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { method: 'POST', localAddress, headers: { 'content-type': 'application/json', ...headers } };
    const asked = request(`${ui.url}/auth/login`, options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
    });
    asked.on('error', reject).end(JSON.stringify({ username: 'bob', password: 'battery staple' }));
  });

it.each([
  ['127.0.0.5', '203.0.113.9', 'a trusted proxy says whose it is'],
  ['127.0.0.6', '127.0.0.6', 'nobody else does'],
])('the address of who signs in from %s is %s: %s', async (from, address) => {
  expect(await loginFrom(from, { 'x-forwarded-for': '203.0.113.9' })).toBe(200);
  expect(await site.db.get(`SELECT address FROM audit ORDER BY id DESC LIMIT 1`)).toEqual({ address });
});

describe('the audit log', () => {
  const admins: RightsRule = { actions: ['audit', 'stop'], role: 'admins', orElse: 'deny' };
  const entries = async (headers: Headers): Promise<readonly Record<string, unknown>[]> => {
    const answer = await get('/api/v2/audit?order=-auditid&limit=10', { ...headers, accept: 'application/json' });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { audit: Record<string, unknown>[] }).audit;
  };

  it('has who did what, from where, how it ended, and what was refused to people', async () => {
    rules(admins);
    const [ann, bob] = [
      sessionOf(await login('ann', 'correct horse')),
      sessionOf(await login('bob', 'battery staple')),
    ];
    await post('builds/1', 'stop', { reason: 'enough' }, ann);
    await post('builds/1', 'stop', { reason: 1 }, ann);
    await post('builds/1', 'stop', {}, bob);
    await post('builds/1', 'stop', {});
    await fetch(`${ui.url}/auth/logout`, { method: 'POST', headers: bob });
    expect((await entries(ann)).slice(0, 6)).toMatchObject([
      { action: 'logout', username: 'bob' },
      { action: 'stop', username: 'bob', outcome: 'refused', error: expect.stringContaining("role 'admins'") },
      { action: 'stop', username: 'ann', outcome: 'failed', error: expect.stringContaining('reason') },
      {
        ...{ action: 'stop', username: 'ann', via: 'session', outcome: 'done', target: 'builds/1' },
        ...{ params: { reason: 'enough' }, address: '127.0.0.1' },
      },
      { action: 'login', username: 'bob', outcome: 'done' },
      { action: 'login', username: 'ann', outcome: 'done' },
    ]);
  });

  it('is for those whom a rule allows it, whatever else everybody may', async () => {
    const ann = sessionOf(await login('ann', 'correct horse'));
    rules(admins);
    expect([(await get('/api/v2/audit')).status, (await get('/api/v2/audit', ann)).status]).toEqual([403, 200]);
    rules();
    expect([(await get('/api/v2/builds')).status, (await get('/api/v2/audit', ann)).status]).toEqual([200, 403]);
  });

  it('may be read by whoever may read what the configuration says', async () => {
    const ann = sessionOf(await login('ann', 'correct horse'));
    rules(admins);
    const differences = '/api/v2/revisions/1/differences';
    expect([(await get(differences)).status, (await get(differences, ann)).status]).toEqual([403, 200]);
    expect((await get('/api/v2/revisions')).status).toBe(200);
  });

  it('has what records itself when it is done, once, and when it fails', async () => {
    rules(admins);
    const ann = sessionOf(await login('ann', 'correct horse'));
    const force = (posted: object) => post('forceschedulers/force', 'force', posted, ann);
    const { status } = await force({ reason: 'x', builderNames: ['docs'] });
    await force({ reason: 'x', builderNames: ['nowhere'] });
    expect(status).toBe(200);
    expect((await entries(ann)).slice(0, 3)).toMatchObject([
      { action: 'force', username: 'ann', outcome: 'failed', error: expect.any(String) },
      { action: 'force', username: 'ann', outcome: 'done', target: 'forceschedulers/force', error: null },
      { action: 'login', username: 'ann' },
    ]);
  });

  it('has strangers, too, where they may', async () => {
    await post('workers/w1', 'unpause', {});
    expect((await entries({}))[0]).toMatchObject({ action: 'unpause', username: null, via: 'none', outcome: 'done' });
  });
});

describe('the policy', () => {
  const started = async (httpHost: string): Promise<{ policy: AccessPolicy; warnings: string[] }> => {
    const warnings: string[] = [];
    const log = { warn: (_fields: object, text: string) => warnings.push(text) } as never;
    const policy = new AccessPolicy(new CatalogReads(site.db), { pollIntervalMs: 50, httpHost }, log);
    await policy.onModuleInit();
    policy.onApplicationBootstrap();
    return { policy, warnings };
  };

  it('warns when strangers may do everything, and follows the configuration', async () => {
    const [open, alone] = [await started('0.0.0.0'), await started('127.0.0.1')];
    expect([open.warnings.length, open.warnings[0], alone.warnings]).toEqual([
      1,
      expect.stringContaining('EVERYBODY WHO REACHES 0.0.0.0 MAY START AND STOP BUILDS'),
      [],
    ]);
    const authz = { roles: [], rules: [], otherwise: 'deny' } as const;
    const body = JSON.stringify({ ...CONFIG, www: { auth: AUTH, authz } });
    const definitions = { ...CONFIG, changeSources: [] };
    await new ConfigurationStore(site.db).apply(site.engine, { fingerprint: 'e'.repeat(64), body }, definitions, {
      serves: true,
    });
    await eventually(() => open.policy.www.authz?.otherwise === 'deny', { what: 'the new rules' });
    const closed = await started('0.0.0.0');
    expect(closed.warnings).toEqual([]);
    for (const { policy } of [open, alone, closed]) await policy.beforeApplicationShutdown();
  });
});
