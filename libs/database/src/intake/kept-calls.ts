import { checkAddresses, checkSourceStamps, FencedError, type Properties, type SourceStamp } from '@millrace/domain';
import type { Queryable, Transaction } from '../sql.js';

/** A call that a scheduler keeps until it is time to build. */
export interface KeptCall {
  /** Tells it apart from every other call. */
  readonly id: string;
  /** Names; null for all of the scheduler's. */
  readonly builders: readonly string[] | null;
  readonly reason: string | null;
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
  readonly priority: number | null;
  /** The build that called. It does not wait. */
  readonly parent: { readonly buildId: number; readonly relationship: string } | null;
}

/** The answer to a call that is kept. */
export interface CallKept {
  /** The scheduler that keeps it. */
  readonly keptBySchedulerId: number;
  /** When it is built, by the database's clock; null when the scheduler has not said yet. */
  readonly buildsAtMs: number | null;
}

/**
 * Keeps a call in place of the one before. The same call again changes nothing while it is kept.
 * @throws UserError `bad-source-stamps`, `bad-patch`, or that of an address with a secret
 */
export async function keepCall(tx: Transaction, schedulerId: number, { id, ...call }: KeptCall): Promise<CallKept> {
  // It must not be refused later, when nobody hears of it.
  checkSourceStamps(call.sourceStamps);
  call.sourceStamps.forEach(checkAddresses);
  const { nowMs, insertIgnore } = tx.dialect;
  const body = JSON.stringify(call);
  await tx.defer(
    `${insertIgnore} INTO kept_calls (scheduler_id, call_id, body, called_at_ms) VALUES (?, ?, ?, ${nowMs})`,
    [schedulerId, id, body],
  );
  await tx.defer(
    `UPDATE kept_calls SET call_id = ?, body = ?, called_at_ms = ${nowMs} WHERE scheduler_id = ? AND call_id <> ?`,
    [id, body, schedulerId, id],
  );
  const row = await tx.get<{ wakeAtMs: number | null }>(
    `SELECT wake_at_ms AS wakeAtMs FROM schedulers WHERE id = ? AND enabled = 1`,
    [schedulerId],
  );
  return { keptBySchedulerId: schedulerId, buildsAtMs: row?.wakeAtMs ?? null };
}

export async function keptCallOf(db: Queryable, schedulerId: number): Promise<KeptCall | null> {
  const row = await db.get<{ id: string; body: string }>(
    `SELECT call_id AS id, body FROM kept_calls WHERE scheduler_id = ?`,
    [schedulerId],
  );
  return row ? { ...(JSON.parse(row.body) as Omit<KeptCall, 'id'>), id: row.id } : null;
}

/**
 * Ends the keeping of a call.
 * @throws FencedError when another call has taken its place
 */
export async function takeCall(tx: Transaction, schedulerId: number, { id }: KeptCall): Promise<void> {
  const { affected } = await tx.run(`DELETE FROM kept_calls WHERE scheduler_id = ? AND call_id = ?`, [schedulerId, id]);
  if (affected === 0) throw new FencedError(`the call of scheduler ${schedulerId}`);
}
