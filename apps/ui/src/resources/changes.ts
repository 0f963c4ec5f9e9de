import { type ChangeResource, EVENTS } from '@millrace/contracts';
import { CHANGES, evaluate, HISTORY_LIMIT } from '@millrace/database';
import { buildAddresses } from './builds.js';
import { address, list, listBelow, type Resource, resource, type ResourcePorts } from './resource.js';

export function changes({ reads }: ResourcePorts): Resource {
  const { changes } = reads;
  return resource<ChangeResource>({
    name: 'change',
    shape: CHANGES.shape,
    embeds: { sourcestamp: { resource: 'sourcestamp', isList: false } },
    one: {
      at: [address('changes/n:changeid', ([id]) => id)],
      read: async (_caller, id) => (await changes.byIds([id]))[0] ?? null,
    },
    reads: [
      list('changes', (_caller, _args, query) => changes.list(query)),
      list('deliveries/n:deliveryid/changes', async (_caller, [id], query) =>
        evaluate(await changes.ofDelivery(id, HISTORY_LIMIT.default), query, HISTORY_LIMIT),
      ),
      list('sourcestamps/n:ssid/changes', async (_caller, [id], query) =>
        evaluate(await changes.ofSourceStamp(id, HISTORY_LIMIT.default), query, HISTORY_LIMIT),
      ),
      ...listBelow(buildAddresses(reads), 'changes', async (_caller, id, query) => {
        const found = await changes.ofBuild(id, HISTORY_LIMIT.default);
        return found && evaluate(found, query, HISTORY_LIMIT);
      }),
    ],
    events: {
      topic: 'changes.:id.:event',
      names: EVENTS.changes,
      load: (ids) => changes.byIds(ids),
      idOf: (change) => change.changeid,
      keys: (change, event) => [`changes/${change.changeid}/${event}`],
      found: { grown: { in: 'changes', as: 'new' } },
    },
  });
}
