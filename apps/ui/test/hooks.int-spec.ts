import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledHook, CompiledWww } from '@millrace/contracts';
import { ApiTokenStore, ConfigurationStore, UserStore } from '@millrace/database';
import { FORGES, hookDelivery } from '@millrace/testing';
import { startUi, type UiServer } from './server.js';
import { CONFIG, Site } from './site.js';

const SECRET = 'the secret of this test';

const hook = (dialect: string, more: object = {}): CompiledHook => ({
  ...{ dialect, name: dialect, hasSecret: true, secretEnv: 'HOOK_SECRET', codebase: '', project: null },
  ...more,
});
/** Who is in the group `scripts` may deliver to one hook with a token. */
const WWW: CompiledWww = {
  auth: { idleMs: 3_600_000, sessionMs: 7_200_000 },
  authz: {
    roles: [{ from: 'groups', prefix: '' }],
    rules: [{ actions: ['deliver'], hook: 'github', role: 'scripts', orElse: 'deny' }],
    otherwise: 'allow',
  },
};
const HOOKS = [
  ...FORGES.map((dialect) => hook(dialect)),
  hook('github', { name: 'unset', secretEnv: 'UNSET_SECRET' }),
  hook('github', { name: 'old', secretEnv: undefined }),
  hook('github', { name: 'hidden-hook', project: 'secret' }),
  hook('github', { name: 'shown-hook', project: 'none' }),
];

describe('POST /change_hook at the port of the UI', () => {
  let site: Site;
  let ui: UiServer;
  beforeAll(async () => {
    site = await Site.onSqlite();
    const config = {
      ...CONFIG,
      hooks: HOOKS,
      www: WWW,
      projects: [...CONFIG.projects, { name: 'secret', description: null, visibleTo: ['staff'] }],
    };
    await new ConfigurationStore(site.db).apply(
      site.engine,
      { fingerprint: 'e'.repeat(64), body: JSON.stringify(config) },
      config,
      { serves: true },
    );
    ui = await startUi(site, { env: { HOOK_SECRET: SECRET } });
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  const send = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${ui.url}/change_hook/${path}`, { method: 'POST', body: '{}', ...init });
  const stored = (): Promise<{ hook: string; state: string; bytes: number }[]> =>
    site.db.all(`SELECT hook, state, body_bytes AS bytes FROM hook_deliveries ORDER BY id`);

  it.each(FORGES)('takes a delivery of %s once, for a scheduler to read', async (dialect) => {
    const delivery = hookDelivery(dialect, 'push', SECRET);
    const first = await send(dialect, delivery);
    const answer = (await first.json()) as object;
    expect([first.status, answer]).toEqual([202, expect.objectContaining({ repeated: false })]);
    expect(await (await send(dialect, delivery)).json()).toEqual({ ...answer, repeated: true });
    expect(await stored()).toContainEqual({ hook: dialect, state: 'waiting', bytes: delivery.body.length });
  });

  it.each<[string, string, RequestInit, number, string]>([
    ['another secret', 'github', hookDelivery('github', 'push', 'wrong'), 401, 'x-hub-signature-256'],
    ['a secret that the UI does not know', 'github/unset', hookDelivery('github', 'push', SECRET), 503, 'UNSET_SECRET'],
    ['a revision that does not name the variable', 'github/old', {}, 503, 'restart the schedulers'],
    ['an unknown dialect', 'gitorious', {}, 404, '9 hooks are configured'],
    ['an address that is too long for a hook', 'a/b/c', {}, 404, '9 hooks are configured'],
    ['another method', 'github', { method: 'PUT' }, 405, 'POST'],
    ['a page from elsewhere', 'github', { headers: { origin: 'http://elsewhere.invalid' } }, 403, 'elsewhere'],
  ])('refuses %s, and keeps nothing', async (_what, path, init, status, named) => {
    const before = await stored();
    const response = await send(path, init);
    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(named)]);
    expect(await stored()).toEqual(before);
  });

  it('takes a token in place of the signature where a rule says so, and keeps whose it was', async () => {
    const bot = { username: 'bot', fullName: null, email: null, groups: ['scripts'], password: 'battery staple' };
    await new UserStore(site.db).add(bot);
    const tokens = new ApiTokenStore(site.db);
    const create = (scope: string): Promise<string> =>
      tokens.create({ username: 'bot', purpose: 'imports', scopes: [scope], lifeMs: null });
    const [good, narrow] = [await create('deliver'), await create('view')];
    const push = hookDelivery('github', 'push', 'not the secret');
    const sent = async (path: string, token: string) => {
      const headers = { ...push.headers, 'x-github-delivery': randomUUID(), authorization: `Bearer ${token}` };
      const response = await send(path, { ...push, headers });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const before = await stored();
    expect(await sent('github', narrow)).toMatchObject({ status: 403 });
    expect(await sent('gitlab', good)).toMatchObject({ status: 403 });
    expect(await sent('github', `mrt_${'x'.repeat(43)}`)).toMatchObject({ status: 401 });
    expect(await sent('github', 'mrt_short')).toMatchObject({ status: 401, body: { code: 'bad-signature' } });
    expect(await stored()).toEqual(before);
    const { status, body } = await sent('github', good);
    expect([status, body['delivered_by']]).toEqual([202, 'bot: imports']);
    const row = await site.db.get<{ headers: string; deliveredBy: string }>(
      `SELECT headers, delivered_by AS deliveredBy FROM hook_deliveries WHERE id = ?`,
      [body['delivery'] as number],
    );
    expect(row!.deliveredBy).toBe('bot: imports');
    expect(row!.headers).not.toContain('mrt_');
    await tokens.revoke((await tokens.list())[0]!.tokenId);
    expect(await sent('github', good)).toMatchObject({ status: 401 });
  });

  it('is no page of the web app', async () => {
    for (const path of ['', 'github', 'nothing/here']) {
      const response = await fetch(`${ui.url}/change_hook/${path}`);
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    }
  });

  it('takes larger deliveries than the API takes bodies', async () => {
    const body = JSON.stringify({ text: 'x'.repeat(20 << 20) });
    expect((await send('gitlab', { body, headers: { 'x-gitlab-token': SECRET } })).status).toBe(202);
  }, 30_000);

  it('names no hook of a hidden project in its metrics', async () => {
    const countOf = async (name: string): Promise<number> => {
      const text = await ui.metrics();
      expect(text).not.toContain('hidden-hook');
      const line = `millrace_hook_deliveries_total{hook="${name}",outcome="accepted"} `;
      return Number(
        text
          .split('\n')
          .find((one) => one.startsWith(line))
          ?.slice(line.length) ?? 0,
      );
    };
    const before = [await countOf('(hidden)'), await countOf('shown-hook')];
    for (const name of ['hidden-hook', 'shown-hook'])
      expect((await send(`github/${name}`, hookDelivery('github', 'push', SECRET))).status).toBe(202);
    expect([await countOf('(hidden)'), await countOf('shown-hook')]).toEqual(before.map((count) => count + 1));
  });
});
