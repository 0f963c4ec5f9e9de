import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, eventually, freePort, requireService, type Service, startUiProxy } from '@millrace/testing';
import { type OpenId, startOpenId } from '@millrace/testing/openid';
import { chromium } from 'playwright-core';
import { WebSocket } from 'ws';
import { availableStacks, CLI, FIXTURES, type Stack, startStack } from './stacks.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const STACKS = availableStacks().filter((name) => name !== 'MariaDB + NATS');

type Headers = Readonly<Record<string, string>>;

describe.each(STACKS)('accounts and rights, on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let openId: OpenId;
  let publicUrl: string;
  let ann: Headers;
  let bob: Headers;
  beforeAll(async () => {
    stack = await startStack(name);
    openId = await startOpenId({
      people: { cat: { preferred_username: 'cat', groups: ['admins'] }, dan: { preferred_username: 'dan' } },
    });
    const env = {
      ...{ TEST_OIDC_ISSUER: openId.issuer, OIDC_SECRET: openId.clientSecret },
      E2E_HOOK_SECRET: 'what the forge knows',
    };
    cluster = await stack.start(join(FIXTURES, 'access.config.ts'), env);
    const config = (await (await fetch(`${cluster.url}/config`)).json()) as { buildbotURL: string };
    publicUrl = config.buildbotURL;
    openId.allow(`${publicUrl}auth/login/oidc/callback`);
    cli(['user', 'add', 'ann', '--group', 'admins', '--email', 'ann@example.org'], 'correct horse\n');
    cli(['user', 'add', 'bob'], 'battery staple\n');
    [ann, bob] = [await signIn('ann', 'correct horse'), await signIn('bob', 'battery staple')];
  }, 180_000);
  afterAll(async () => {
    await cluster?.stop();
    await openId?.stop();
    await stack?.stop();
  });

  const cli = (args: readonly string[], input = ''): string => {
    const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args, '--database', database], {
      ...{ input, encoding: 'utf8' },
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    });
    expect([args[0], status, stderr]).toEqual([args[0], 0, '']);
    return stdout.trim();
  };
  const signIn = async (username: string, password: string): Promise<Headers> => {
    const answer = await fetch(`${cluster.url}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    expect(answer.status).toBe(200);
    return { cookie: answer.headers.get('set-cookie')!.split(';', 1)[0]! };
  };
  const read = async (path: string, headers: Headers = {}): Promise<number> =>
    (await fetch(`${cluster.url}/api/v2/${path}`, { headers })).status;
  const call = async (path: string, method: string, params: object, headers: Headers = {}) => {
    const answer = await fetch(`${cluster.url}/api/v2/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const body = (await answer.json()) as { result?: [number, Record<string, number>]; error?: { message: string } };
    return { status: answer.status, requestId: Object.values(body.result?.[1] ?? {})[0], message: body.error?.message };
  };
  const force = (builder: string, headers: Headers = {}) =>
    call(`forceschedulers/force-${builder}`, 'force', { reason: 'x' }, headers);

  it('show nothing to strangers, and everything to whoever has signed in', async () => {
    expect([await read('builds'), await read('builds', ann), await read('builds', bob)]).toEqual([403, 200, 200]);
  });

  it('let people do what the rules say, and stop what they have started', async () => {
    expect((await force('open')).status).toBe(403);
    expect(await force('release', bob)).toMatchObject({
      status: 403,
      message: expect.stringContaining("role 'admins'"),
    });
    const [bobs, anns] = [await force('open', bob), await force('release', ann)];
    expect([bobs.status, anns.status]).toEqual([200, 200]);
    const stop = (request: number | undefined, headers: Headers) =>
      call(`buildrequests/${request}`, 'cancel', {}, headers);
    expect((await stop(anns.requestId, bob)).status).toBe(403);
    expect((await stop(bobs.requestId, bob)).status).toBe(200);
    expect((await stop(anns.requestId, ann)).status).toBe(200);
    const log = cli(['audit', '--user', 'bob']);
    expect(log).toMatch(/bob +session +127\.0\.0\.1 +login +done/);
    expect(log).toMatch(new RegExp(`cancel buildrequests/${anns.requestId} +refused: `));
    expect(log).toMatch(new RegExp(`cancel buildrequests/${bobs.requestId} +done`));
    expect([await read('audit', bob), await read('audit', ann)]).toEqual([403, 200]);
  });

  it('hide a project from those who must not see it', async () => {
    const started = await force('launch-codes', ann);
    expect(started.status).toBe(200);
    const seenBy = async (headers: Headers): Promise<unknown> => {
      const text = async (path: string): Promise<string> =>
        (await fetch(`${cluster.url}/api/v2/${path}`, { headers })).text();
      const lists = ['builders', 'projects', 'forceschedulers', 'schedulers', 'buildrequests', 'workers', 'builds'];
      const found = await Promise.all(lists.map(text));
      return found.some((list) => list.includes('launch-codes') || list.includes('secret'));
    };
    expect([await seenBy(ann), await seenBy(bob)]).toEqual([true, false]);
    for (const path of [
      'builders/launch-codes',
      `buildrequests/${started.requestId}`,
      'forceschedulers/force-launch-codes',
    ])
      expect([path, await read(path, ann), await read(path, bob)]).toEqual([path, 200, 404]);
    expect((await force('launch-codes', bob)).status).toBe(404);
    // Refused as it is for a request that does not exist.
    const cancel = (request: number | undefined) => call(`buildrequests/${request}`, 'cancel', {}, bob);
    expect(await cancel(started.requestId)).toEqual(await cancel(999_999));
    expect((await call(`buildrequests/${started.requestId}`, 'cancel', {}, ann)).status).toBe(200);
  });

  it('give scripts tokens, until they are revoked', async () => {
    const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
    const token = bearer(cli(['token', 'create', 'ann', '--scope', 'view', '--purpose', 'a script', '--expires', '1']));
    expect([await read('builds', token), (await force('open', token)).status]).toEqual([200, 403]);
    cli(['token', 'revoke', '1']);
    expect(await read('builds', token)).toBe(401);
  });

  it('let scripts deliver to a hook with a token where a rule says so', async () => {
    const create = (user: string, scope: string): string =>
      cli(['token', 'create', user, '--scope', scope, '--purpose', 'nightly imports']);
    const [anns, viewers, bobs] = [create('ann', 'deliver'), create('ann', 'view'), create('bob', 'deliver')];
    const body = 'revision=abc&comments=imported&author=ann';
    const ports = [cluster.url, `http://127.0.0.1:${cluster.ports.trigger}`];
    const deliver = async (url: string, hook: string, token: string) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Bearer ${token}` };
      const answer = await fetch(`${url}/change_hook/base/${hook}`, { method: 'POST', headers, body });
      return { status: answer.status, body: (await answer.json()) as { delivery?: number; delivered_by?: string } };
    };
    for (const url of ports) {
      for (const [hook, token, status] of [
        ['imports', viewers, 403],
        ['imports', bobs, 403],
        ['others', anns, 403],
        ['imports', `mrt_${'x'.repeat(43)}`, 401],
        ['imports', 'guessed', 401],
      ] as const)
        expect([hook, status, (await deliver(url, hook, token)).status]).toEqual([hook, status, status]);
      const { status, body: answer } = await deliver(url, 'imports', anns);
      expect([status, answer.delivered_by]).toEqual([202, 'ann: nightly imports']);
      const kept = await fetch(`${cluster.url}/api/v2/deliveries/${answer.delivery}`, { headers: ann });
      const text = await kept.text();
      expect(text).toContain('"ann: nightly imports"');
      expect(text).not.toContain(anns);
      expect((await deliver(url, 'imports', 'what the forge knows')).status).toBe(202);
    }
  });

  it('end with the account', async () => {
    cli(['user', 'add', 'eve'], 'long enough\n');
    const eve = await signIn('eve', 'long enough');
    expect(await read('builds', eve)).toBe(200);
    cli(['user', 'remove', 'eve']);
    expect(await read('builds', eve)).toBe(403);
  });

  it('hold for people who sign in by a provider, by their groups there', async () => {
    const { auth } = (await (await fetch(`${cluster.url}/config`)).json()) as { auth: object };
    expect(auth).toEqual({ name: 'Our Provider', oauth2: true, fa_icon: 'fa-openid', autologin: false });
    const signInBy = async (person: string): Promise<Headers> => {
      const begun = await fetch(`${cluster.url}/auth/login/oidc`, { redirect: 'manual' });
      const url = new URL(begun.headers.get('location')!);
      const callback = await openId.signIn(url.href, person);
      const cookie = begun.headers.get('set-cookie')!.split(';', 1)[0]!;
      const ended = await fetch(callback, { redirect: 'manual', headers: { cookie } });
      expect(ended.status).toBe(302);
      return { cookie: /millrace_session=[\w-]{43}/.exec(ended.headers.getSetCookie().join())![0] };
    };
    const [cat, dan] = [await signInBy('cat'), await signInBy('dan')];
    expect(await force('release', dan)).toMatchObject({ status: 403 });
    const forced = await force('release', cat);
    expect(forced.status).toBe(200);
    expect((await call(`buildrequests/${forced.requestId}`, 'cancel', {}, cat)).status).toBe(200);
    await fetch(`${cluster.url}/auth/logout`, { method: 'POST', headers: cat });
    expect([await read('builds', cat), await read('builds', dan)]).toEqual([403, 200]);
    expect(cli(['user', 'list'])).toMatch(/cat .*admins +oidc/);
  });

  if (name === 'embedded' && requireService('haproxy')) {
    it('hold below a path behind a proxy that says who people are, and for nobody else who says so', async () => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}/ci`;
      const below = await cluster.add('ui', 'ui-below', cluster.ports.workers, { MILLRACE_URL: url });
      const direct = `http://127.0.0.1:${below.httpPort}`;
      const ready = async (): Promise<boolean> => (await fetch(`${direct}/readyz`)).ok;
      await eventually(ready, { timeoutMs: 120_000, what: 'the UI below a path' });
      let proxy: Service | null = null;
      let socket: WebSocket | null = null;
      try {
        const userHeader = 'X-Remote-User';
        proxy = await startUiProxy({
          ...{ port, backendPort: below.httpPort!, source: '127.0.0.9', userHeader, people: { pat: 'open-sesame' } },
        });
        const pat = { authorization: `Basic ${Buffer.from('pat:open-sesame').toString('base64')}` };
        const claims = { [userHeader]: 'pat' };
        const status = async (base: string, headers: Headers): Promise<number> =>
          (await fetch(`${base}/api/v2/builds`, { headers })).status;
        expect([await status(url, pat), await status(url, {})]).toEqual([200, 403]);
        expect([await status(url, claims), await status(direct, claims)]).toEqual([403, 403]);
        const config = await (await fetch(`${url}/config`, { headers: pat })).json();
        expect(config).toMatchObject({ buildbotURL: `${url}/`, user: { username: 'pat' } });

        const page = await (await fetch(`${url}/builders`, { headers: pat })).text();
        const [, script = ''] = /<script[^>]* src="([^"]+)"/.exec(page) ?? [];
        expect(script).toMatch(/^\/ci\/assets\//);
        expect((await fetch(new URL(script, url))).headers.get('content-type')).toContain('javascript');

        const login = await fetch(`${url}/auth/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ username: 'ann', password: 'correct horse' }),
        });
        const [cookie = ''] = login.headers.getSetCookie();
        expect(cookie).toContain('Path=/ci;');
        expect(await status(url, { cookie: cookie.split(';', 1)[0]! })).toBe(200);

        const events: string[] = [];
        socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers: pat, origin: `http://127.0.0.1:${port}` });
        socket.on('message', (data) => events.push((data as Buffer).toString()));
        await once(socket, 'open');
        socket.send(JSON.stringify({ _id: 1, cmd: 'startConsuming', path: 'buildrequests/*/*' }));
        await eventually(() => events.length > 0, { timeoutMs: 60_000, what: 'the answer to the subscription' });
        const command = (path: string, method: string, params: object): Promise<Response> =>
          fetch(`${url}/api/v2/${path}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...pat },
            body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
          });
        const forced = await command('forceschedulers/force-open', 'force', { reason: 'x' });
        const { result } = (await forced.json()) as { result: [number, Record<string, number>] };
        const [request] = Object.values(result[1]);
        const isTold = (): boolean => events.some((text) => text.includes(`buildrequests/${request}/`));
        await eventually(isTold, { timeoutMs: 60_000, what: 'the event of the request' });
        expect((await command(`buildrequests/${request}`, 'cancel', {})).status).toBe(200);
        expect(cli(['audit', '--user', 'pat'])).toMatch(/pat +session .*force forceschedulers\/force-open +done/);
      } finally {
        socket?.terminate();
        await proxy?.stop();
        await below.process.stop();
      }
    }, 300_000);
  }

  if (name === 'embedded' && CHROMIUM) {
    it('have a page to sign in, and buttons that say why they cannot be used', async () => {
      const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--disable-gpu', '--no-first-run'] });
      try {
        const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
        page.setDefaultTimeout(20_000);
        const { builders } = (await (
          await fetch(`${cluster.url}/api/v2/builders?name=release`, {
            headers: { ...bob, accept: 'application/json' },
          })
        ).json()) as { builders: { builderid: number }[] };
        await page.goto(`${cluster.url}/builders/${builders[0]!.builderid}`);
        // All by the keyboard: the first field has the focus.
        await page.getByLabel('User name').waitFor();
        await page.keyboard.type('bob');
        await page.keyboard.press('Tab');
        await page.keyboard.type('wrong');
        await page.keyboard.press('Enter');
        await page.getByRole('alert').getByText('no account with this name and password').waitFor();
        await page.getByLabel('Password').fill('battery staple');
        await page.keyboard.press('Enter');
        await page.getByRole('heading', { name: 'release' }).waitFor();
        await page.getByText('bob', { exact: true }).waitFor();
        // Only its answer can tell that this builder is not for everybody who may force some.
        await page.getByRole('button', { name: 'Force' }).first().click();
        await page.getByRole('dialog').getByRole('button', { name: 'Force' }).click();
        await page.getByRole('alert').getByText("role 'admins'").waitFor();
        await page.goto(`${cluster.url}/schedulers`);
        const button = page.getByRole('button', { name: 'Switch off' }).first();
        await button.waitFor();
        expect(await button.getAttribute('aria-disabled')).toBe('true');
        expect(await button.getAttribute('title')).toContain("no rule allows 'enable'");
        await page.getByRole('button', { name: 'Sign out' }).click();
        await page.getByLabel('User name').waitFor();
        // The provider leads back to the address that the UI says is its own.
        await page.goto(`${publicUrl}schedulers`);
        await page.getByRole('link', { name: 'Sign in with Our Provider' }).click();
        await page.getByLabel('Name at the provider').fill('cat');
        await page.getByRole('button', { name: 'Continue' }).click();
        await page.getByText('cat', { exact: true }).waitFor();
        await page.getByRole('heading', { name: 'Schedulers' }).waitFor();
        await page.getByRole('button', { name: 'Sign out' }).click();
        await page.getByLabel('User name').waitFor();
        const ours = async (): Promise<readonly unknown[]> =>
          (await page.context().cookies()).filter((cookie) => cookie.name.startsWith('millrace'));
        await eventually(async () => (await ours()).length === 0, {
          timeoutMs: 20_000,
          what: 'no cookie',
        });
      } finally {
        await browser.close();
      }
    }, 180_000);
  }
});
