import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type CompiledWww, EVENTS, type Hint, hints } from '@millrace/contracts';
import { Result } from '@millrace/domain';
import { slamDoor } from '@millrace/testing';
import type { Permission } from '../src/resources/caller.js';
import type { ResourceTable } from '../src/resources/resource-table.js';
import { resourcesOf, startUi, type UiServer } from './server.js';
import { Site } from './site.js';

describe('the resource table', () => {
  let site: Site;
  let table: ResourceTable;
  beforeAll(async () => {
    site = await Site.onSqlite();
    await site.built('docs', Result.SUCCESS, [await site.change(1)]);
    await site.delivery();
    table = await resourcesOf(site);
  });
  afterAll(() => site.close());

  it('has every path and every name once', () => {
    const paths = table.resources.flatMap((resource) =>
      resource.paths.map(({ path }) => path.replace(/([ns]):\w+/g, '$1:')),
    );
    expect(paths.filter((path, i) => paths.indexOf(path) !== i)).toEqual([]);
    const { resources } = table;
    expect(new Set(resources.map(({ name }) => name)).size).toBe(resources.length);
    expect(new Set(resources.map(({ shape }) => shape.plural)).size).toBe(resources.length);
  });

  it.each<[Hint, string | null]>([
    [hints.change(1), 'changes'],
    [hints.delivery(1, 'updated'), 'deliveries'],
    [hints.buildset(1, 'new'), 'buildsets'],
    [hints.request(1, 3, 'claimed'), 'buildrequests'],
    [hints.build(1, 'finished'), 'builds'],
    [hints.buildProperties(1), 'properties'],
    [hints.step(7, 1, 'updated'), 'steps'],
    [hints.log(7, 7, 1, 'append'), 'logs'],
    [hints.worker(1, 'missing'), 'workers'],
    [hints.master(1, 'stopped'), 'masters'],
    [hints.builder(1), 'builders'],
    [hints.scheduler(1), 'schedulers'],
    [hints.testResultSet(1, 'completed'), 'test_result_sets'],
    [hints.queued(1), null],
    [hints.command(1), null],
    [hints.workerTokens(), null],
  ])('reads a hint about %j, and tells of its row with every key that names it', async ({ topic }, plural) => {
    const event = table.eventOf(topic);
    expect(event).toEqual(plural && { resource: plural, id: 1, event: topic.split('.').at(-1) });
    if (plural === null) return;
    const { events } = table.named(plural)!;
    const rows = await events!.load([1]);
    const row = rows.find((one) => events!.idOf(one) === 1)!;
    const keys = events!.keys(row, event!.event);
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.every((key) => key.endsWith(`/${event!.event}`) && !key.includes('undefined'))).toBe(true);
  });

  it('tells of a step that starts as a new one, and of a cancelled request as such', () => {
    const keys = (plural: string, row: object, event: string) => table.named(plural)!.events!.keys(row, event);
    const step = { buildid: 1, stepid: 2 };
    expect(keys('steps', step, 'started').filter((key) => key.startsWith('steps/'))).toEqual([
      'steps/2/new',
      'steps/2/started',
    ]);
    // The preparing of the worker is recorded when it is over.
    expect(keys('steps', { ...step, number: 0 }, 'finished').filter((key) => key.startsWith('steps/'))).toEqual([
      'steps/2/new',
      'steps/2/started',
      'steps/2/finished',
    ]);
    expect(keys('steps', step, 'updated')).toEqual(['builds/1/steps/2/updated', 'steps/2/updated']);
    const request = { buildrequestid: 5, builderid: 1, buildsetid: 1 };
    expect(keys('buildrequests', { ...request, results: Result.CANCELLED }, 'complete')[0]).toBe(
      'buildrequests/5/cancel',
    );
    expect(keys('buildrequests', { ...request, results: Result.FAILURE }, 'complete')).not.toContain(
      'buildrequests/5/cancel',
    );
  });

  it('has a listener for every event that has hints', () => {
    expect(Object.keys(EVENTS).sort()).toEqual(
      table.resources.flatMap(({ shape, events }) => (events ? [shape.plural] : [])).sort(),
    );
  });
});

interface Spec {
  readonly path: string;
  readonly plural: string;
  readonly type: string;
  readonly type_spec: { readonly fields?: readonly { readonly name: string; readonly type: string }[] };
}

const HOLDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  integer: Number.isInteger,
  datetime: Number.isInteger,
  sourcestamp: (value) => typeof value === 'object' && value !== null && 'ssid' in value,
  master: (value) => typeof value === 'object' && value !== null && 'masterid' in value,
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  identifier: (value) => typeof value === 'string' && /^[a-zA-Z_-][a-zA-Z0-9._-]*$/.test(value),
  list: Array.isArray,
  jsonobject: (value) => typeof value === 'object',
  sourcedproperties: (value) => typeof value === 'object' && !Array.isArray(value),
};

describe('application.spec', () => {
  let site: Site;
  let ui: UiServer;
  let specs: readonly Spec[];
  beforeAll(async () => {
    site = await Site.onSqlite();
    const change = await site.change(1);
    await site.built('linux-tests', Result.SUCCESS, [change]);
    await site.buildset({ builders: ['linux-tests'] });
    await site.delivery();
    await site.db.run(
      `INSERT INTO scheduler_changes (scheduler_id, change_id, decision, important, reason, decided_at_ms)
       SELECT MIN(id), ?, 'ignored', 0, 'branch filter', 1 FROM schedulers`,
      [change],
    );
    for (const statement of [
      `INSERT INTO codebases (id, project_id, name, slug) VALUES (1, 1, 'app', 'App')`,
      `INSERT INTO codebase_commits (id, codebase_id, revision, parent_revision, author, comments, when_ms)
       VALUES (1, 1, 'r1', 'r0', 'ann', 'first', 1000), (2, 1, 'r2', 'r1', 'ann', 'second', 2000)`,
      `INSERT INTO codebase_branches (id, codebase_id, name, commit_id, moved_at_ms) VALUES (1, 1, 'main', 2, 3000)`,
    ])
      await site.db.run(statement);
    ui = await startUi(site);
    specs = (await get('application.spec'))['specs'] as unknown as Spec[];
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  const get = async (path: string): Promise<Record<string, Record<string, unknown>[]>> => {
    const response = await fetch(`${ui.url}/api/v2/${path}`, { headers: { accept: 'application/json' } });
    return (await response.json()) as Record<string, Record<string, unknown>[]>;
  };
  it.each([
    ['masters/1/builders/1', 'builders', 'builderid', [1]],
    ['builders/1/masters', 'masters', 'masterid', [1]],
    ['builders/1/masters/1', 'masters', 'masterid', [1]],
    ['builders/1/workers/w1', 'workers', 'workerid', [1]],
    ['builders/1/workers/1', 'workers', 'workerid', [1]],
    ['masters/1/workers/w2', 'workers', 'workerid', [2]],
    ['masters/1/workers/2', 'workers', 'workerid', [2]],
    ['masters/1/builders/1/workers', 'workers', 'workerid', [1, 2]],
    ['masters/1/builders/1/workers/1', 'workers', 'workerid', [1]],
    ['masters/1/builders/1/workers/w1', 'workers', 'workerid', [1]],
    ['masters/2/builders/1/workers', 'workers', 'workerid', []],
    ['masters/2/schedulers', 'schedulers', 'schedulerid', []],
    ['masters/2/changesources', 'changesources', 'changesourceid', []],
  ])('reads what is below masters and builders: %s', async (path, plural, id, ids) => {
    expect((await get(path))[plural]!.map((row) => row[id])).toEqual(ids);
  });

  it('lists properties, and picks them by name', async () => {
    const { _properties: all } = await get('builds/1/property_list');
    const [
      {
        properties: [byName],
      },
    ] = [await get('builds/1/properties')] as [{ properties: Record<string, unknown>[] }];
    expect(all!.length).toBeGreaterThan(0);
    expect(
      Object.fromEntries(all!.map(({ name, source, value }) => [name, [JSON.parse(String(value)), source]])),
    ).toEqual(byName);
    const { _properties: picked } = await get(`builds/1/property_list?name=${String(all![0]!['name'])}`);
    expect(picked).toEqual([all![0]]);
    for (const path of ['buildsets/1/properties_list', 'changes/1/properties_list'])
      expect((await get(path))['_properties']).not.toEqual([]);
    expect(await get('builds/999/property_list')).toMatchObject({ _properties: [], meta: { total: 0 } });
  });

  it.each([
    ['codebases', 'codebases', [{ codebaseid: 1, name: 'app', slug: 'App' }]],
    ['projects/1/codebases/app', 'codebases', [{ codebaseid: 1 }]],
    ['codebases/1/branches?name=main', 'branches', [{ branchid: 1, commitid: 2, name: 'main' }]],
    ['branches/1', 'branches', [{ codebaseid: 1 }]],
    ['codebases/1/commits?order=-when_timestamp&author__contains=ann', 'commits', [{ commitid: 2 }, { commitid: 1 }]],
    ['codebases/1/commits_by_revision/r2', 'commits', [{ commitid: 2, parent_commitid: 1 }]],
    ['commits/1', 'commits', [{ revision: 'r1', parent_commitid: null }]],
    ['codebases/1/commit_range/1/2/commits_common_parent', 'commit_graphs', [{ common: 1, to1: [], to2: [2] }]],
    ['codebases/2/commits', 'commits', []],
  ])('tells what is recorded of a codebase: %s', async (path, plural, rows) => {
    const answer = await get(path);
    expect(answer[plural]).toHaveLength(rows.length);
    expect(answer[plural]).toMatchObject(rows);
  });

  it('sends data of a build as it is, for downloading', async () => {
    const answer = await fetch(`${ui.url}/api/v2/builds/1/data/coverage/value`);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename=coverage');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.from([60, 0, 255]));
    expect((await fetch(`${ui.url}/api/v2/builds/1/data/nothing/value`)).status).toBe(404);
  });

  it.each([
    'masters/2/builders/1',
    'builders/1/masters/2',
    'masters/2/workers/w1',
    'masters/2/schedulers/1',
    'builds/1/data/x',
    'commits/9',
    'codebases/2',
    'codebases/1/commits_by_revision/r9',
    'codebases/2/commit_range/1/2/commits_common_parent',
    'projects/1/codebases/x',
  ])('has nothing that is elsewhere: %s', async (path) => {
    expect(await get(path)).toMatchObject({ code: 'not-found' });
  });

  const specOf = (path: string): Spec => specs.find((spec) => spec.path === path)!;

  it('lists every path as clients know them, with its resource', () => {
    expect(specOf('builders/n:builderid/builds/n:build_number')).toMatchObject({ plural: 'builds', type: 'build' });
    expect(specOf('logs/n:logid/raw')).toMatchObject({ plural: 'logchunks', type: 'logchunk' });
    expect(specOf('builds/n:buildid/properties')).toEqual({
      path: 'builds/n:buildid/properties',
      plural: 'properties',
      type: 'sourcedproperties',
      type_spec: { name: 'sourcedproperties' },
    });
    expect(specOf('application.spec')).toMatchObject({ plural: 'specs', type: 'spec' });
    expect(specOf('builds').type_spec).toMatchObject({
      type: 'build',
      fields: expect.arrayContaining([
        { name: 'buildid', type: 'integer', type_spec: { name: 'integer' } },
        { name: 'complete_at', type: 'datetime or None', type_spec: { can_be_null: true, name: 'datetime' } },
      ]),
    });
    const stamp = { fields: expect.arrayContaining([expect.objectContaining({ name: 'ssid' })]), type: 'sourcestamp' };
    expect(specOf('changes').type_spec.fields).toContainEqual({
      name: 'sourcestamp',
      type: 'sourcestamp',
      type_spec: stamp,
    });
    expect(specOf('buildsets').type_spec.fields).toContainEqual({
      name: 'sourcestamps',
      type: 'list',
      type_spec: { of: stamp, type: 'list' },
    });
    expect(specOf('sourcestamps').type_spec.fields).toContainEqual({
      name: 'patch',
      type: 'patch or None',
      type_spec: expect.objectContaining({ can_be_null: true, type: 'patch' }),
    });
    expect(specOf('schedulers').type_spec.fields).toContainEqual({
      name: 'master',
      type: 'master or None',
      type_spec: expect.objectContaining({ can_be_null: true, type: 'master' }),
    });
    expect(specOf('builders').type_spec.fields).toContainEqual({
      name: 'tags',
      type: 'list',
      type_spec: { of: { name: 'string' }, type: 'list' },
    });
  });

  it.each([
    ['application.spec', 'application.spec'],
    ['masters', 'masters'],
    ['builders', 'builders'],
    ['workers', 'workers'],
    ['schedulers', 'schedulers'],
    ['forceschedulers', 'forceschedulers'],
    ['changesources', 'changesources'],
    ['projects', 'projects'],
    ['locks', 'locks'],
    ['changes', 'changes'],
    ['deliveries', 'deliveries'],
    ['changes/n:changeid/decisions', 'changes/1/decisions'],
    ['buildsets', 'buildsets'],
    ['sourcestamps', 'sourcestamps'],
    ['buildrequests', 'buildrequests?property=*'],
    ['builds', 'builds?property=*'],
    ['builds/n:buildid/steps', 'builds/1/steps'],
    ['builds/n:buildid/logs', 'builds/1/logs'],
    ['logs/n:logid/contents', 'logs/1/contents'],
    ['builds/n:buildid/data', 'builds/1/data'],
    [
      'builders/s:buildername/builds/n:build_number/data/s:build_data_name',
      'builders/linux-tests/builds/1/data/coverage',
    ],
    ['test_result_sets', 'test_result_sets?complete=true'],
    ['steps/n:stepid/test_result_sets', 'steps/1/test_result_sets'],
    ['test_result_sets/n:test_result_setid/results', 'test_result_sets/1/results?value=0'],
    ['buildrequests/n:buildrequestid/wait_reason', 'buildrequests/2/wait_reason'],
  ])('says of %s what is there', async (path, address) => {
    const { plural, type_spec } = specOf(path);
    const rows = (await get(address))[plural]!;
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      expect(Object.keys(row).sort()).toEqual(type_spec.fields!.map(({ name }) => name).sort());
      for (const { name, type } of type_spec.fields!) {
        const [kind, orNull] = type.split(' or ');
        if (!(orNull === 'None' && row[name] === null) && !HOLDS[kind!]!(row[name]))
          throw new Error(`${name} of ${path} is ${JSON.stringify(row[name])}: not ${type}`);
      }
    }
  });
});

describe('rights', () => {
  let site: Site;
  let ui: UiServer;
  let allowed: Permission[] = [];
  beforeAll(async () => {
    site = await Site.onSqlite();
    await site.built('docs', Result.SUCCESS);
    await site.delivery();
    const policy = {
      get www(): CompiledWww {
        return {
          authz: { roles: [], rules: [{ actions: allowed, role: 'anyone', orElse: 'deny' }], otherwise: 'deny' },
        };
      },
    };
    ui = await startUi(site, { policy });
  });
  afterEach(() => {
    allowed = [];
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  const post = async (path: string, method: string, params: object): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${ui.url}/api/v2/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    return { status: response.status, text: await response.text() };
  };

  const ACTIONS: [Permission, string, string, object, number?][] = [
    ['force', 'forceschedulers/force', 'force', { reason: 'x' }],
    ['stop', 'builds/1', 'stop', {}],
    ['rebuild', 'builds/1', 'rebuild', {}],
    ['stop', 'buildrequests/1', 'cancel', {}],
    ['control', 'buildrequests/1', 'set_priority', { priority: 1 }],
    ['control', 'workers/1', 'pause', {}],
    ['control', 'workers/w1', 'unpause', {}],
    ['control', 'workers/1', 'stop', {}],
    ['control', 'workers/1', 'kill', {}],
    ['enable', 'schedulers/1', 'enable', { enabled: true }],
    ['control', 'deliveries/1', 'replay', { again: true }],
    // There is no backlog to settle.
    ['enable', 'schedulers/1', 'take_backlog', {}, 400],
    ['enable', 'schedulers/1', 'drop_backlog', {}, 400],
    ['revert', 'revisions/1', 'revert', {}],
    ['revert', 'revisions/1', 'end_revert', {}, 400],
  ];

  it('are checked for every action', async () => {
    const table = await resourcesOf(site);
    const all = table.resources.flatMap(({ shape, paths }) =>
      paths.flatMap(({ actions }) => [...actions.keys()].map((method) => `${shape.plural} ${method}`)),
    );
    expect(ACTIONS.map(([, path, method]) => `${path.split('/')[0]} ${method}`).sort()).toEqual(
      [...new Set(all)].sort(),
    );
  });

  it.each(ACTIONS)(
    'a caller without %s may not do it: %s %s',
    async (permission, path, method, params, status = 200) => {
      allowed = (['view', 'force', 'rebuild', 'stop', 'enable', 'control', 'revert'] as const).filter(
        (one) => one !== permission,
      );
      const refused = await post(path, method, params);
      expect(refused.status).toBe(403);
      expect(refused.text).toContain(`no rule allows '${permission}'`);
      expect(ui.published).toEqual([]);
      allowed = [permission];
      expect((await post(path, method, params)).status).toBe(status);
      ui.published.splice(0);
    },
  );

  it('a caller without view reads nothing', async () => {
    for (const path of ['builds', 'builds/1', 'logs/1/contents', 'logs/1/raw', 'builds/1/properties', '']) {
      const url = path === '' ? `${ui.url}/api/v2` : `${ui.url}/api/v2/${path}`;
      expect([path, (await fetch(url)).status]).toEqual([path, 403]);
      allowed = ['view'];
      expect([path, (await fetch(url)).status]).toEqual([path, 200]);
      allowed = [];
    }
    expect(await slamDoor(`${ui.url}/ws`)).toBe('HTTP/1.1 403 Forbidden');
  });
});
