import type { ChangeSourceResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, smallList } from './resource.js';

export function changesources({ reads: { catalog } }: ResourcePorts): Resource {
  return resource<ChangeSourceResource>({
    name: 'changesource',
    shape: CATALOG.changesources,
    embeds: { master: { resource: 'master', isList: false } },
    one: {
      at: [address('changesources/n:changesourceid', ([id]) => id)],
      read: async (_caller, id) => (await catalog.changeSources()).find((one) => one.changesourceid === id) ?? null,
    },
    reads: [smallList('changesources', () => catalog.changeSources())],
  });
}
