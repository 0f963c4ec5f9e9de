import { rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CompiledWww, EVENTS } from '@millrace/contracts';
import { BelongingReads, type Database } from '@millrace/database';
import { NO_PROJECT, type RightsPolicy, rolesOf, uuidFromBytes, visibleProjects } from '@millrace/domain';
import { eventually, type MariaDb, requireService, startMariaDb } from '@millrace/testing';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import type { ResourceTable } from '../src/resources/resource-table.js';
import { populate, PROJECTS, show, withoutProjects, WORLD } from './hidden-world.js';
import { resourcesOf, startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const ROLE_SETS = [['anyone'], ['signed-in'], ['a'], ['b', 'a'], ['[ab]'], ['?'], []] as const;
const AUTHZ: RightsPolicy = { roles: [{ from: 'groups', prefix: '' }], rules: [], otherwise: 'allow' };
const RULES = { ...AUTHZ, rules: [{ actions: ['audit'], role: 'anyone', orElse: 'deny' }] } as const;
const PROXY = { from: ['127.0.0.1'], userHeader: 'x-user', emailHeader: null, groupsHeader: 'x-groups' };
const AUTH = { idleMs: 3_600_000, sessionMs: 7_200_000, proxy: PROXY };
const ROOT = { 'x-user': 'root', 'x-groups': 'root' };

/** One assignment of rules, and one reader. */
interface Rules {
  readonly visibleTo: ReadonlyMap<string, readonly string[] | null>;
  readonly byDefault: readonly string[];
  readonly reader: Readonly<Record<string, string>>;
  readonly roles: ReadonlySet<string>;
}

/** Returns rules and a reader by a seed. Whoever is `root` sees everything, so that the test learns what is hidden. */
function rulesOf(seed: number): Rules {
  const named = PROJECTS.filter((name) => name !== '');
  const visibleTo = fc.constantFrom(...ROLE_SETS, null);
  const [one] = fc.sample(
    fc.record({
      projects: fc.tuple(...named.map(() => visibleTo)),
      byDefault: fc.constantFrom(...ROLE_SETS),
      groups: fc.constantFrom(null, '', 'a', 'b', 'a,b'),
    }),
    { seed, numRuns: 1 },
  );
  const { projects, byDefault, groups } = one!;
  const person = groups === null ? null : { username: 'zoe', email: null, groups: groups.split(',') };
  return {
    visibleTo: new Map(named.map((name, index) => [name, projects[index] ? [...projects[index], 'root'] : null])),
    byDefault: [...byDefault, 'root'],
    reader: groups === null ? {} : { 'x-user': 'zoe', 'x-groups': groups },
    roles: rolesOf(AUTHZ.roles, person),
  };
}

/** Returns the projects that the rules hide from their reader; '' stands for none. */
async function hiddenBy({ byDefault, roles }: Rules, site: Site): Promise<ReadonlySet<string>> {
  const projects = await new BelongingReads(site.db).projects();
  const visible = visibleProjects({ projects, byDefault }, roles);
  const ids = new Map([...projects.map(({ id, name }) => [name, id] as const), ['', NO_PROJECT]]);
  return new Set(visible === null ? [] : PROJECTS.filter((name) => !visible.includes(ids.get(name)!)));
}

/** Returns what can stand for each argument of a path, rows of all projects among them. */
async function argumentsIn(db: Database): Promise<ReadonlyMap<string, readonly (string | number)[]>> {
  const ids = async (table: string): Promise<number[]> => [
    ...(await db.all<{ id: number }>(`SELECT id FROM ${table}`)).map(({ id }) => id),
    99_999,
  ];
  const names = async (table: string, column = 'name'): Promise<string[]> => [
    ...(await db.all<{ name: string }>(`SELECT ${column} AS name FROM ${table}`)).map(({ name }) => name),
    'nobody',
  ];
  const uuids = await db.all<{ uuid: Buffer }>(`SELECT uuid FROM build_requests UNION ALL SELECT uuid FROM buildsets`);
  return new Map<string, readonly (string | number)[]>([
    ['n:builderid', await ids('builders')],
    ['s:buildername', await names('builders')],
    ['n:buildid', await ids('builds')],
    ['n:build_number', [1, 2, 3, 9]],
    ['n:number', [1, 2, 3, 9]],
    ['n:stepid', await ids('steps')],
    ['n:step_number', [0, 1]],
    ['s:step_name', await names('steps')],
    ['n:logid', await ids('logs')],
    ['s:log_slug', ['stdio', 'other']],
    ['n:buildrequestid', await ids('build_requests')],
    ['s:uuid', uuids.map(({ uuid }) => uuidFromBytes(uuid))],
    ['n:bsid', await ids('buildsets')],
    ['n:changeid', await ids('changes')],
    ['n:ssid', await ids('source_stamps')],
    ['n:deliveryid', await ids('hook_deliveries')],
    ['n:test_result_setid', await ids('test_result_sets')],
    ['s:build_data_name', await names('build_data')],
    ['n:workerid', await ids('workers')],
    ['s:name', await names('workers')],
    ['n:projectid', await ids('projects')],
    ['s:projectname', await names('projects')],
    ['n:schedulerid', await ids('schedulers')],
    ['s:schedulername', await names('schedulers')],
    ['n:changesourceid', await ids('change_sources')],
    ['n:masterid', [1, 2]],
    ['n:lockid', [1, 2]],
    ['n:auditid', [1, 2, 99]],
    ['n:revisionid', [1, 2]],
    ['n:from_revisionid', [1, 2]],
    ['n:codebaseid', await ids('codebases')],
    ['s:codebasename', await names('codebases')],
    ['n:branchid', await ids('codebase_branches')],
    ['n:commitid', await ids('codebase_commits')],
    ['n:commitid1', await ids('codebase_commits')],
    ['n:commitid2', await ids('codebase_commits')],
    ['s:revision', ['r1', 'r2', 'r3']],
  ]);
}

/** A deterministic source of choices. */
function chooser(seed: number): <T>(from: readonly T[]) => T {
  let state = seed + 1;
  return (from) => {
    state = (state * 48_271) % 2_147_483_647;
    return from[state % from.length]!;
  };
}

const OPERATORS = ['', '__ne', '__contains', '__gt', '__le', '__in', '__notin'];

/** Resources that the copy needs itself: every master works with a revision. */
const WITHOUT_COMPARISON: readonly string[] = ['revision', 'revisiondifference'];

const DATABASES = ['SQLite', ...(requireService('mariadb') ? ['MariaDB'] : [])] as const;

describe.each(DATABASES)('what is hidden on %s', (kind) => {
  let mariaDb: MariaDb | null = null;
  let site: Site;
  let table: ResourceTable;
  let folder: string;
  let known: ReadonlyMap<string, readonly (string | number)[]>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-hidden-'));
    if (kind === 'MariaDB') mariaDb = await startMariaDb();
    site = await (mariaDb ? Site.on(await mariaDb.createDatabase(), undefined, WORLD) : Site.onSqlite(WORLD));
    await populate(site);
    await site.db.run(`UPDATE masters SET lease_until_ms = lease_until_ms + 86400000`);
    table = await resourcesOf(site);
    known = await argumentsIn(site.db);
  }, 120_000);
  afterAll(async () => {
    await site.close();
    await mariaDb?.stop();
    await rm(folder, { recursive: true });
  });

  /** Runs `work` beside a copy of the site that lacks what the rules hide. */
  const compared = async (
    seed: number,
    work: (sides: {
      full: UiServer;
      cut: UiServer;
      rules: Rules;
      hints: Site;
      hidden: ReadonlySet<string>;
    }) => Promise<void>,
  ): Promise<boolean> => {
    const rules = rulesOf(seed);
    await show(site, rules.visibleTo);
    const hidden = await hiddenBy(rules, site);
    if (hidden.size === 0) return false;
    const url = mariaDb ? await mariaDb.createDatabase() : `sqlite:${join(folder, `${seed}-${Date.now()}.sqlite`)}`;
    const copy = await withoutProjects(site, url, hidden);
    const listeners = new Set<Parameters<Site['onHint']>[0]>();
    const hints = {
      db: copy,
      onHint: (listener: Parameters<Site['onHint']>[0]) => (listeners.add(listener), () => listeners.delete(listener)),
      hint: (hint: Parameters<Site['hint']>[0]) => listeners.forEach((listener) => listener(hint)),
    } as unknown as Site;
    const www: CompiledWww = { auth: AUTH, authz: RULES };
    const full = await startUi(site, { policy: { www: { ...www, defaultVisibility: rules.byDefault } } });
    const cut = await startUi(hints, { policy: { www } });
    try {
      await work({ full, cut, rules, hints, hidden });
      return true;
    } finally {
      await full.close();
      await cut.close();
      await copy.close();
    }
  };

  // Each round copies the site.
  const SEEDS = kind === 'SQLite' ? [1, 2, 3] : [2];

  it.each(SEEDS)(
    'answers as if it did not exist, whatever is asked for (%i)',
    async (seed) => {
      const compare = async ({ full, cut, rules }: { full: UiServer; cut: UiServer; rules: Rules }): Promise<void> => {
        const choose = chooser(seed);
        const pathOf = (pattern: string): string =>
          pattern
            .split('/')
            .map((segment) => {
              if (segment[1] !== ':') return segment;
              const values = known.get(segment);
              if (!values) throw new Error(`say in this test what can stand for ${segment}`);
              return encodeURIComponent(choose(values));
            })
            .join('/');
        const asked: { address: string; sorts: boolean }[] = [];
        for (const resource of table.resources) {
          if (WITHOUT_COMPARISON.includes(resource.name)) continue;
          const { id, fields } = resource.shape;
          const names = Object.keys(fields);
          for (const { path, read } of resource.paths) {
            for (let round = 0; round < (path.includes(':') ? 2 : 1); round++) {
              const at = pathOf(path);
              asked.push({ address: at, sorts: false });
              if ((read.kind !== 'list' && read.kind !== 'rows') || names.length === 0) continue;
              const field = choose(names);
              const value = await valueOf(full, at, field, choose);
              asked.push(
                { address: `${at}?limit=2&offset=${round}`, sorts: false },
                { address: `${at}?order=${choose(['', '-'])}${field}`, sorts: true },
                { address: `${at}?field=${field}`, sorts: true },
                { address: `${at}?order=-${id}&limit=3`, sorts: false },
                { address: `${at}?${field}${choose(OPERATORS)}=${encodeURIComponent(value)}&property=*`, sorts: true },
              );
            }
          }
        }
        const [theirs, expected] = [[], []] as [object[], object[]];
        for (let i = 0; i < asked.length; i += 20) {
          const some = asked.slice(i, i + 20);
          theirs.push(...(await Promise.all(some.map((one) => answerOf(full, one, rules.reader)))));
          expected.push(...(await Promise.all(some.map((one) => answerOf(cut, one, rules.reader)))));
        }
        expect(theirs).toEqual(expected);
      };
      await compared(seed, compare);
    },
    240_000,
  );
  it('shows revisions only to those who see everything', async () => {
    const compare = async ({ full, rules }: { full: UiServer; rules: Rules }): Promise<void> => {
      const ask = (address: string) => answerOf(full, { address, sorts: false }, rules.reader);
      expect(await ask('reverts')).toMatchObject({ status: 200, rows: [] });
      expect(await ask('revisions?fingerprint__ne=x')).toMatchObject({ status: 200, rows: [] });
      for (const address of ['revisions/1', 'revisions/1/differences', 'revisions/1/from/1/differences'])
        expect(await ask(address)).toMatchObject({ status: 404 });
    };
    expect(await compared(SEEDS[0]!, compare)).toBe(true);
  }, 120_000);
  it('hides something from somebody in most rounds', async () => {
    const sizes: number[] = [];
    for (const seed of SEEDS) {
      const rules = rulesOf(seed);
      await show(site, rules.visibleTo);
      sizes.push((await hiddenBy(rules, site)).size);
    }
    expect(sizes.filter((size) => size > 0 && size < PROJECTS.length).length).toBeGreaterThan(0);
  });

  it.each(SEEDS.slice(0, 2))(
    'is told about by no event (%i)',
    async (seed) => {
      await compared(seed, async ({ full, cut, rules, hints }) => {
        const filters = [2, 3, 4, 5, 6].map((length) => Array<string>(length).fill('*').join('/'));
        const [theirs, expected] = await Promise.all([full, cut].map((ui) => listen(ui, filters, rules.reader)));
        const topics = [...topicsOf(known)];
        for (const topic of topics) {
          site.hint({ topic, payload: {} });
          hints.hint({ topic, payload: {} });
        }
        // This master is told about last, to everybody.
        const end = { topic: 'masters.1.stopped', payload: {} };
        for (const side of [site, hints]) side.hint(end);
        await eventually(() => {
          for (const frames of [theirs!.frames, expected!.frames])
            if (!frames.some((frame) => frame.includes('masters/1/stopped'))) throw new Error('not everything is told');
        });
        await eventually(() => expect([...theirs!.frames].sort()).toEqual([...expected!.frames].sort()));
        for (const { socket } of [theirs!, expected!]) socket.terminate();
      });
    },
    120_000,
  );

  it.each(SEEDS.slice(0, 1))(
    'cannot be told from what does not exist by commands (%i)',
    async (seed) => {
      await compared(seed, async ({ full, rules, hidden }) => {
        const commands = await commandsOn(table, known, full, rules);
        expect(commands.length).toBeGreaterThan(0);
        for (const { path, method, missing } of commands) {
          const [theirs, none] = await Promise.all([
            command(full, path, method, rules.reader),
            command(full, missing, method, rules.reader),
          ]);
          expect({ path, method, answer: theirs, hidden: [...hidden] }).toEqual({
            ...{ path, method, answer: none, hidden: [...hidden] },
          });
        }
      });
    },
    120_000,
  );
});

/** Returns a value of a field that some row has, whoever sees it. */
async function valueOf(
  ui: UiServer,
  path: string,
  field: string,
  choose: <T>(from: readonly T[]) => T,
): Promise<string> {
  const response = await fetch(`${ui.url}/api/v2/${path}`, { headers: { ...ROOT, accept: 'application/json' } });
  if (!response.ok) return '1';
  const { meta: _, ...body } = (await response.json()) as Record<string, Record<string, unknown>[]>;
  const rows = Object.values(body)[0]!;
  const value = rows.length === 0 ? 1 : choose(rows)[field];
  return String(Array.isArray(value) ? (value[0] ?? 1) : (value ?? 1));
}

/** Returns an answer without what depends on how it was found: the rows examined, the address of the next page, the order of equal rows. */
async function answerOf(
  ui: UiServer,
  { address, sorts }: { address: string; sorts: boolean },
  reader: Readonly<Record<string, string>>,
): Promise<object> {
  const response = await fetch(`${ui.url}/api/v2/${address}`, { headers: { ...reader, accept: 'application/json' } });
  const { status } = response;
  const text = await response.text();
  if (!response.headers.get('content-type')?.includes('json')) return { address, status, text };
  const { meta, ...lists } = JSON.parse(text) as Record<string, unknown> & { meta: Record<string, unknown> };
  const { examined: _, partial: __, next, ...counts } = meta;
  const rows = Object.values(lists)[0] as object[];
  const inOrder = sorts ? rows.map((row) => JSON.stringify(row)).sort() : rows;
  return { address, status, counts, hasNext: next !== undefined, rows: inOrder };
}

async function listen(
  ui: UiServer,
  filters: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly frames: string[]; readonly socket: WebSocket }> {
  const socket = new WebSocket(`${ui.url.replace('http', 'ws')}/ws`, { headers });
  const frames: string[] = [];
  let replies = 0;
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    const { k, msg } = JSON.parse(text) as { k?: string; msg?: string };
    if (msg !== undefined) replies++;
    // Broadcasts are about no row.
    else if (k !== 'bus' && k !== 'resync') frames.push(text);
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  filters.forEach((path, id) => socket.send(JSON.stringify({ cmd: 'startConsuming', path, _id: id })));
  await eventually(() => expect(replies).toBe(filters.length));
  return { frames, socket };
}

/** Yields the topics of hints about all rows. */
function* topicsOf(known: ReadonlyMap<string, readonly (string | number)[]>): Generator<string> {
  const kinds = {
    ...{ changes: 'n:changeid', deliveries: 'n:deliveryid', buildsets: 'n:bsid', buildrequests: 'n:buildrequestid' },
    ...{ builds: 'n:buildid', builders: 'n:builderid', workers: 'n:workerid', schedulers: 'n:schedulerid' },
    ...{ logs: 'n:logid', steps: 'n:stepid', test_result_sets: 'n:test_result_setid' },
  } as const;
  for (const [plural, argument] of Object.entries(kinds)) {
    for (const id of known.get(argument)!) {
      for (const event of EVENTS[plural as keyof typeof kinds])
        yield plural === 'steps' ? `builds.1.steps.${id}.${event}` : `${plural}.${id}.${event}`;
      if (plural === 'builds') yield `builds.${id}.properties.update`;
    }
  }
}

interface Command {
  readonly path: string;
  readonly missing: string;
  readonly method: string;
}

/** Returns commands on rows that the reader does not see, each with the same on a row that does not exist. */
async function commandsOn(
  table: ResourceTable,
  known: ReadonlyMap<string, readonly (string | number)[]>,
  ui: UiServer,
  { reader }: Rules,
): Promise<Command[]> {
  const commands: Command[] = [];
  for (const { paths } of table.resources) {
    for (const { path, actions } of paths) {
      const args = path.match(/[ns]:\w+/g) ?? [];
      if (actions.size === 0 || args.length !== 1) continue;
      for (const value of known
        .get(args[0])!
        .slice(0, -1)
        .filter((_, index) => index % 3 === 0)) {
        const at = path.replace(args[0], encodeURIComponent(value));
        const { status } = (await answerOf(ui, { address: at, sorts: false }, reader)) as { status: number };
        if (status !== 404) continue;
        const missing = path.replace(args[0], args[0].startsWith('n') ? '99999' : 'nobody');
        for (const method of actions.keys()) commands.push({ path: at, missing, method });
      }
    }
  }
  return commands;
}

async function command(
  ui: UiServer,
  path: string,
  method: string,
  reader: Readonly<Record<string, string>>,
): Promise<object> {
  const response = await fetch(`${ui.url}/api/v2/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...reader },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { priority: 1, enabled: true } }),
  });
  return { status: response.status, text: await response.text() };
}
