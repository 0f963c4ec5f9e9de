import type { ChangeSourceResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, single, smallList } from './resource.js';

export function changesources({ reads: { catalog } }: ResourcePorts): Resource {
  const of = async (masterId: number): Promise<ChangeSourceResource[]> =>
    (await catalog.changeSources()).filter(({ master }) => master?.masterid === masterId);
  return resource<ChangeSourceResource>({
    name: 'changesource',
    shape: CATALOG.changesources,
    seen: (rows, sight) => rows.filter(({ name }) => sight.seesChangeSource(name)),
    embeds: { master: { resource: 'master', isList: false } },
    one: {
      at: [address('changesources/n:changesourceid', ([id]) => id)],
      read: async (id) => (await catalog.changeSources()).find((one) => one.changesourceid === id) ?? null,
    },
    reads: [
      smallList('changesources', () => catalog.changeSources()),
      smallList('masters/n:masterid/changesources', ([masterId]) => of(masterId)),
      single(
        'masters/n:masterid/changesources/n:changesourceid',
        async ([masterId, id]) => (await of(masterId)).find((one) => one.changesourceid === id) ?? null,
      ),
    ],
  });
}
