import { type ChangeResource, EVENTS } from '@millrace/contracts';
import { CHANGES, HISTORY_LIMIT } from '@millrace/database';
import { buildAddresses } from './builds.js';
import { address, list, type Resource, resource, type ResourcePorts, smallList, smallListBelow } from './resource.js';

export function changes({ reads }: ResourcePorts): Resource {
  const { changes } = reads;
  return resource<ChangeResource>({
    name: 'change',
    shape: CHANGES.shape,
    seen: (rows, sight) => rows.filter(({ project }) => sight.seesProjectNamed(project)),
    embeds: { sourcestamp: { resource: 'sourcestamp', isList: false } },
    one: {
      at: [address('changes/n:changeid', ([id]) => id)],
      read: async (id) => (await changes.byIds([id]))[0] ?? null,
    },
    reads: [
      list('changes', (_args, query) => changes.list(query)),
      smallList(
        'deliveries/n:deliveryid/changes',
        ([id]) => changes.ofDelivery(id, HISTORY_LIMIT.default),
        HISTORY_LIMIT,
      ),
      smallList(
        'sourcestamps/n:ssid/changes',
        ([id]) => changes.ofSourceStamp(id, HISTORY_LIMIT.default),
        HISTORY_LIMIT,
      ),
      ...smallListBelow(
        buildAddresses(reads),
        'changes',
        (id) => changes.ofBuild(id, HISTORY_LIMIT.default),
        HISTORY_LIMIT,
      ),
    ],
    events: {
      topic: 'changes.:id.:event',
      names: EVENTS.changes,
      load: (ids) => changes.byIds(ids),
      idOf: (change) => change.changeid,
      keys: (change, event) => [`changes/${change.changeid}/${event}`],
      // A change that is recorded as a commit is so in one transaction.
      entails: [
        { event: 'new', rows: (ids) => reads.codebases.commitsOfChanges(ids), resource: 'commits', as: 'new' },
        { event: 'new', rows: (ids) => reads.codebases.branchesOfChanges(ids), resource: 'branches', as: 'update' },
      ],
      found: { grown: { in: 'changes', as: 'new' } },
    },
  });
}
