import { UserError } from '@millrace/domain';
import type { Queryable, Transaction } from '../sql.js';

/** A backlog is counted as far as this. */
const COUNTED = 1000;

/**
 * Lets a scheduler look at what happens from now on: it was switched off, or in no configuration. The changes that it has not decided about
 * are its backlog, which is taken or dropped by choice: nothing is built that nobody asked for.
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

/** How many changes after that `seq` the scheduler has not decided about, of the first `COUNTED`. */
export async function undecided(db: Queryable, schedulerId: number, seq: number): Promise<number> {
  const found = await db.get<{ n: number }>(
    `SELECT COUNT(*) AS n FROM (SELECT id FROM changes WHERE seq > ? ORDER BY seq LIMIT ${COUNTED}) c
     WHERE NOT EXISTS (SELECT 1 FROM scheduler_changes s WHERE s.scheduler_id = ? AND s.change_id = c.id AND s.decision <> 'waiting')`,
    [seq, schedulerId],
  );
  return found!.n;
}

/** Switches a scheduler on or off. @throws UserError `not-found` */
export async function enableScheduler(tx: Transaction, schedulerId: number, enabled: boolean): Promise<void> {
  const row = await tx.get<{ enabled: number }>(`SELECT enabled FROM schedulers WHERE id = ?${tx.dialect.forUpdate}`, [
    schedulerId,
  ]);
  if (!row) throw new UserError('not-found', `no scheduler ${schedulerId}`, { id: schedulerId });
  // Also when it is switched off: what waits for a stable tree then is backlog, too.
  if (enabled !== (row.enabled === 1)) await startFromNow(tx, schedulerId);
  await tx.defer(`UPDATE schedulers SET enabled = ? WHERE id = ?`, [enabled, schedulerId]);
}

/**
 * Has the scheduler decide about its backlog after all (`take`), or forgets it. What it has decided about before it does not decide about again.
 * @throws UserError `not-found`, `disabled` where it would take it while it is switched off, `no-backlog`
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
