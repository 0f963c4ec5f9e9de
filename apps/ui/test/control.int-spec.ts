import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isForceScheduler } from '@millrace/contracts';
import { CommandStore } from '@millrace/database';
import { type JsonValue, Result } from '@millrace/domain';
import { readForm } from '../src/resources/force-form.js';
import { startUi, type UiServer } from './server.js';
import { CONFIG, type Json, Site } from './site.js';

describe('commands', () => {
  let site: Site;
  let ui: UiServer;
  beforeAll(async () => {
    site = await Site.onSqlite();
    ui = await startUi(site);
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  const post = async (
    path: string,
    body: unknown,
    type = 'application/json',
  ): Promise<{ status: number; body: Json }> => {
    const response = await fetch(`${ui.url}/api/v2/${path}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Json };
  };
  const call = (path: string, method: string, params: Record<string, JsonValue> = {}) =>
    post(path, { jsonrpc: '2.0', id: 7, method, params });
  const one = async (path: string, plural: string): Promise<Json> => {
    const response = await fetch(`${ui.url}/api/v2/${path}`, { headers: { accept: 'application/json' } });
    return ((await response.json()) as Record<string, Json[]>)[plural]![0]!;
  };
  const topics = (): string[] => ui.published.splice(0).map((hint) => hint.topic);

  it('goes back to an earlier configuration by asking its masters, tells who did, and ends it', async () => {
    const inForce = (await one('revisions?order=-revisionid&limit=1', 'revisions')) as { fingerprint: string };
    const fingerprint = 'a'.repeat(64);
    await site.db.run(`INSERT INTO revisions (fingerprint, body, created_at_ms) VALUES (?, '{}', 0)`, [fingerprint]);
    const { revisionid } = await one(`revisions?fingerprint=${fingerprint}`, 'revisions');
    topics();
    expect(await call('revisions/999999', 'revert')).toMatchObject({ status: 404 });
    const { status, body } = await call(`revisions/${Number(revisionid)}`, 'revert');
    expect([status, body.result]).toEqual([200, { masters: expect.arrayContaining([expect.any(String)]) as unknown }]);
    expect(topics()).toContain(`commands.${site.engine.masterId}`);
    expect(await one('reverts', 'reverts')).toMatchObject({
      ...{ fingerprint, instead_of: inForce.fingerprint, revisionid, masters: [], missing: [] },
      made_by: 'somebody who is not signed in',
    });
    const commands = new CommandStore(site.db);
    expect((await commands.openCommands(site.engine.masterId)).map(({ kind }) => kind)).toContain('reconfig');
    expect((await call(`revisions/${Number(revisionid)}`, 'end_revert')).status).toBe(200);
    expect(await one('reverts', 'reverts')).toBeUndefined();
    expect(await call(`revisions/${Number(revisionid)}`, 'end_revert')).toMatchObject({
      body: { error: { message: expect.stringContaining('nothing to end') as unknown } },
    });
    for (const { id } of await commands.openCommands(site.engine.masterId)) await commands.finishCommand(id, '');
    await site.db.run(`DELETE FROM revisions WHERE fingerprint = ?`, [fingerprint]);
  });

  it("forces a build with the form's values, and sends its hints", async () => {
    topics();
    const { status, body } = await call('forceschedulers/force', 'force', {
      builderid: String(site.builder('linux-tests')),
      username: 'Ann',
      reason: 'because',
      priority: 4,
      branch: 'release',
      revision: 'abc123',
      level: 'full',
      clean: true,
      unknown: 'ignored',
    });
    expect(status).toBe(200);
    const [bsid, requests] = body.result as unknown as [number, Record<string, number>];
    const [requestId] = Object.values(requests);
    expect(Object.keys(requests)).toEqual([String(site.builder('linux-tests'))]);
    expect(await one(`buildsets/${bsid}`, 'buildsets')).toMatchObject({
      reason: `A build was forced by 'Ann': because`,
      scheduler: 'force',
      sourcestamps: [{ branch: 'release', revision: 'abc123', repository: 'https://example.invalid/r.git' }],
    });
    expect(await one(`buildrequests/${requestId}?property=*`, 'buildrequests')).toMatchObject({
      priority: 4,
      claimed: false,
      results: -1,
      properties: {
        level: ['full', 'Force Build Form'],
        clean: [true, 'Force Build Form'],
        owner: ['Ann', 'Force Build Form'],
      },
    });
    expect(topics()).toEqual([
      `buildrequests.${requestId}.new`,
      `queue.${site.builder('linux-tests')}`,
      `buildsets.${bsid}.new`,
    ]);
  });

  it('reports all errors of a form at once', async () => {
    const { status, body } = await call('forceschedulers/force', 'force', {
      builderid: site.builder('bad builder/with odd'),
      reason: '',
      revision: 'ZZZ',
      level: 'nope',
      priority: 'high',
    });
    expect(status).toBe(400);
    const error = body.error as { code: number; message: Record<string, string> };
    expect(error.code).toBe(-32602);
    expect(Object.keys(error.message).sort()).toEqual(['builderid', 'level', 'priority', 'reason', 'revision']);
  });

  it.each([
    ['priority', 1_000_001, 'between'],
    ['priority', -1e15, 'between'],
    ['branch', 'b'.repeat(191), '190'],
    ['revision', 'a'.repeat(191), '190'],
    ['project', 'p'.repeat(191), '190'],
    // Exponential in the length of the text.
    ['ticket', `${'A'.repeat(40)}!`, 'does not match'],
  ])('refuses a form whose %s is %s', async (name, value, problem) => {
    const { status, body } = await call('forceschedulers/force', 'force', { [name]: value });
    expect(status).toBe(400);
    const { message } = body.error as { message: Record<string, string> };
    expect(Object.keys(message)).toEqual([name]);
    expect(message[name]).toContain(problem);
  });

  it.each<[string, JsonValue, string]>([
    ['builderid', {}, 'number of a builder'],
    ['builderid', [1], 'number of a builder'],
    ['builderid', 1.5, 'number of a builder'],
    ['builderid', true, 'number of a builder'],
    ['builderid', 'linux-tests', 'number of a builder'],
    ['builderid', 99_999, 'not one of'],
    ['builderNames', 'docs', 'list of'],
    ['builderNames', {}, 'list of'],
    ['builderNames', [], 'list of'],
    ['builderNames', [1], 'list of'],
    ['builderNames', ['docs', 'constructor'], `'constructor' is not one of`],
    ['builderNames', Array<string>(1001).fill('docs'), 'list of'],
    ['reason', {}, 'has to be a text'],
    ['reason', ['x'], 'has to be a text'],
    ['reason', 'x'.repeat(10_001), 'longer than 10000'],
    ['username', 'x'.repeat(191), 'longer than 190'],
    ['branch', { a: 1 }, 'has to be a text'],
    ['priority', [1], 'whole number'],
    ['clean', 'yes', 'true or false'],
    ['clean', 1, 'true or false'],
    ['level', { a: 1 }, 'list of texts'],
    ['level', [['quick']], 'list of texts'],
    ['repository', 'r'.repeat(2_001), 'longer than 2000'],
  ])('refuses a form whose %s is %j', async (name, value, problem) => {
    topics();
    const { status, body } = await call('forceschedulers/force', 'force', { reason: 'x', [name]: value });
    expect(status).toBe(400);
    const { message } = body.error as { message: Record<string, string> };
    expect(message[name]).toContain(problem);
    expect(topics()).toEqual([]);
  });

  it('builds with the named builders, or with all', async () => {
    const forced = async (params: Record<string, JsonValue>): Promise<string[]> => {
      const { body } = await call('forceschedulers/force', 'force', { reason: 'x', ...params });
      return Object.keys((body.result as unknown as [number, Record<string, number>])[1]);
    };
    const ids = ['linux-tests', 'docs'].map((name) => String(site.builder(name)));
    expect((await forced({})).sort()).toEqual([...ids].sort());
    expect(await forced({ builderNames: ['docs', 'docs'] })).toEqual([ids[1]]);
    expect(await forced({ builderNames: null, builderid: Number(ids[0]) })).toEqual([ids[0]]);
  });

  it.each<[string, string, Record<string, JsonValue>]>([
    ['builds/1', 'stop', { reason: {} }],
    ['builds/1', 'stop', { reason: 7 }],
    ['builds/1', 'stop', { reason: 'x'.repeat(10_001) }],
    ['buildrequests/1', 'cancel', { reason: ['x'] }],
    ['buildrequests/1', 'set_priority', {}],
    ['buildrequests/1', 'set_priority', { priority: '1' }],
    ['buildrequests/1', 'set_priority', { priority: { toString: 1 } }],
    ['workers/1', 'pause', { reason: true }],
    ['workers/1', 'kill', { reason: { a: [] } }],
    ['schedulers/1', 'enable', { enabled: 'false' }],
    ['schedulers/1', 'enable', {}],
  ])('refuses %s %s with %j, and does nothing', async (path, method, params) => {
    await site.built('docs', Result.SUCCESS);
    topics();
    const { status, body } = await call(path, method, params);
    expect([status, (body.error as { code: number }).code]).toEqual([400, -32602]);
    expect(topics()).toEqual([]);
    expect(await one('workers/1', 'workers')).toMatchObject({ paused: false });
  });

  it('refuses a repository with a secret in its address, and does not quote it', async () => {
    const repository = 'https://user:hunter2@git.example.org/app.git';
    const { status, body } = await call('forceschedulers/force', 'force', { repository });
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain('holds a user name or password');
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });

  it('makes a source stamp of each codebase in the form', () => {
    const scheduler = CONFIG.schedulers.find(isForceScheduler)!;
    const codebases = ['', 'lib'].map((codebase) => ({ ...scheduler.codebases[0]!, codebase }));
    expect(readForm({ ...scheduler, codebases }, { branch: 'main', lib_branch: 'next' })).toMatchObject({
      ok: true,
      order: {
        sourceStamps: [
          { codebase: '', branch: 'main' },
          { codebase: 'lib', branch: 'next' },
        ],
      },
    });
  });

  it('cancels a queued request', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const requestId = created.requests[0]!.requestId;
    topics();
    expect(await call(`buildrequests/${requestId}`, 'cancel', { reason: 'not now' })).toMatchObject({
      status: 200,
      body: { result: null },
    });
    expect(await one(`buildrequests/${requestId}`, 'buildrequests')).toMatchObject({
      complete: true,
      claimed: true,
      results: Result.CANCELLED,
      reason: 'not now',
    });
    expect(topics()).toEqual([`buildrequests.${requestId}.complete`, `buildsets.${created.buildsetId}.complete`]);
  });

  it('asks the engine to stop a running build', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    topics();
    expect((await call(`builds/${build.buildId}`, 'stop', { reason: 'enough' })).status).toBe(200);
    expect(topics()).toEqual([`commands.${site.engine.masterId}`]);
    const [command] = await new CommandStore(site.db).openCommands(site.engine.masterId);
    expect(command).toMatchObject({ kind: 'stop-build', buildId: build.buildId, reason: 'enough' });
    await site.finish(build, Result.SUCCESS);
    expect((await call(`builders/docs/builds/${build.number}`, 'stop')).status).toBe(200);
    expect(topics()).toEqual([]);
  });

  it('rebuilds', async () => {
    const build = await site.built('docs', Result.FAILURE);
    const { body } = await call(`builds/${build.buildId}`, 'rebuild');
    const [bsid] = body.result as unknown as [number];
    expect(await one(`buildsets/${bsid}`, 'buildsets')).toMatchObject({
      rebuilt_buildid: build.buildId,
      reason: 'rebuild',
    });
  });

  it('rebuilds what failed', async () => {
    const build = await site.built('docs', Result.FAILURE);
    const { body } = await call(`builds/${build.buildId}`, 'rebuild', { what: 'failed' });
    const [bsid] = body.result as unknown as [number];
    expect(await one(`buildsets/${bsid}`, 'buildsets')).toMatchObject({ reason: 'rebuild of what failed' });
    expect((await call(`builds/${build.buildId}`, 'rebuild', { what: 'some' })).status).toBe(400);
  });

  it('changes the order of the queue', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const requestId = created.requests[0]!.requestId;
    expect((await call(`buildrequests/${requestId}`, 'set_priority', { priority: 9 })).status).toBe(200);
    expect(await one('buildrequests?claimed=false&order=-priority&limit=1', 'buildrequests')).toMatchObject({
      buildrequestid: requestId,
      priority: 9,
    });
    expect((await call(`buildrequests/${requestId}`, 'set_priority', { priority: 'high' })).status).toBe(400);
    expect((await call(`buildrequests/${requestId}`, 'set_priority', { priority: -1_000_001 })).status).toBe(400);
  });

  it('builds and drops the changes that a scheduler has missed', async () => {
    const missed = async (): Promise<unknown> => (await one('schedulers/1', 'schedulers'))['backlog'];
    expect(await missed()).toBe(0);
    expect((await call('schedulers/1', 'take_backlog')).status).toBe(400);
    let missing = 0;
    const miss = async (count: number): Promise<void> => {
      expect((await call('schedulers/1', 'enable', { enabled: false })).status).toBe(200);
      await site.change(900 + ++missing);
      expect((await call('schedulers/1', 'enable', { enabled: true })).status).toBe(200);
      expect(await missed()).toBe(count);
    };
    await miss(1);
    expect((await call('schedulers/1', 'take_backlog')).status).toBe(200);
    expect(await missed()).toBe(0);
    // No scheduler runs here, so the first change has not been looked at either.
    await miss(2);
    expect((await call('schedulers/1', 'drop_backlog')).status).toBe(200);
    expect(await missed()).toBe(0);
    expect((await call('schedulers/1', 'drop_backlog')).status).toBe(400);
  });

  it('pauses workers and switches schedulers', async () => {
    topics();
    expect((await call('workers/w1', 'pause', { reason: 'repair' })).status).toBe(200);
    expect(await one('workers/w1', 'workers')).toMatchObject({ paused: true, pause_reason: 'repair' });
    expect((await call('workers/1', 'unpause')).status).toBe(200);
    expect(await one('workers/w1', 'workers')).toMatchObject({ paused: false, pause_reason: null });
    expect((await call('workers/w1', 'stop', { reason: 'old' })).status).toBe(200);
    expect(await one('workers/w1', 'workers')).toMatchObject({ graceful: true, shutdown_reason: 'old' });
    expect((await call('workers/w1', 'unpause')).status).toBe(200);
    expect(await one('workers/w1', 'workers')).toMatchObject({ graceful: false, shutdown_reason: null });
    expect((await call('workers/w1', 'kill')).status).toBe(200);
    expect((await call('schedulers/1', 'enable', { enabled: false })).status).toBe(200);
    expect((await call('forceschedulers/force', 'force', { reason: 'x' })).status).toBe(400);
    expect((await call('schedulers/1', 'enable', { enabled: true })).status).toBe(200);
    expect(topics()).toEqual([
      ...Array<string>(5).fill('workers.1.state_updated'),
      'schedulers.1.updated',
      'schedulers.1.updated',
    ]);
  });

  it.each([
    ['builds/1', '{bad', 'application/json', 400, -32700],
    ['builds/1', [{ jsonrpc: '2.0' }], 'application/json', 400, -32600],
    ['builds/1', '3', 'application/json', 400, -32600],
    ['builds/1', '', 'application/json', 400, -32700],
    ['builds/1', `${'['.repeat(30_000)}${']'.repeat(30_000)}`, 'application/json', 400, -32700],
    ['builds/1', `{"a":[${'1,'.repeat(20_000)}1]}`, 'application/json', 400, -32700],
    ['builds/1', { jsonrpc: '2.0', id: 'x'.repeat(257), method: 'stop', params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: {}, method: 'stop', params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: 1, method: ['stop'], params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: 1, method: 'x'.repeat(101), params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: 2, id: 1, method: 'stop', params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: 1, method: 'stop', params: null }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', method: 'stop', params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: 1.5, method: 'stop', params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '1.0', id: 1, method: 'stop', params: {} }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: 1, method: 'stop', params: [] }, 'application/json', 400, -32600],
    ['builds/1', { jsonrpc: '2.0', id: 1, method: 'stop', params: {} }, 'text/plain', 400, -32600],
    [
      'builds/1',
      { jsonrpc: '2.0', id: 1, method: 'explode', params: {} },
      'application/json; charset=utf-8',
      501,
      -32601,
    ],
    ['builds/1', { jsonrpc: '2.0', id: 1, method: 'toString', params: {} }, 'application/json', 501, -32601],
    ['builds', { jsonrpc: '2.0', id: 1, method: 'stop', params: {} }, 'application/json', 501, -32601],
    ['nosuch', { jsonrpc: '2.0', id: 1, method: 'stop', params: {} }, 'application/json', 404, -32600],
    ['builds/9999', { jsonrpc: '2.0', id: 1, method: 'rebuild', params: {} }, 'application/json', 404, -32600],
    ['builds/9999', { jsonrpc: '2.0', id: 1, method: 'stop', params: {} }, 'application/json', 404, -32600],
    ['workers/nobody', { jsonrpc: '2.0', id: 1, method: 'pause', params: {} }, 'application/json', 404, -32600],
    ['workers/999', { jsonrpc: '2.0', id: 1, method: 'kill', params: {} }, 'application/json', 404, -32600],
    ['workers/1', { jsonrpc: '2.0', id: 1, method: 'explode', params: {} }, 'application/json', 501, -32601],
    ['forceschedulers/nobody', { jsonrpc: '2.0', id: 1, method: 'force', params: {} }, 'application/json', 404, -32600],
  ])('refuses %s %j', async (path, body, type, status, code) => {
    const answer = await post(path, body, type);
    expect([answer.status, (answer.body.error as { code: number }).code]).toEqual([status, code]);
    expect(answer.body.jsonrpc).toBe('2.0');
  });

  it('does nothing for pages from elsewhere', async () => {
    const response = await fetch(`${ui.url}/api/v2/workers/1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'http://evil.example' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'pause', params: {} }),
    });
    expect(response.status).toBe(400);
    expect(await one('workers/1', 'workers')).toMatchObject({ paused: false });
  });
});
