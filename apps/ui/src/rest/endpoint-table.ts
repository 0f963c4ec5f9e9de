import {
  BUILD_REQUESTS,
  BUILDS,
  BUILDSETS,
  CATALOG,
  CATALOG_LIMIT,
  CHANGES,
  EVERYTHING,
  evaluate,
  HISTORY_LIMIT,
  LOG_SHAPE,
  type Page,
  type ResourceQuery,
  type ResourceShape,
  SOURCE_STAMP_SHAPE,
  STEP_SHAPE,
  withFilter,
} from '@millrace/database';
import { isUuid } from '@millrace/domain';
import { forceSchedulers } from '../control/force-schedulers.js';
import type { Reads } from '../reads.js';
import { type Endpoint, type Prefix, PROPERTIES_SHAPE } from './endpoints.js';
import { type PathArgument, PathTable } from './path-table.js';

const ROOT_LINKS =
  'builders builds buildrequests buildsets workers changes changesources masters sourcestamps schedulers forceschedulers projects';
const ROOT_LINK_SHAPE: ResourceShape = { plural: 'rootlinks', id: 'name', fields: { name: 'string' } };
const WAIT_SHAPE: ResourceShape = { plural: 'wait_reasons', id: 'buildrequestid', fields: {} };

/** All paths of `/api/v2` (`specs/data-api.md` §2), without the leading `/api/v2/`. */
export function endpointTable(reads: Reads): PathTable<Endpoint> {
  const table = new PathTable<Endpoint>();
  addCatalog(table, reads);
  addBuilds(table, reads);
  addRequests(table, reads);
  addChanges(table, reads);
  addSteps(table, reads);
  return table;
}

type Args = readonly PathArgument[];

function addCatalog(table: PathTable<Endpoint>, { catalog }: Reads): void {
  table.add(
    '',
    collectionOf(ROOT_LINK_SHAPE, async () => ROOT_LINKS.split(' ').map((name) => ({ name }))),
  );
  const builders = (): Promise<object[]> => catalog.builders();
  const servedBy = (id: PathArgument) => async (): Promise<object[]> =>
    (await catalog.builders()).filter((builder) => builder.masterids.includes(id as number));
  table.add(
    'masters',
    collectionOf(CATALOG.masters, () => catalog.masters()),
  );
  table.add(
    'masters/:n',
    singleOf(CATALOG.masters, () => catalog.masters(), 'masterid'),
  );
  table.add('builders', collectionOf(CATALOG.builders, builders));
  table.add('builders/:n', singleOf(CATALOG.builders, builders, 'builderid'));
  table.add('builders/:s', singleOf(CATALOG.builders, builders, 'name'));
  table.add(
    'masters/:n/builders',
    collectionOf(CATALOG.builders, ([id]) => servedBy(id!)()),
  );
  table.add('projects', {
    kind: 'collection',
    shape: CATALOG.projects,
    async list(_args, query) {
      const page = evaluate(await catalog.projects(), query, CATALOG_LIMIT);
      // Buildbot tells only those who ask for it.
      if (query.filters.some((filter) => filter.field === 'active')) return page;
      return { ...page, rows: page.rows.map((project) => ({ ...project, active: null })) };
    },
  });
  table.add(
    'projects/:n',
    singleOf(CATALOG.projects, () => catalog.projects(), 'projectid'),
  );
  table.add(
    'projects/:s',
    singleOf(CATALOG.projects, () => catalog.projects(), 'name'),
  );
  table.add(
    'projects/:n/builders',
    collectionOf(CATALOG.builders, async ([id]) =>
      (await catalog.builders()).filter((builder) => builder.projectid === id),
    ),
  );
  table.add(
    'workers',
    collectionOf(CATALOG.workers, () => catalog.workers()),
  );
  table.add(
    'workers/:n',
    singleOf(CATALOG.workers, () => catalog.workers(), 'workerid'),
  );
  table.add(
    'workers/:s',
    singleOf(CATALOG.workers, () => catalog.workers(), 'name'),
  );
  const workersOf = async (field: 'builderid' | 'masterid', id: PathArgument): Promise<object[]> =>
    (await catalog.workers())
      .map((worker) => ({ ...worker, configured_on: worker.configured_on.filter((place) => place[field] === id) }))
      .filter((worker) => worker.configured_on.length > 0);
  table.add(
    'builders/:n/workers',
    collectionOf(CATALOG.workers, ([id]) => workersOf('builderid', id!)),
  );
  table.add(
    'masters/:n/workers',
    collectionOf(CATALOG.workers, ([id]) => workersOf('masterid', id!)),
  );
  table.add(
    'workers/:n/builders',
    collectionOf(CATALOG.builders, async ([id]) => {
      const worker = (await catalog.workers()).find((candidate) => candidate.workerid === id);
      const ids = new Set(worker?.configured_on.map((place) => place.builderid));
      return (await catalog.builders()).filter((builder) => ids.has(builder.builderid));
    }),
  );
  table.add(
    'schedulers',
    collectionOf(CATALOG.schedulers, () => catalog.schedulers()),
  );
  table.add(
    'schedulers/:n',
    singleOf(CATALOG.schedulers, () => catalog.schedulers(), 'schedulerid'),
  );
  table.add(
    'changesources',
    collectionOf(CATALOG.changesources, () => catalog.changeSources()),
  );
  table.add(
    'changesources/:n',
    singleOf(CATALOG.changesources, () => catalog.changeSources(), 'changesourceid'),
  );
  table.add(
    'forceschedulers',
    collectionOf(CATALOG.forceschedulers, () => forceSchedulers(catalog)),
  );
  table.add(
    'forceschedulers/:s',
    singleOf(CATALOG.forceschedulers, () => forceSchedulers(catalog), 'name'),
  );
  table.add(
    'builders/:n/forceschedulers',
    collectionOf(CATALOG.forceschedulers, async ([id]) => {
      const builder = (await catalog.builders()).find((candidate) => candidate.builderid === id);
      return (await forceSchedulers(catalog)).filter((force) => builder && force.builder_names.includes(builder.name));
    }),
  );
}

function addBuilds(table: PathTable<Endpoint>, reads: Reads): void {
  const { builds, catalog } = reads;
  const list = (query: ResourceQuery): Promise<Page<object>> => builds.list(query);
  const collection = (of: (args: Args, query: ResourceQuery) => Promise<Page<object>>): Endpoint => ({
    kind: 'collection',
    shape: BUILDS.shape,
    list: of,
  });
  table.add(
    'builds',
    collection((_args, query) => list(query)),
  );
  table.add(
    'builders/:n/builds',
    collection(([id], query) => list(withFilter(query, 'builderid', id!))),
  );
  table.add(
    'builders/:s/builds',
    collection(async ([name], query) => {
      const id = await catalog.builderId(String(name));
      return id === null ? evaluate([], query, HISTORY_LIMIT) : list(withFilter(query, 'builderid', id));
    }),
  );
  table.add(
    'workers/:n/builds',
    collection(([id], query) => list(withFilter(query, 'workerid', id!))),
  );
  table.add(
    'buildrequests/:n/builds',
    collection(([id], query) => list(withFilter(query, 'buildrequestid', id!))),
  );
  table.add(
    'buildrequests/:s/builds',
    collection(async ([uuid], query) => {
      const id = isUuid(uuid) ? await reads.requests.idOf(uuid) : null;
      return id === null ? evaluate([], query, HISTORY_LIMIT) : list(withFilter(query, 'buildrequestid', id));
    }),
  );
  table.add(
    'changes/:n/builds',
    collection(async ([id], query) => {
      const ids = await builds.ofChange(id as number, HISTORY_LIMIT.default);
      if (ids.length === 0) return evaluate([], query, HISTORY_LIMIT);
      return list({ ...query, filters: [...query.filters, { field: 'buildid', op: 'eq', values: ids }] });
    }),
  );
  for (const prefix of buildPrefixes(reads)) {
    table.add(prefix.pattern, {
      kind: 'single',
      shape: BUILDS.shape,
      get: (args, properties) => ifFound(prefix.id(args), (id) => builds.one(id, properties)),
    });
    table.add(`${prefix.pattern}/properties`, {
      kind: 'single',
      shape: PROPERTIES_SHAPE,
      get: (args) => ifFound(prefix.id(args), (id) => builds.properties(id)),
    });
    table.add(`${prefix.pattern}/changes`, {
      kind: 'collection',
      shape: CHANGES.shape,
      list: (args, query) =>
        ifFound(prefix.id(args), async (id) => {
          const changes = await reads.changes.ofBuild(id, HISTORY_LIMIT.default);
          return changes && evaluate(changes, query, HISTORY_LIMIT);
        }),
    });
  }
}

function addRequests(table: PathTable<Endpoint>, reads: Reads): void {
  const { requests, buildsets, waiting } = reads;
  const shape = BUILD_REQUESTS.shape;
  table.add('buildrequests', { kind: 'collection', shape, list: (_args, query) => requests.list(query) });
  table.add('builders/:n/buildrequests', {
    kind: 'collection',
    shape,
    list: ([id], query) => requests.list(withFilter(query, 'builderid', id!)),
  });
  for (const prefix of requestPrefixes(reads)) {
    table.add(prefix.pattern, {
      kind: 'single',
      shape,
      get: (args, properties) => ifFound(prefix.id(args), (id) => requests.one(id, properties)),
    });
    table.add(`${prefix.pattern}/properties`, {
      kind: 'single',
      shape: PROPERTIES_SHAPE,
      get: (args) => ifFound(prefix.id(args), async (id) => (await requests.one(id, ['*']))?.properties ?? null),
    });
    table.add(`${prefix.pattern}/wait_reason`, {
      kind: 'single',
      shape: WAIT_SHAPE,
      get: (args) => ifFound(prefix.id(args), (id) => waiting.of(id)),
    });
  }
  table.add('buildsets', { kind: 'collection', shape: BUILDSETS.shape, list: (_args, query) => buildsets.list(query) });
  const setPrefixes: Prefix[] = [
    { pattern: 'buildsets/:n', id: async ([id]) => id as number },
    { pattern: 'buildsets/:s', id: async ([uuid]) => (isUuid(uuid) ? buildsets.idOf(uuid) : null) },
  ];
  for (const prefix of setPrefixes) {
    table.add(prefix.pattern, {
      kind: 'single',
      shape: BUILDSETS.shape,
      get: (args) => ifFound(prefix.id(args), async (id) => (await buildsets.byIds([id]))[0] ?? null),
    });
    table.add(`${prefix.pattern}/properties`, {
      kind: 'single',
      shape: PROPERTIES_SHAPE,
      get: (args) => ifFound(prefix.id(args), (id) => buildsets.properties(id)),
    });
    table.add(`${prefix.pattern}/sourcestamps`, {
      kind: 'collection',
      shape: SOURCE_STAMP_SHAPE,
      list: (args, query) =>
        ifFound(prefix.id(args), async (id) => {
          const [buildset] = await buildsets.byIds([id]);
          return buildset ? evaluate(buildset.sourcestamps, query, CATALOG_LIMIT) : null;
        }),
    });
  }
  table.add('sourcestamps/:n', {
    kind: 'single',
    shape: SOURCE_STAMP_SHAPE,
    get: ([id]) => buildsets.stamp(id as number),
  });
}

function addChanges(table: PathTable<Endpoint>, { changes }: Reads): void {
  table.add('changes', { kind: 'collection', shape: CHANGES.shape, list: (_args, query) => changes.list(query) });
  table.add('changes/:n', {
    kind: 'single',
    shape: CHANGES.shape,
    get: async ([id]) => (await changes.byIds([id as number]))[0] ?? null,
  });
  table.add('sourcestamps/:n/changes', {
    kind: 'collection',
    shape: CHANGES.shape,
    list: async ([id], query) =>
      evaluate(await changes.ofSourceStamp(id as number, HISTORY_LIMIT.default), query, HISTORY_LIMIT),
  });
}

function addSteps(table: PathTable<Endpoint>, reads: Reads): void {
  const { steps } = reads;
  for (const build of buildPrefixes(reads)) {
    table.add(`${build.pattern}/steps`, {
      kind: 'collection',
      shape: STEP_SHAPE,
      list: (args, query) =>
        ifFound(build.id(args), async (id) => evaluate(await steps.ofBuild(id), query, CATALOG_LIMIT)),
    });
  }
  // Millrace's own: what a build page needs of all its steps' logs in one request.
  table.add('builds/:n/logs', {
    kind: 'collection',
    shape: LOG_SHAPE,
    list: async ([id], query) => evaluate(await steps.logsOfBuild(id as number), query, CATALOG_LIMIT),
  });
  const stepPrefixes: Prefix[] = [
    { pattern: 'steps/:n', id: async ([id]) => id as number },
    ...buildPrefixes(reads).flatMap((build) =>
      [':n', ':s'].map((kind) => ({
        pattern: `${build.pattern}/steps/${kind}`,
        id: (args: Args) =>
          ifFound(build.id(args), async (buildId) => {
            const wanted = args.at(-1);
            const found = (await steps.ofBuild(buildId)).find(
              (step) => wanted === (kind === ':n' ? step.number : step.name),
            );
            return found?.stepid ?? null;
          }),
      })),
    ),
  ];
  for (const step of stepPrefixes) {
    table.add(step.pattern, {
      kind: 'single',
      shape: STEP_SHAPE,
      get: (args) => ifFound(step.id(args), async (id) => (await steps.byIds([id]))[0] ?? null),
    });
    table.add(`${step.pattern}/logs`, {
      kind: 'collection',
      shape: LOG_SHAPE,
      list: (args, query) =>
        ifFound(step.id(args), async (id) => evaluate(await steps.logsOfStep(id), query, CATALOG_LIMIT)),
    });
  }
  const logPrefixes: Prefix[] = [
    { pattern: 'logs/:n', id: async ([id]) => id as number },
    ...stepPrefixes.map((step) => ({
      pattern: `${step.pattern}/logs/:s`,
      id: (args: Args) =>
        ifFound(step.id(args.slice(0, -1)), async (stepId) => {
          const found = (await steps.logsOfStep(stepId)).find((log) => log.slug === args.at(-1));
          return found?.logid ?? null;
        }),
    })),
  ];
  for (const log of logPrefixes) {
    table.add(log.pattern, {
      kind: 'single',
      shape: LOG_SHAPE,
      get: (args) => ifFound(log.id(args), async (id) => (await steps.logsByIds([id]))[0] ?? null),
    });
    table.add(`${log.pattern}/contents`, { kind: 'lines', logId: log.id });
    table.add(`${log.pattern}/raw`, { kind: 'raw', logId: log.id, inline: false });
    table.add(`${log.pattern}/raw_inline`, { kind: 'raw', logId: log.id, inline: true });
  }
}

function buildPrefixes({ builds, catalog }: Reads): Prefix[] {
  return [
    { pattern: 'builds/:n', id: async ([id]) => id as number },
    {
      pattern: 'builders/:n/builds/:n',
      id: ([builderId, number]) => builds.idOf(builderId as number, number as number),
    },
    {
      pattern: 'builders/:s/builds/:n',
      id: ([name, number]) =>
        ifFound(catalog.builderId(String(name)), (builderId) => builds.idOf(builderId, number as number)),
    },
  ];
}

function requestPrefixes({ requests }: Reads): Prefix[] {
  return [
    { pattern: 'buildrequests/:n', id: async ([id]) => id as number },
    { pattern: 'buildrequests/:s', id: async ([uuid]) => (isUuid(uuid) ? requests.idOf(uuid) : null) },
  ];
}

async function ifFound<T>(id: Promise<number | null>, then: (id: number) => Promise<T | null>): Promise<T | null> {
  const found = await id;
  return found === null ? null : then(found);
}

function collectionOf(shape: ResourceShape, rows: (args: Args) => Promise<object[]>): Endpoint {
  return { kind: 'collection', shape, list: async (args, query) => evaluate(await rows(args), query, CATALOG_LIMIT) };
}

function singleOf(shape: ResourceShape, rows: () => Promise<object[]>, field: string): Endpoint {
  return {
    kind: 'single',
    shape,
    get: async ([value]) =>
      evaluate(await rows(), withFilter(EVERYTHING, field, value!), CATALOG_LIMIT).rows[0] ?? null,
  };
}
