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
    async seen(rows, sight) {
      const builders = await reads.belongings.buildersOf(
        'buildsets',
        rows.map(({ bsid }) => bsid),
      );
      const parents = await reads.belongings.buildersOf(
        'builds',
        rows.flatMap(({ parent_buildid: id }) => id ?? []),
      );
      const sees = (some: readonly number[] | undefined): boolean => some?.some((id) => sight.seesBuilder(id)) ?? false;
      return rows.flatMap((row) => {
        if (!sees(builders.get(row.bsid))) return [];
        const sourcestamps = row.sourcestamps.filter(({ project }) => sight.seesProjectNamed(project));
        const isParentHidden = row.parent_buildid !== null && !sees(parents.get(row.parent_buildid));
        const parent = isParentHidden ? { parent_buildid: null, parent_relationship: null, reason: '' } : {};
        return [{ ...row, ...parent, sourcestamps }];
      });
    },
    embeds: { sourcestamps: { resource: 'sourcestamp', isList: true } },
    one: {
      at: buildsetAddresses(reads),
      read: async (id) => (await buildsets.byIds([id]))[0] ?? null,
    },
    reads: [list('buildsets', (_args, query) => buildsets.list(query))],
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
