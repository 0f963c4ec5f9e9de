import { type BuildsetResource, EVENTS } from '@millrace/contracts';
import { BUILDSETS } from '@millrace/database';
import { isUuid } from '@millrace/domain';
import type { Reads } from '../reads.js';
import { address, type Address, list, type Resource, resource, type ResourcePorts } from './resource.js';

export function buildsetAddresses({ buildsets }: Reads): Address[] {
  return [
    address('buildsets/n:bsid', ([id]) => id),
    address('buildsets/s:uuid', ([uuid]) => (isUuid(uuid) ? buildsets.idOf(uuid) : Promise.resolve(null))),
  ];
}

export function buildsets({ reads }: ResourcePorts): Resource {
  const { buildsets } = reads;
  return resource<BuildsetResource>({
    name: 'buildset',
    shape: BUILDSETS.shape,
    embeds: { sourcestamps: { resource: 'sourcestamp', isList: true } },
    one: {
      at: buildsetAddresses(reads),
      read: async (_caller, id) => (await buildsets.byIds([id]))[0] ?? null,
    },
    reads: [list('buildsets', (_caller, _args, query) => buildsets.list(query))],
    events: {
      topic: 'buildsets.:id.:event',
      names: EVENTS.buildsets,
      load: (ids) => buildsets.byIds(ids),
      idOf: (buildset) => buildset.bsid,
      keys: (buildset, event) => [`buildsets/${buildset.bsid}/${event}`],
      found: { grown: { in: 'buildsets', as: 'new' }, ended: { in: 'buildsets', as: 'complete' } },
    },
  });
}
