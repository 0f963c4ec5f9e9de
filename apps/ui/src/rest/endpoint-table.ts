import {
  ADOPTION_SHAPE,
  BUILD_REQUESTS,
  BUILDS,
  BUILDSETS,
  CATALOG_LIMIT,
  CHANGES,
  evaluate,
  HISTORY_LIMIT,
  type Page,
  type ResourceQuery,
  type ResourceShape,
  SOURCE_STAMPS,
  withFilter,
} from '@millrace/database';
import { isUuid } from '@millrace/domain';
import type { Reads } from '../reads.js';
import { buildPrefixes, ifFound } from './build-prefixes.js';
import { addCatalog } from './catalog-endpoints.js';
import { type Endpoint, type Prefix, PROPERTIES_SHAPE } from './endpoints.js';
import { type PathArgument, PathTable } from '../resources/path-table.js';
import { addSteps } from './step-endpoints.js';

const WAIT_SHAPE: ResourceShape = { plural: 'wait_reasons', id: 'buildrequestid', fields: {} };

/** All paths of `/api/v2` (`docs/api.md#paths`), without the leading `/api/v2/`. */
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
    // Millrace's own.
    table.add(`${prefix.pattern}/adoptions`, {
      kind: 'collection',
      shape: ADOPTION_SHAPE,
      list: (args, query) =>
        ifFound(prefix.id(args), async (id) => evaluate(await builds.adoptions(id), query, CATALOG_LIMIT)),
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
      shape: SOURCE_STAMPS.shape,
      list: (args, query) =>
        ifFound(prefix.id(args), async (id) => {
          const [buildset] = await buildsets.byIds([id]);
          return buildset ? evaluate(buildset.sourcestamps, query, CATALOG_LIMIT) : null;
        }),
    });
  }
  table.add('sourcestamps', {
    kind: 'collection',
    shape: SOURCE_STAMPS.shape,
    list: (_args, query) => buildsets.stamps(query),
  });
  table.add('sourcestamps/:n', {
    kind: 'single',
    shape: SOURCE_STAMPS.shape,
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

function requestPrefixes({ requests }: Reads): Prefix[] {
  return [
    { pattern: 'buildrequests/:n', id: async ([id]) => id as number },
    { pattern: 'buildrequests/:s', id: async ([uuid]) => (isUuid(uuid) ? requests.idOf(uuid) : null) },
  ];
}
