import { EVENTS, type MasterResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, smallList } from './resource.js';

export function masters({ reads: { catalog } }: ResourcePorts): Resource {
  return resource<MasterResource>({
    name: 'master',
    shape: CATALOG.masters,
    one: {
      at: [address('masters/n:masterid', ([id]) => id)],
      read: async (_caller, id) => (await catalog.masters()).find((master) => master.masterid === id) ?? null,
    },
    reads: [smallList('masters', () => catalog.masters())],
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
