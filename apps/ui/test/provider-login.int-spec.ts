import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledGithub, CompiledOidc, CompiledWww } from '@millrace/contracts';
import { UserStore } from '@millrace/database';
import { freePort } from '@millrace/testing';
import { type OpenId, startOpenId } from '@millrace/testing/openid';
import type { PageProvider } from '../src/access/providers/kind.js';
import { providerKind } from '../src/access/providers/registry.js';
import { CODE, type FakeGithub, startFakeGithub } from './fake-github.js';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const PUBLIC_URL = 'http://ci.example.invalid/ci';
const CALLBACK = `${PUBLIC_URL}/auth/login/oidc/callback`;
const PEOPLE = {
  ann: {
    ...{ preferred_username: 'ann', name: 'Ann Ö', email: 'ann@example.org', email_verified: true },
    groups: ['admins', 'qa'],
  },
  // As GitLab and Keycloak describe people.
  gil: { nickname: 'gil', preferred_username: 'gil', email: 'gil@example.org', groups: ['acme/ci', 'acme'] },
  kay: { preferred_username: 'kay', email: 'kay@example.org', email_verified: false, realm_access: { roles: [] } },
  // Would like to be somebody else.
  eve: { preferred_username: 'bob' },
  wide: { preferred_username: 'w w' },
};
const CAT = {
  ...{ id: 583231, login: 'cat', name: 'Cat', organisations: ['acme', 'other'] },
  emails: [
    { email: 'cat@old.example', primary: false, verified: true },
    { email: 'cat@example.org', primary: true, verified: true },
  ],
  teams: [
    ['acme', 'ci'],
    ['other', 'ops'],
  ],
} as const;

let site: Site;
let openId: OpenId;
let fakeGithub: FakeGithub;
let ui: UiServer;
let other: UiServer;
let www: CompiledWww = {};

const page = (name: string) => ({ name, label: name, clientId: 'millrace', icon: 'fa-key', autologin: false });
const oidc = (more: Partial<CompiledOidc> = {}): CompiledOidc => ({
  ...{ kind: 'oidc', ...page('oidc'), issuer: openId.issuer, clientSecretEnv: 'OIDC_SECRET' },
  ...{ scopes: ['openid', 'profile', 'email'], unverifiedEmail: false },
  claims: { username: 'preferred_username', fullName: 'name', email: 'email', groups: 'groups' },
  ...more,
});
const github = (more: Partial<CompiledGithub> = {}): CompiledGithub => ({
  ...{ kind: 'github', ...page('github'), url: fakeGithub.url, apiUrl: `${fakeGithub.url}/api/v3` },
  ...{ clientSecretEnv: 'GITHUB_SECRET', organisations: [], teams: true },
  ...more,
});
const auth = (...providers: readonly (CompiledOidc | CompiledGithub)[]): CompiledWww => ({
  auth: { idleMs: 3_600_000, sessionMs: 7_200_000, providers },
});

beforeAll(async () => {
  site = await Site.onSqlite();
  const account = { fullName: null, email: null, groups: ['admins'], password: 'battery staple' };
  await new UserStore(site.db).add({ ...account, username: 'bob' });
  openId = await startOpenId({ people: PEOPLE });
  openId.allow(CALLBACK);
  fakeGithub = await startFakeGithub(CAT);
  const policy = {
    get www(): CompiledWww {
      return www;
    },
  };
  const env = { OIDC_SECRET: openId.clientSecret, GITHUB_SECRET: fakeGithub.clientSecret, WRONG_SECRET: 'x' };
  ui = await startUi(site, { policy, env, publicUrl: PUBLIC_URL });
  other = await startUi(site, { policy, env, publicUrl: PUBLIC_URL });
  www = auth(oidc(), github());
}, 60_000);
afterEach(() => {
  www = auth(oidc(), github());
  openId.publishWrongKey(false);
  Object.assign(fakeGithub, { person: CAT, mood: 'well' });
});
afterAll(async () => {
  await ui?.close();
  await other?.close();
  await openId?.stop();
  await fakeGithub?.stop();
  await site?.close();
});

type Headers = Readonly<Record<string, string>>;
const get = (path: string, headers: Headers = {}, at = ui): Promise<Response> =>
  fetch(`${at.url}${path}`, { headers, redirect: 'manual' });
/** Returns the cookies that an answer sets and does not clear. */
const cookiesOf = (answer: Response): Headers => ({
  cookie: answer.headers
    .getSetCookie()
    .filter((cookie) => !cookie.includes('Max-Age=0'))
    .map((cookie) => cookie.split(';', 1)[0])
    .join('; '),
});
const whois = async (headers: Headers, at = ui): Promise<unknown> =>
  ((await (await get('/auth/userinfo', headers, at)).json()) as { user: unknown }).user;

/** Leaves for a provider. */
const begin = async (name: string, redirect = '/'): Promise<{ url: URL; cookie: Headers }> => {
  const answer = await get(`/auth/login/${name}?redirect=${encodeURIComponent(redirect)}`);
  expect(answer.status).toBe(302);
  return { url: new URL(answer.headers.get('location')!), cookie: cookiesOf(answer) };
};
/** Comes back from a provider, to where a proxy without the path would lead. */
const comeBack = (callback: string, headers: Headers, at = ui): Promise<Response> =>
  get(callback.replace(PUBLIC_URL, ''), { 'sec-fetch-site': 'cross-site', ...headers }, at);
const failure = async (answer: Response): Promise<unknown[]> => {
  const { code } = (await answer.json()) as { code: string };
  expect(answer.headers.getSetCookie().join()).toMatch(/millrace_login=; Max-Age=0/);
  return [answer.status, code];
};
const signInAs = async (name: string, at = ui): Promise<Response> => {
  const { url, cookie } = await begin('oidc', '/builders');
  return comeBack(await openId.signIn(url.href, name), cookie, at);
};
const withGithub = async (code = CODE): Promise<Response> => {
  const { url, cookie } = await begin('github');
  return comeBack(`/auth/login/github/callback?code=${code}&state=${url.searchParams.get('state')}`, cookie);
};

describe('signing in by OpenID Connect', () => {
  it('leads to the provider, back to any UI, and to the page that was asked for', async () => {
    const { url, cookie } = await begin('oidc', '/builders/1');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      ...{ client_id: 'millrace', response_type: 'code', redirect_uri: CALLBACK, scope: 'openid profile email' },
      code_challenge_method: 'S256',
    });
    const answer = await comeBack(await openId.signIn(url.href, 'ann'), cookie, other);
    expect([answer.status, answer.headers.get('location')]).toEqual([302, `${PUBLIC_URL}/#/builders/1`]);
    expect(answer.headers.getSetCookie()).toEqual([
      'millrace_login=; Max-Age=0; Path=/ci; HttpOnly; SameSite=Lax',
      expect.stringMatching(/^millrace_session=[\w-]{43}; Max-Age=7200; Path=\/ci; HttpOnly; SameSite=Lax$/),
    ]);
    const session = cookiesOf(answer);
    const ann = { username: 'ann', email: 'ann@example.org', full_name: 'Ann Ö', groups: ['admins', 'qa'] };
    expect([await whois(session), await whois(session, other)]).toEqual([ann, ann]);
    await fetch(`${ui.url}/auth/logout`, { method: 'POST', headers: session });
    expect([await whois(session), await whois(session, other)]).toEqual([{ anonymous: true }, { anonymous: true }]);
    const log = await site.db.get(
      `SELECT action, username, params FROM audit WHERE action = 'login' ORDER BY id DESC LIMIT 1`,
    );
    expect(log).toEqual({ action: 'login', username: 'ann', params: '{"provider":"oidc"}' });
  });

  it.each([
    ['gil', {}, { username: 'gil', email: 'gil', groups: ['acme/ci', 'acme'] }],
    ['gil', { unverifiedEmail: true }, { username: 'gil', email: 'gil@example.org', groups: ['acme/ci', 'acme'] }],
    ['kay', {}, { username: 'kay', email: 'kay', groups: [] }],
  ])('tells %s by the claims, with %j', async (name, more, person) => {
    www = auth(oidc(more));
    expect(await whois(cookiesOf(await signInAs(name)))).toEqual(person);
  });

  it("does not give anybody somebody else's name", async () => {
    expect(await failure(await signInAs('eve'))).toEqual([409, 'name-taken']);
    expect(await failure(await signInAs('wide'))).toEqual([400, 'bad-user']);
  });

  it('takes an answer once, and only in the browser where it began', async () => {
    const { url, cookie } = await begin('oidc');
    const callback = await openId.signIn(url.href, 'ann');
    const elsewhere = await begin('oidc');
    expect(await failure(await comeBack(callback, {}))).toEqual([400, 'login-over']);
    expect(await failure(await comeBack(callback, elsewhere.cookie))).toEqual([400, 'login-over']);
    expect(await failure(await comeBack(callback, { cookie: 'millrace_login=x.y.z' }))).toEqual([400, 'login-over']);
    expect((await comeBack(callback, cookie)).status).toBe(302);
    // The browser has forgotten the login. Whoever has not is refused by the provider.
    expect(await failure(await comeBack(callback, cookie))).toEqual([403, 'login-refused']);
  });

  it('does not take the answer of one provider for that of another', async () => {
    www = auth(oidc(), oidc({ name: 'second' }));
    const { url, cookie } = await begin('oidc');
    const callback = (await openId.signIn(url.href, 'ann')).replace('/login/oidc/', '/login/second/');
    expect(await failure(await comeBack(callback, cookie))).toEqual([400, 'login-over']);
  });

  it.each<[string, () => Promise<Response>, unknown[]]>([
    ['a person who is refused', () => signInAs('refused'), [403, 'login-refused']],
    [
      'a key that did not sign',
      () => {
        openId.publishWrongKey(true);
        www = auth(oidc({ label: 'asked again for its keys' }));
        return signInAs('ann');
      },
      [503, 'bad-provider-answer'],
    ],
    [
      'a wrong secret of the client',
      () => {
        www = auth(oidc({ clientSecretEnv: 'WRONG_SECRET' }));
        return signInAs('ann');
      },
      [503, 'bad-provider-answer'],
    ],
    [
      'another code',
      async () => {
        const { url, cookie } = await begin('oidc');
        const callback = new URL(await openId.signIn(url.href, 'ann'));
        callback.searchParams.set('code', 'x');
        return comeBack(callback.href, cookie);
      },
      [403, 'login-refused'],
    ],
    [
      'another issuer',
      async () => {
        const { url, cookie } = await begin('oidc');
        const callback = new URL(await openId.signIn(url.href, 'ann'));
        callback.searchParams.set('iss', 'https://evil.example');
        return comeBack(callback.href, cookie);
      },
      [503, 'bad-provider-answer'],
    ],
  ])('says what is wrong: %s', async (_name, attempt, expected) => {
    expect(await failure(await attempt())).toEqual(expected);
  });

  it('is not possible without the provider, while accounts of our own work', async () => {
    www = auth(oidc({ issuer: `http://127.0.0.1:${await freePort()}` }));
    const answer = await get('/auth/login/oidc');
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, 'provider-unavailable']);
    const own = await fetch(`${ui.url}/auth/login`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ username: 'bob', password: 'battery staple' }),
    });
    expect(own.status).toBe(200);
  });

  it('shows browsers a page, and nothing of others in it', async () => {
    const { url, cookie } = await begin('oidc');
    const state = url.searchParams.get('state');
    const description = encodeURIComponent('<script>alert(1)</script>');
    const query = `state=${state}&error=access_denied&error_description=${description}`;
    const answer = await comeBack(`/auth/login/oidc/callback?${query}&iss=${encodeURIComponent(openId.issuer)}`, {
      ...cookie,
      accept: 'text/html',
    });
    const text = await answer.text();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8']);
    expect(text).toContain('access_denied: &lt;script&gt;');
    expect(text).toContain(`href="${PUBLIC_URL}/login"`);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('is not begun by links of other sites, and leads nowhere else', async () => {
    expect((await get('/auth/login/oidc', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    const { url, cookie } = await begin('oidc', '//evil.example/');
    const answer = await comeBack(await openId.signIn(url.href, 'ann'), cookie);
    expect(answer.headers.get('location')).toBe(`${PUBLIC_URL}/#/`);
    expect((await get('/auth/login/nobody')).status).toBe(404);
  });

  it('writes no secret into the log', async () => {
    openId.publishWrongKey(true);
    www = auth(oidc({ label: 'asked again' }));
    await signInAs('ann');
    const log = JSON.stringify(ui.warnings);
    expect(log).not.toContain(openId.clientSecret);
    expect(log).not.toContain('eyJ');
  });
});

describe('signing in by GitHub', () => {
  it('knows people by their number, with organisations and teams as groups', async () => {
    expect(await whois(cookiesOf(await withGithub()))).toEqual({
      ...{ username: 'cat', email: 'cat@example.org', full_name: 'Cat' },
      groups: ['acme', 'other', 'acme/ci', 'other/ops'],
    });
    // Somebody else has taken the name at GitHub.
    fakeGithub.person = { ...CAT, id: 1 };
    expect(await failure(await withGithub())).toEqual([409, 'name-taken']);
    fakeGithub.person = { ...CAT, login: 'renamed', emails: [] };
    expect(await whois(cookiesOf(await withGithub()))).toMatchObject({ username: 'cat', email: 'cat' });
    const exchange = fakeGithub.asked.find(({ path }) => path === '/login/oauth/access_token')!;
    expect(exchange.body.get('code_verifier')).toMatch(/^[\w-]{43}$/);
  });

  it('lets members of organisations in only, and knows no other groups then', async () => {
    www = auth(github({ organisations: ['ACME'] }));
    expect(await whois(cookiesOf(await withGithub()))).toMatchObject({ groups: ['acme', 'acme/ci'] });
    www = auth(github({ organisations: ['elsewhere'] }));
    expect(await failure(await withGithub())).toEqual([403, 'login-refused']);
  });

  it('reads lists to their ends', async () => {
    www = auth(github({ organisations: ['o-249'] }));
    fakeGithub.person = { ...CAT, organisations: Array.from({ length: 250 }, (_, i) => `o-${i}`) };
    expect(await whois(cookiesOf(await withGithub()))).toMatchObject({ groups: ['o-249'] });
  });

  it.each<[string, () => void, string, unknown[]]>([
    ['a wrong code', () => {}, 'x', [403, 'login-refused']],
    ['an error of the server', () => (fakeGithub.mood = 'broken'), CODE, [503, 'provider-unavailable']],
    ['an answer without end', () => (fakeGithub.mood = 'talkative'), CODE, [503, 'provider-unavailable']],
    [
      'more organisations than an account can have groups',
      () => (fakeGithub.person = { ...CAT, organisations: Array.from({ length: 501 }, (_, i) => `o-${i}`) }),
      CODE,
      [400, 'bad-user'],
    ],
  ])('says what is wrong: %s', async (_name, prepare, code, expected) => {
    prepare();
    expect(await failure(await withGithub(code))).toEqual(expected);
  });
});

it('gives up on a provider that hangs', async () => {
  fakeGithub.mood = 'hanging';
  const environment = { env: { GITHUB_SECRET: 'x' }, log: { warn: () => {} }, answerMs: 200 };
  const provider = providerKind('github')!.make(github(), environment) as PageProvider;
  const { proofs } = await provider.begin(CALLBACK);
  const answer = new URL(`${CALLBACK}?code=x&state=${proofs.state}`);
  await expect(provider.finish(answer, proofs)).rejects.toMatchObject({ code: 'provider-unavailable' });
});

describe('the pages', () => {
  const config = async (): Promise<Record<string, unknown>> =>
    (await (await get('/config')).json()) as Record<string, unknown>;

  it("know the ways to sign in, and Buildbot's frontend the first of them", async () => {
    expect(await config()).toMatchObject({
      auth: { name: 'oidc', oauth2: true, fa_icon: 'fa-key', autologin: false },
      sign_in: {
        passwords: true,
        providers: [
          { name: 'oidc', label: 'oidc' },
          { name: 'github', label: 'github' },
        ],
      },
    });
    const answer = await get('/auth/login?redirect=/builders');
    expect([answer.status, answer.headers.get('location')]).toEqual([
      302,
      `${PUBLIC_URL}/auth/login/oidc?redirect=%2Fbuilders`,
    ]);
  });

  it('leave out what this UI has no secret for, and say so once', async () => {
    www = { auth: { ...auth(oidc({ clientSecretEnv: 'NOT_SET' })).auth!, accounts: false } };
    ui.warnings.length = 0;
    for (const _ of [1, 2])
      expect(await config()).toMatchObject({
        auth: { name: 'UserPasswordAuth' },
        sign_in: { passwords: false, providers: [] },
      });
    expect(ui.warnings).toEqual([expect.objectContaining({ provider: 'oidc' })]);
  });
});
