import { type DecisionResource, type DeliveryResource, EVENTS, hints } from '@millrace/contracts';
import { DECISIONS, DELIVERIES } from '@millrace/database';
import { ReplayParams } from './params.js';
import { action, address, list, type Resource, resource, type ResourcePorts, smallList } from './resource.js';

/** What forges delivered to hooks, and what became of it. */
export function deliveries({ reads, deliveries: store, publish }: ResourcePorts): Resource {
  const { deliveries } = reads;
  return resource<DeliveryResource>({
    name: 'delivery',
    shape: DELIVERIES.shape,
    seen: (rows, sight) => rows.filter(({ hook }) => sight.hookNames.includes(hook)),
    one: {
      at: [address('deliveries/n:deliveryid', ([id]) => id)],
      read: async (id) => (await deliveries.byIds([id]))[0] ?? null,
    },
    reads: [list('deliveries', (_args, query) => deliveries.list(query))],
    actions: {
      replay: action({
        permission: 'control',
        params: ReplayParams,
        async run(_caller, deliveryId: number, { again = false }) {
          await store.replay(deliveryId, { again });
          publish(hints.delivery(deliveryId, 'updated'));
          return null;
        },
      }),
    },
    events: {
      topic: 'deliveries.:id.:event',
      names: EVENTS.deliveries,
      load: (ids) => deliveries.byIds(ids),
      idOf: (delivery) => delivery.deliveryid,
      keys: (delivery, event) => [`deliveries/${delivery.deliveryid}/${event}`],
      found: { grown: { in: 'deliveries', as: 'new' } },
    },
  });
}

/** What each scheduler decided about a change, and why. */
export function decisions({ reads: { deliveries } }: ResourcePorts): Resource {
  return resource<DecisionResource>({
    name: 'decision',
    shape: DECISIONS,
    seen: (rows, sight) =>
      rows.flatMap((row) =>
        sight.seesScheduler(row.scheduler)
          ? [{ ...row, buildrequests: row.buildrequests.filter(({ builderid }) => sight.seesBuilder(builderid)) }]
          : [],
      ),
    reads: [smallList('changes/n:changeid/decisions', ([id]) => deliveries.decisions(id))],
  });
}
