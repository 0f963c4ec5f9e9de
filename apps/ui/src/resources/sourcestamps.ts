import type { SourceStampResource } from '@millrace/contracts';
import { SOURCE_STAMPS } from '@millrace/database';
import { buildsetAddresses } from './buildsets.js';
import { address, list, type Resource, resource, type ResourcePorts, smallListBelow } from './resource.js';

export function sourcestamps({ reads }: ResourcePorts): Resource {
  const { buildsets } = reads;
  return resource<SourceStampResource>({
    name: 'sourcestamp',
    shape: SOURCE_STAMPS.shape,
    seen: (rows, sight) => rows.filter(({ project }) => sight.seesProjectNamed(project)),
    embeds: { patch: { resource: 'patch', isList: false } },
    one: {
      at: [address('sourcestamps/n:ssid', ([id]) => id)],
      read: (id) => buildsets.stamp(id),
    },
    reads: [
      list('sourcestamps', (_args, query) => buildsets.stamps(query)),
      ...smallListBelow(
        buildsetAddresses(reads),
        'sourcestamps',
        async (id) => (await buildsets.byIds([id]))[0]?.sourcestamps ?? null,
      ),
    ],
  });
}
