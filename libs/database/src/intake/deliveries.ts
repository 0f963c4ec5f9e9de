import { checkAddresses, UserError } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, type NewBuildset } from '../buildsets.js';
import { isUniqueViolation } from '../open.js';
import { type CallKept, keepCall, type KeptCall } from './kept-calls.js';
import { bodyHashOf, checkSameBody } from './idempotency.js';
import type { Database, Transaction } from '../sql.js';

/** What a request asks for: a buildset, or that the scheduler keeps it. */
export type Wanted =
  NewBuildset | { readonly schedulerId: number; readonly schedulerName: string; readonly keeps: KeptCall };

/** Requests from outside. Prepared SQL: the sender waits for the commit. */
export class DeliveryStore {
  constructor(private readonly db: Database) {}

  /**
   * Makes a buildset for a request from outside, or has it kept, once per delivery. The same key with the same body repeats the first
   * answer, whatever the configuration is now, so `wanted` is called only for a new delivery.
   * @throws UserError `idempotency-conflict` for the same key with another body, `disabled` when the scheduler is
   */
  async deliver(
    delivery: { readonly scope: string; readonly key: string; readonly body: string } | null,
    wanted: () => Wanted,
  ): Promise<{ readonly answer: CreatedBuildset | CallKept; readonly repeated: boolean }> {
    for (;;) {
      try {
        return await this.db.transaction((tx) => this.deliverIn(tx, delivery, wanted));
      } catch (error) {
        // Two deliveries with one key came at once. The other one is committed and will be found now.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  private async deliverIn(
    tx: Transaction,
    delivery: { readonly scope: string; readonly key: string; readonly body: string } | null,
    wanted: () => Wanted,
  ): Promise<{ answer: CreatedBuildset | CallKept; repeated: boolean }> {
    const bodyHash = delivery === null ? '' : bodyHashOf(delivery.body);
    if (delivery) {
      const earlier = await tx.get<{ bodyHash: string; answer: string }>(
        `SELECT body_hash AS bodyHash, answer FROM deliveries WHERE scope = ? AND delivery_key = ?`,
        [delivery.scope, delivery.key],
      );
      if (earlier) {
        checkSameBody(earlier.bodyHash, bodyHash, { name: 'Idempotency-Key', key: delivery.key });
        return { answer: JSON.parse(earlier.answer) as CreatedBuildset | CallKept, repeated: true };
      }
    }
    const asked = wanted();
    if (!('keeps' in asked)) asked.sourceStamps.forEach(checkAddresses);
    const scheduler = await tx.get<{ enabled: number }>(`SELECT enabled FROM schedulers WHERE id = ?`, [
      asked.schedulerId,
    ]);
    if (scheduler?.enabled === 0) {
      const name = asked.schedulerName;
      throw new UserError('disabled', `scheduler '${name}' is disabled: enable it first`, { scheduler: name });
    }
    const answer =
      'keeps' in asked ? await keepCall(tx, asked.schedulerId, asked.keeps) : (await createBuildset(tx, asked))!;
    if (delivery) {
      await tx.defer(
        `INSERT INTO deliveries (scope, delivery_key, body_hash, answer, created_at_ms) VALUES (?, ?, ?, ?, ${tx.dialect.nowMs})`,
        [delivery.scope, delivery.key, bodyHash, JSON.stringify(answer)],
      );
    }
    return { answer, repeated: false };
  }
}
