import { type BuilderResource, EVENTS } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import type { Reads } from '../reads.js';
import { address, type Address, type Resource, resource, type ResourcePorts, single, smallList } from './resource.js';
import { few } from './few.js';

export function builderAddresses({ catalog }: Reads): Address[] {
  return [
    address('builders/n:builderid', ([id]) => id),
    address('builders/s:buildername', ([name]) => catalog.builderId(name)),
  ];
}

export function builders({ reads }: ResourcePorts): Resource {
  const { catalog } = reads;
  const those = async (belong: (builder: BuilderResource) => boolean): Promise<BuilderResource[]> =>
    (await catalog.builders()).filter(belong);
  return resource<BuilderResource>({
    name: 'builder',
    shape: CATALOG.builders,
    seen: (rows, sight) => rows.filter(({ builderid }) => sight.seesBuilder(builderid)),
    one: {
      at: builderAddresses(reads),
      read: async (id) => (await catalog.builders([id]))[0] ?? null,
    },
    reads: [
      smallList('builders', () => catalog.builders()),
      smallList('masters/n:masterid/builders', ([id]) => those((builder) => builder.masterids.includes(id))),
      single('masters/n:masterid/builders/n:builderid', async ([masterId, id]) => {
        const [builder] = await catalog.builders([id]);
        return builder?.masterids.includes(masterId) ? builder : null;
      }),
      smallList('projects/n:projectid/builders', ([id]) => those((builder) => builder.projectid === id)),
      smallList('workers/n:workerid/builders', async ([id]) => {
        const [worker] = await catalog.workers([id]);
        const ids = new Set(worker?.configured_on.map((place) => place.builderid));
        return those((builder) => ids.has(builder.builderid));
      }),
    ],
    events: {
      topic: 'builders.:id.:event',
      names: EVENTS.builders,
      load: (ids) => catalog.builders(few(ids)),
      idOf: (builder) => builder.builderid,
      keys: (builder, event) => [`builders/${builder.builderid}/${event}`],
      // As in Buildbot, what starts and stops is a builder on a master.
      body: (builder, event, masterId) =>
        event === 'update' ? builder : { builderid: builder.builderid, masterid: masterId, name: builder.name },
      found: { changed: { in: 'builders', appeared: 'update', changed: 'update', vanished: null } },
    },
  });
}
