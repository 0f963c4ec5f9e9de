import { EVERYTHING, openDatabase, storesOf } from '@millrace/database';
import { UserError } from '@millrace/domain';
import { say, sayTable } from '../output.js';
import { recorded } from './recorded.js';

const SHOWN = 50;

/** Runs `millrace deliveries`: lists the newest deliveries to hooks. */
export async function listDeliveries(databaseUrl: string): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { rows } = await storesOf(db).deliveryReads.list({
      ...EVERYTHING,
      order: [{ field: 'deliveryid', descending: true }],
      limit: SHOWN,
    });
    if (rows.length === 0) say('Nothing has been delivered to a hook yet.');
    else
      sayTable([
        ['ID', 'HOOK', 'RECEIVED', 'STATE', 'WHY'],
        ...rows.map(({ deliveryid, hook, received_at, state, reason }) => [
          String(deliveryid),
          hook,
          new Date(received_at * 1000).toISOString(),
          state,
          reason ?? '',
        ]),
      ]);
    return 0;
  } finally {
    await db.close();
  }
}

/** Runs `millrace deliveries ID`: prints what became of a delivery, or with `replay` lets it be read again. */
export async function showDelivery(
  databaseUrl: string,
  { id, replay, again }: { readonly id: number; readonly replay: boolean; readonly again: boolean },
): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { audit, deliveries, deliveryReads, changeReads } = storesOf(db);
    if (replay) {
      const deed = { action: 'replay', target: `deliveries/${id}`, params: { again } };
      await recorded(audit, deed, () => deliveries.replay(id, { again }));
      say(`Delivery ${id} will be read again.`);
      return 0;
    }
    const [delivery] = await deliveryReads.byIds([id]);
    if (!delivery) throw new UserError('not-found', `no delivery ${id}`, { id });
    const { hook, state, reason, delivered_by } = delivery;
    if (delivered_by !== null) say(`delivered with the token of ${delivered_by}`);
    say(`delivery ${id} to hook '${hook}': ${state}${reason === null ? '' : `: ${reason}`}`);
    for (const { changeid, branch, revision } of await changeReads.ofDelivery(id, SHOWN)) {
      say(`  change ${changeid}: ${branch ?? 'the default branch'} ${revision ?? ''}`);
      for (const decision of await deliveryReads.decisions(changeid)) {
        say(`    ${decision.scheduler}: ${decision.decision}${decision.reason === null ? '' : `: ${decision.reason}`}`);
        for (const request of decision.buildrequests) say(`      request ${request.uuid}`);
      }
    }
    return 0;
  } finally {
    await db.close();
  }
}
