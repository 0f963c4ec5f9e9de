import { UserError } from '@millrace/domain';
import type { Queryable, Transaction } from '../sql.js';

/** A backlog is counted up to this number. */
const COUNTED = 1000;

/**
 * Lets a scheduler begin with what happens from now on, because it was disabled or not configured. The undecided changes become its
 * backlog, which people build or drop: nothing is built that nobody asked for.
 */
export async function startFromNow(tx: Transaction, schedulerId: number): Promise<void> {
  const row = await tx.get<{ cursorSeq: number; backlogSeq: number | null }>(
    `SELECT cursor_seq AS cursorSeq, backlog_seq AS backlogSeq FROM schedulers WHERE id = ?${tx.dialect.forUpdate}`,
    [schedulerId],
  );
  if (!row) return;
  const waiting = await tx.get<{ seq: number | null }>(
    `SELECT MIN(c.seq) AS seq FROM scheduler_changes s JOIN changes c ON c.id = s.change_id
     WHERE s.scheduler_id = ? AND s.decision = 'waiting'`,
    [schedulerId],
  );
  const from = Math.min(row.cursorSeq, row.backlogSeq ?? Infinity, (waiting?.seq ?? Infinity) - 1);
  await tx.defer(`DELETE FROM scheduler_changes WHERE scheduler_id = ? AND decision = 'waiting'`, [schedulerId]);
  const count = await undecided(tx, schedulerId, from);
  const seqOf = (counter: string): string => `(SELECT value FROM counters WHERE name = '${counter}')`;
  await tx.defer(
    `UPDATE schedulers SET cursor_seq = ${seqOf('change-seq')}, buildset_cursor_seq = ${seqOf('buildset-seq')}, wake_at_ms = NULL,
       backlog_seq = ?, backlog_count = ? WHERE id = ?`,
    [count === 0 ? null : from, count === 0 ? null : count, schedulerId],
  );
}

/** Returns the number of changes after that `seq` that the scheduler has not decided about, counted up to `COUNTED`. */
export async function undecided(db: Queryable, schedulerId: number, seq: number): Promise<number> {
  const found = await db.get<{ n: number }>(
    `SELECT COUNT(*) AS n FROM (SELECT id FROM changes WHERE seq > ? ORDER BY seq LIMIT ${COUNTED}) c
     WHERE NOT EXISTS (SELECT 1 FROM scheduler_changes s WHERE s.scheduler_id = ? AND s.change_id = c.id AND s.decision <> 'waiting')`,
    [seq, schedulerId],
  );
  return found!.n;
}

/**
 * Enables or disables a scheduler.
 * @throws UserError `not-found`
 */
export async function enableScheduler(tx: Transaction, schedulerId: number, enabled: boolean): Promise<void> {
  const row = await tx.get<{ enabled: number }>(`SELECT enabled FROM schedulers WHERE id = ?${tx.dialect.forUpdate}`, [
    schedulerId,
  ]);
  if (!row) throw new UserError('not-found', `no scheduler ${schedulerId}`, { id: schedulerId });
  // Also when it is disabled: changes that wait for a stable tree then belong to the backlog, too.
  if (enabled !== (row.enabled === 1)) await startFromNow(tx, schedulerId);
  await tx.defer(`UPDATE schedulers SET enabled = ? WHERE id = ?`, [enabled, schedulerId]);
}

/**
 * Makes the scheduler decide about its backlog after all (`take`), or forgets it. It does not decide again about changes that it has
 * decided about before.
 * @throws UserError `not-found`, `disabled` for `take` while it is disabled, `no-backlog`
 */
export async function settleBacklog(tx: Transaction, schedulerId: number, how: 'take' | 'drop'): Promise<void> {
  const row = await tx.get<{ name: string; enabled: number; backlog: number | null }>(
    `SELECT name, enabled, backlog_seq AS backlog FROM schedulers WHERE id = ?${tx.dialect.forUpdate}`,
    [schedulerId],
  );
  if (!row) throw new UserError('not-found', `no scheduler ${schedulerId}`, { id: schedulerId });
  const { name } = row;
  if (how === 'take' && row.enabled === 0)
    throw new UserError('disabled', `scheduler '${name}' is disabled: enable it first`, { scheduler: name });
  if (row.backlog === null)
    throw new UserError('no-backlog', `scheduler '${name}' has no backlog: it has looked at every change`, {
      scheduler: name,
    });
  if (how === 'take') await tx.defer(`UPDATE schedulers SET cursor_seq = ? WHERE id = ?`, [row.backlog, schedulerId]);
  await tx.defer(`UPDATE schedulers SET backlog_seq = NULL, backlog_count = NULL WHERE id = ?`, [schedulerId]);
}
