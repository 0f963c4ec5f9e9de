import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CatalogReads, EVERYTHING, planQuery, readLogLines, SOURCE_STAMPS } from '@millrace/database';
import { Result } from '@millrace/domain';
import { requireService, startMariaDb, type MariaDb } from '@millrace/testing';
import { startUi, type UiServer } from './server.js';
import { type Json, Site } from './site.js';

interface Answer {
  readonly status: number;
  readonly body: Record<string, Json[]> & { meta: Json; error: string };
  readonly type: string;
}

let mariaDb: MariaDb | undefined;
afterAll(() => mariaDb?.stop());

const DATABASES: [string, () => Promise<Site | null>][] = [
  ['SQLite', () => Site.onSqlite()],
  [
    'MariaDB',
    async () => {
      if (!requireService('mariadb')) return null;
      mariaDb = await startMariaDb();
      return Site.on(await mariaDb.createDatabase());
    },
  ],
];

describe.each(DATABASES)('/api/v2 on %s', (_name, openSite) => {
  let site: Site;
  let ui: UiServer;

  const get = async (path: string): Promise<Answer> => {
    const response = await fetch(`${ui.url}/api/v2/${path}`, { headers: { accept: 'application/json' } });
    const text = await response.text();
    return {
      status: response.status,
      body: JSON.parse(text) as Answer['body'],
      type: response.headers.get('content-type')!,
    };
  };
  const ids = async (path: string, plural: string, id: string): Promise<unknown[]> => {
    const answer = await get(path);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body.error}`);
    return answer.body[plural]!.map((item) => item[id]);
  };

  beforeAll(async () => {
    site = (await openSite())!;
    ui = await startUi(site);
    const first = await site.change(1);
    await site.change(2, 'release');
    await site.built('linux-tests', Result.SUCCESS, [first]);
    await site.built('linux-tests', Result.FAILURE);
    await site.built('docs', Result.SUCCESS);
    const queued = await site.buildset({ builders: ['linux-tests', 'docs'], priority: 3 });
    await site.buildset({ builders: ['linux-tests'] });
    await site.claim(queued.requests[1]!.requestId, 'docs');
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  it.each([
    ['builders', 'builders'],
    ['builder', 'builders/1'],
    ['build', 'builds/1'],
    ['builds', 'builds'],
    ['builder-build', 'builders/1/builds/1'],
    ['buildrequest', 'buildrequests/1'],
    ['buildset', 'buildsets/1'],
    ['change', 'changes/1'],
    ['worker', 'workers/1'],
    ['step', 'steps/1'],
    ['log', 'logs/1'],
    ['masters', 'masters'],
    ['scheduler', 'schedulers/1'],
    ['project', 'projects/1'],
    ['sourcestamp', 'sourcestamps/1'],
    ['forcescheduler', 'forceschedulers/force'],
    ['log-contents', 'logs/1/contents'],
  ])('answers %s with every field of the recording, and of its type', async (sample, path) => {
    const recorded = SAMPLES[sample]!;
    const { status, body, type } = await get(path);
    expect(status).toBe(200);
    expect(type).toBe('application/json; charset=utf-8');
    const plural = Object.keys(recorded).find((key) => key !== 'meta')!;
    expect(Object.keys(body).sort()).toEqual(['meta', plural].sort());
    const [item] = body[plural]!;
    for (const [field, kind] of Object.entries(recorded[plural]!)) {
      expect(item).toHaveProperty(field);
      const ours = kindOf(item![field]);
      if (ours !== 'null' && kind !== 'null') expect([field, ours]).toEqual([field, kind]);
    }
    expect(Object.keys(item!)).toEqual(Object.keys(item!).sort());
  });

  it('finds by UUID what it finds by number', async () => {
    const { body } = await get('buildrequests/1');
    const uuid = body.buildrequests![0]!.uuid as string;
    expect((await get(`buildrequests/${uuid}`)).body.buildrequests).toEqual(body.buildrequests);
    expect(await ids(`buildrequests/${uuid}/builds`, 'builds', 'buildid')).toEqual([1]);
  });

  it('returns the active projects when filtered by that', async () => {
    const all = (await get('projects')).body.projects!;
    expect(all.map(({ name, active }) => [name, active])).toEqual([
      ['widgets', null],
      ['docs', null],
    ]);
    expect((await get('projects?active=true')).body.projects).toEqual(all.map((one) => ({ ...one, active: true })));
    await site.db.run(`INSERT INTO projects (name) VALUES ('without builders')`);
    expect((await get('projects?active=false')).body.projects).toMatchObject([
      { name: 'without builders', active: false },
    ]);
    await site.db.run(`DELETE FROM projects WHERE name = 'without builders'`);
  });

  it('reads single workers and builders as it reads all', async () => {
    const catalog = new CatalogReads(site.db);
    expect(await catalog.workers([2, 99])).toEqual((await catalog.workers()).filter((worker) => worker.workerid === 2));
    expect(await catalog.builders([2])).toEqual((await catalog.builders()).filter((one) => one.builderid === 2));
    expect(await catalog.workers([])).toEqual([]);
  });

  it('selects, orders, pages and filters', async () => {
    expect(await ids('builds?order=-buildid&limit=2', 'builds', 'buildid')).toEqual([4, 3]);
    expect(await ids('builds?order=-buildid&limit=2&offset=1', 'builds', 'buildid')).toEqual([3, 2]);
    expect(await ids('builds?builderid=1&number__gt=1', 'builds', 'buildid')).toEqual([2]);
    expect(await ids('builds?builderid__eq=1&builderid__eq=3&order=-started_at', 'builds', 'buildid')).toEqual([
      4, 3, 2, 1,
    ]);
    expect(await ids('builds?complete=false', 'builds', 'buildid')).toEqual([4]);
    expect(await ids('builds?complete=true&order=-buildid&limit=20', 'builds', 'buildid')).toEqual([3, 2, 1]);
    expect(await ids('builds?complete=true&order=-complete_at', 'builds', 'buildid')).toHaveLength(3);
    expect(await ids('builds?results=2', 'builds', 'buildid')).toEqual([2]);
    expect(await ids('builders/linux-tests/builds', 'builds', 'buildid')).toEqual([1, 2]);
    expect(await ids('builders/bad%20builder%2Fwith%20odd', 'builders', 'builderid')).toEqual([2]);
    expect(await ids('builders?tags__contains=linux&order=-name', 'builders', 'builderid')).toEqual([1, 2]);
    expect(await ids('builders?name__contains=doc', 'builders', 'builderid')).toEqual([3]);
    expect(await ids('changes?order=-changeid&limit=1', 'changes', 'changeid')).toEqual([2]);
    expect(await ids('changes?branch=release', 'changes', 'changeid')).toEqual([2]);
    expect(await ids('builds/1/changes', 'changes', 'changeid')).toEqual([1]);
    expect(await ids('changes/1/builds', 'builds', 'buildid')).toEqual([1]);
    const picked = await get('builds?field=buildid&field=number&limit=1');
    expect(picked.body.builds).toEqual([{ buildid: 1, number: 1 }]);
  });

  it('looks at rows one after another where no index helps, and says so', async () => {
    expect(await ids('builds?state_string__contains=suc&order=-buildid', 'builds', 'buildid')).toEqual([3, 1]);
    expect(await ids('builds?results__ne=0&order=buildid', 'builds', 'buildid')).toEqual([2, 4]);
    expect(await ids('builds?order=-buildrequestid', 'builds', 'buildid')).toEqual([4, 3, 2, 1]);
    expect(await ids('changes?branch__ne=main', 'changes', 'changeid')).toEqual([2]);
    const first = await get('builds?state_string__contains=suc&order=-buildid&limit=1');
    expect(first.body.builds!.map((build) => build['buildid'])).toEqual([3]);
    expect(first.body.meta).toMatchObject({ examined: 2, partial: true, has_more: true });
    const rest = await get((first.body.meta['next'] as string).replace('/api/v2/', ''));
    expect(rest.body.builds!.map((build) => build['buildid'])).toEqual([1]);
    expect(rest.body.meta).toEqual({ examined: 2, partial: false, limit: 1, total: 1 });
    expect((await get('builds?builderid=1')).body.meta).not.toHaveProperty('examined');
  });

  it('describes itself to programs and to people', async () => {
    const response = await fetch(`${ui.url}/api/openapi.json`);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const text = await response.text();
    const { paths, components, servers } = JSON.parse(text) as {
      paths: Record<string, Record<string, { parameters: { name: string; in: string }[] }>>;
      components: { schemas: object };
      servers: unknown;
    };
    expect(servers).toEqual([{ url: 'http://ci.example.invalid/api/v2' }]);
    expect(Object.keys(paths['/builds/{buildid}']!)).toEqual(['get', 'post']);
    for (const [path, operations] of Object.entries(paths)) {
      for (const { parameters } of Object.values(operations)) {
        const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => `{${name}}`);
        expect([path, path.match(/\{\w+\}/g) ?? []]).toEqual([path, inPath]);
        expect(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size).toBe(parameters.length);
      }
    }
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g))
      expect(components.schemas).toHaveProperty(name!);
    const page = await fetch(`${ui.url}/api/docs`);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).toContain('<code>/builds/{buildid}</code>');
  });

  it('lists the queue in the order in which it is built', async () => {
    expect(
      await ids(
        'buildrequests?claimed=false&order=-priority&order=-submitted_at&limit=50',
        'buildrequests',
        'buildrequestid',
      ),
    ).toEqual([4, 6]);
    expect(await ids('buildrequests?claimed=false&order=-priority', 'buildrequests', 'buildrequestid')).toEqual([4, 6]);
    expect(await ids('buildrequests?claimed=false&order=priority', 'buildrequests', 'buildrequestid')).toEqual([6, 4]);
    expect(await ids('buildrequests?builderid=1&claimed=false', 'buildrequests', 'buildrequestid')).toEqual([4, 6]);
    expect(await ids('buildrequests?claimed=true&complete=false', 'buildrequests', 'buildrequestid')).toEqual([5]);
    const [waiting] = (await get('buildrequests/6/wait_reason')).body.wait_reasons!;
    expect(waiting).toMatchObject({ state: 'waiting', ahead: 1, ahead_is_more: false });
  });

  it.each([
    ['builds', 'buildid', 'complete=true&order=-complete_at'],
    ['sourcestamps', 'ssid', 'order=-ssid'],
  ])('pages on by cursor through %s', async (plural, id, query) => {
    const seen: unknown[] = [];
    let path: string | undefined = `${plural}?${query}&limit=1`;
    for (let pages = 0; path && pages < 10; pages++) {
      const { body }: Answer = await get(path);
      seen.push(...body[plural]!.map((row) => row[id]));
      path = body.meta.next === undefined ? undefined : (body.meta.next as string).replace('/api/v2/', '');
    }
    expect(seen).toEqual([3, 2, 1]);
  });

  it.each(['ssid', '-ssid'])('reads source stamps along their key: %s', async (order) => {
    // SQLite's plans are checked in query-plans.int-spec.ts, on a database of their own: libsql leaves them open.
    if (site.db.dialect.name === 'sqlite') return;
    const query = { ...EVERYTHING, order: [{ field: 'ssid', descending: order[0] === '-' }], limit: 20, cursor: '2.2' };
    const { sql, params } = planQuery(SOURCE_STAMPS, 't.branch', query, site.db.dialect)!;
    const [plan] = await site.db.all<{ key: string; Extra: string }>(`EXPLAIN ${sql}`, params);
    expect(plan).toMatchObject({ key: 'PRIMARY', Extra: 'Using where' });
  });

  it('fills properties in one go', async () => {
    expect((await get('builds?limit=1')).body.builds![0]!.properties).toEqual({});
    const named = await get('builds?limit=1&property=branch&property=nothing');
    expect(named.body.builds![0]!.properties).toEqual({ branch: ['main', 'Build'] });
    expect((await get('builds/1?property=*')).body.builds![0]!.properties).toMatchObject({
      got_revision: ['a1b2c3d4', 'git'],
    });
    expect((await get('buildrequests/1?property=owners')).body.buildrequests![0]!.properties).toHaveProperty('owners');
    expect((await get('buildrequests/1/properties')).body.properties![0]).toHaveProperty('scheduler');
  });

  it.each([
    ['builders?field=nope', 400, `no such field 'nope'`],
    ['builds?limit=x', 400, 'invalid limit'],
    ['builds?buildid=x', 400, 'invalid filter value for buildid'],
    ['builds?nope=1', 400, `unrecognized query parameter 'nope'`],
    ['builds?buildid__near=1', 400, 'unknown operator'],
    ['builds/1?buildid=1', 400, 'this is not a collection'],
    ['builds?field=number&order=buildid', 400, 'cannot order on un-selected fields'],
    ['builds?offset=100000', 400, 'cursor'],
    ['builds?properties=x', 400, 'cannot filter'],
    ['nosuch', 404, 'Invalid path: nosuch'],
    ['builds/', 404, 'Invalid path'],
    ['', 404, 'Invalid path'],
    ['builds/9999', 404, 'not found'],
    ['builders/nobody', 404, 'not found'],
    ['logs/1/contents?offset=100', 404, 'not found'],
    ['logs/999/contents', 404, 'not found'],
    ['logs/1/contents?offset=-1&limit=2', 404, 'invalid offset'],
    ['logs/1/contents?limit=-2', 404, 'invalid limit'],
  ])('refuses %s', async (path, status, text) => {
    const answer = await get(path);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toContain(text);
    expect(answer.type).toBe('text/plain; charset=utf-8');
  });

  it('serves logs by line and raw', async () => {
    const [chunk] = (await get('logs/1/contents?offset=1&limit=1')).body.logchunks!;
    expect(chunk).toEqual({ content: 'oone line\n', firstline: 1, logid: 1 });
    expect((await get('builds/1/steps/test/logs/stdio')).body.logs![0]!.logid).toBe(1);
    const raw = await fetch(`${ui.url}/api/v2/builders/1/builds/1/steps/0/logs/stdio/raw`);
    expect(raw.headers.get('content-disposition')).toBe('attachment; filename=linux-tests_build_1_step_test_log_stdio');
    expect(await raw.text()).toBe(
      'Builder: linux-tests\nBuild number: 1\nWorker name: w1\none header\none line\nwarning\n',
    );
  });

  it('serves long lines by the megabyte, and links to the rest', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    const lines = Array.from('abcdefghij', (letter) => `o${letter.repeat(1 << 20)}`);
    await site.write(build, [{ kind: 'step-started', number: 0, name: 'test', hidden: false }]);
    for (const line of ['hshort', ...lines]) {
      await site.write(build, [{ kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: `${line}\n`, lines: 1 }]);
    }
    await site.write(build, [{ kind: 'build-finished', end: { results: 0, stateString: 'build successful' } }]);
    const path = `builds/${build.buildId}/steps/test/logs/stdio/contents`;
    const contents = async (from: string): Promise<{ content: string; next: string | undefined }> => {
      const { body } = await get(from);
      return { content: body.logchunks![0]!.content as string, next: body.meta.next as string | undefined };
    };
    for (const query of ['?limit=100', '?offset=0']) {
      const first = await contents(path + query);
      expect(first.content.length).toBeLessThan(8 << 20);
      const second = await contents(first.next!.slice('/api/v2/'.length));
      expect(second.next).toBeUndefined();
      expect(first.content + second.content === `${['hshort', ...lines].join('\n')}\n`).toBe(true);
    }
    expect((await contents(`${path}?limit=3`)).next).toBeUndefined();
    const logId = (await get(path)).body.logchunks![0]!.logid as number;
    expect(await readLogLines(site.db, logId, 1, 5, 100)).toHaveLength((1 << 20) + 2);
  });

  it('removes the stream letter at the beginning of lines only, not after a carriage return', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    await site.finish(build, Result.SUCCESS, ['o10%\r20%\r', 'o', 'edone']);
    const raw = await fetch(`${ui.url}/api/v2/builds/${build.buildId}/steps/test/logs/stdio/raw_inline`);
    expect((await raw.text()).split('\n').slice(3)).toEqual(['10%\r20%\r', '', 'done', '']);
  });

  it('is indented for people, and has a second name', async () => {
    const pretty = await fetch(`${ui.url}/api/latest/builds/1`, { headers: { accept: 'text/html' } });
    expect(pretty.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await pretty.text()).toContain('\n  "builds": [\n');
    expect((await fetch(`${ui.url}/api/v2`)).status).toBe(200);
    expect((await fetch(`${ui.url}/api/v2/builds`, { method: 'DELETE' })).status).toBe(400);
    const head = await fetch(`${ui.url}/api/v2/builds/1`, { method: 'HEAD' });
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(100);
  });

  it('accepts its own pages only', async () => {
    const from = async (origin: string, path = '/api/v2/builds'): Promise<[number, string | null]> => {
      const { status, headers } = await fetch(ui.url + path, { headers: { origin } });
      return [status, headers.get('access-control-allow-origin')];
    };
    expect(await from('http://evil.example')).toEqual([400, null]);
    expect(await from('http://ci.example.invalid')).toEqual([200, 'http://ci.example.invalid']);
    expect(await from(ui.url)).toEqual([200, ui.url]);
    expect(await from(ui.url, '/config')).toEqual([200, null]);
  });

  it('answers only under its own names, as it listens on loopback', async () => {
    const named = (host: string, path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request(ui.url + path, { headers: { host } }, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
    for (const path of ['/', '/config', '/api/v2/logs/1/raw']) {
      expect(await named('evil.example', path)).toBe(421);
      expect(await named('ci.example.invalid', path)).not.toBe(421);
      expect(await named('localhost:8010', path)).not.toBe(421);
    }
  });
});

/** The kind of every field, by recorded resource. */
const SAMPLES = JSON.parse(readFileSync(new URL('./recorded-shapes.json', import.meta.url), 'utf8')) as Record<
  string,
  Record<string, Record<string, string>>
>;

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}
