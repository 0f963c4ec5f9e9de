import { EVENTS, type MasterResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, single, smallList } from './resource.js';

export function masters({ reads: { catalog, codebases } }: ResourcePorts): Resource {
  const ofBuilder = async (builderId: number): Promise<MasterResource[]> => {
    const [builder] = await catalog.builders([builderId]);
    return (await catalog.masters()).filter(({ masterid }) => builder?.masterids.includes(masterid));
  };
  const buildersOf = async (ids: readonly number[]): Promise<{ id: number; cause: number }[]> =>
    (await catalog.builders()).flatMap(({ builderid: id, masterids }) =>
      masterids.filter((masterId) => ids.includes(masterId)).map((cause) => ({ id, cause })),
    );
  const projects = async (): Promise<{ id: number }[]> =>
    (await catalog.projects({ tellActive: false })).map(({ projectid: id }) => ({ id }));
  const allCodebases = async (): Promise<{ id: number }[]> =>
    (await codebases.codebases()).map(({ codebaseid: id }) => ({ id }));
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
      // A master starts with a configuration, and starts again, so to speak, with a new one.
      entails: [
        { event: 'started', rows: buildersOf, resource: 'builders', as: 'started' },
        { event: 'started', rows: buildersOf, resource: 'builders', as: 'update' },
        { event: 'started', rows: projects, resource: 'projects', as: 'update' },
        { event: 'started', rows: allCodebases, resource: 'codebases', as: 'update' },
        { event: 'stopped', rows: buildersOf, resource: 'builders', as: 'stopped' },
        { event: 'stopped', rows: buildersOf, resource: 'builders', as: 'update' },
      ],
      found: { changed: { in: 'masters', appeared: 'started', changed: 'started', vanished: null } },
    },
  });
}
