import { checkAddresses, UserError } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, type NewBuildset } from '../buildsets.js';
import { isUniqueViolation } from '../open.js';
import { bodyHashOf, checkSameBody } from './idempotency.js';
import type { Database, Transaction } from '../sql.js';

/** Requests from outside. Prepared SQL: the sender waits for the commit. */
export class DeliveryStore {
  constructor(private readonly db: Database) {}

  /**
   * Makes a buildset for a request from outside, once per delivery. The same key with the same body repeats the first answer, whatever the
   * configuration is now, so `buildset` is called only for a new delivery.
   * @throws UserError `idempotency-conflict` for the same key with another body, `disabled` when the scheduler is
   */
  async deliver(
    delivery: { readonly scope: string; readonly key: string; readonly body: string } | null,
    buildset: () => NewBuildset,
  ): Promise<{ readonly answer: CreatedBuildset; readonly repeated: boolean }> {
    for (;;) {
      try {
        return await this.db.transaction((tx) => this.deliverIn(tx, delivery, buildset));
      } catch (error) {
        // Two deliveries with one key came at once. The other one is committed and will be found now.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  private async deliverIn(
    tx: Transaction,
    delivery: { readonly scope: string; readonly key: string; readonly body: string } | null,
    buildset: () => NewBuildset,
  ): Promise<{ answer: CreatedBuildset; repeated: boolean }> {
    const bodyHash = delivery === null ? '' : bodyHashOf(delivery.body);
    if (delivery) {
      const earlier = await tx.get<{ bodyHash: string; answer: string }>(
        `SELECT body_hash AS bodyHash, answer FROM deliveries WHERE scope = ? AND delivery_key = ?`,
        [delivery.scope, delivery.key],
      );
      if (earlier) {
        checkSameBody(earlier.bodyHash, bodyHash, { name: 'Idempotency-Key', key: delivery.key });
        return { answer: JSON.parse(earlier.answer) as CreatedBuildset, repeated: true };
      }
    }
    const wanted = buildset();
    wanted.sourceStamps.forEach(checkAddresses);
    const scheduler = await tx.get<{ enabled: number }>(`SELECT enabled FROM schedulers WHERE id = ?`, [
      wanted.schedulerId,
    ]);
    if (scheduler?.enabled === 0) {
      const name = wanted.schedulerName;
      throw new UserError('disabled', `scheduler '${name}' is disabled: enable it first`, { scheduler: name });
    }
    const answer = (await createBuildset(tx, wanted))!;
    if (delivery) {
      await tx.defer(
        `INSERT INTO deliveries (scope, delivery_key, body_hash, answer, created_at_ms) VALUES (?, ?, ?, ?, ${tx.dialect.nowMs})`,
        [delivery.scope, delivery.key, bodyHash, JSON.stringify(answer)],
      );
    }
    return { answer, repeated: false };
  }
}
