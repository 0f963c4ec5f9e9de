import { EVENTS, type MasterResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, single, smallList } from './resource.js';

export function masters({ reads: { catalog } }: ResourcePorts): Resource {
  const ofBuilder = async (builderId: number): Promise<MasterResource[]> => {
    const [builder] = await catalog.builders([builderId]);
    return (await catalog.masters()).filter(({ masterid }) => builder?.masterids.includes(masterid));
  };
  return resource<MasterResource>({
    name: 'master',
    shape: CATALOG.masters,
    seen: 'by-everybody',
    one: {
      at: [address('masters/n:masterid', ([id]) => id)],
      read: async (id) => (await catalog.masters()).find((master) => master.masterid === id) ?? null,
    },
    reads: [
      smallList('masters', () => catalog.masters()),
      smallList('builders/n:builderid/masters', ([id]) => ofBuilder(id)),
      single(
        'builders/n:builderid/masters/n:masterid',
        async ([id, masterId]) => (await ofBuilder(id)).find(({ masterid }) => masterid === masterId) ?? null,
      ),
    ],
    events: {
      topic: 'masters.:id.:event',
      names: EVENTS.masters,
      load: () => catalog.masters(),
      idOf: (master) => master.masterid,
      keys: (master, event) => [`masters/${master.masterid}/${event}`],
      found: { changed: { in: 'masters', appeared: 'started', changed: 'started', vanished: null } },
    },
  });
}
