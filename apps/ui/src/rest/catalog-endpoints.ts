import { CATALOG, CATALOG_LIMIT, EVERYTHING, evaluate, type ResourceShape, withFilter } from '@millrace/database';
import { forceSchedulers } from '../resources/force-schedulers.js';
import type { Reads } from '../reads.js';
import type { Endpoint } from './endpoints.js';
import type { PathArgument, PathTable } from '../resources/path-table.js';

const ROOT_LINKS =
  'builders builds buildrequests buildsets workers changes changesources masters sourcestamps schedulers forceschedulers projects';
const ROOT_LINK_SHAPE: ResourceShape = { plural: 'rootlinks', id: 'name', fields: { name: 'string' } };

type Args = readonly PathArgument[];

/** What the configuration names: masters, builders, workers, schedulers, projects. */
export function addCatalog(table: PathTable<Endpoint>, { catalog }: Reads): void {
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
      const tellActive = query.filters.some((filter) => filter.field === 'active');
      return evaluate(await catalog.projects({ tellActive }), query, CATALOG_LIMIT);
    },
  });
  const projects = (): Promise<object[]> => catalog.projects({ tellActive: false });
  table.add('projects/:n', singleOf(CATALOG.projects, projects, 'projectid'));
  table.add('projects/:s', singleOf(CATALOG.projects, projects, 'name'));
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
