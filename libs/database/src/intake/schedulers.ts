import { FencedError, UserError } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, type NewBuildset } from '../buildsets.js';
import { assertOwner, type Ownership } from '../masters.js';
import { sabotaged } from '../sabotage.js';
import { type Database, placeholders, type Transaction } from '../sql.js';

export interface SchedulerState {
  readonly schedulerId: number;
  readonly enabled: boolean;
  /** Changes up to and including this one have been decided about. */
  readonly cursorSeq: number;
}

/** What a scheduler makes of one change. */
export type ChangeDecision =
  | { readonly changeId: number; readonly decision: 'ignored'; readonly reason: string | null }
  /** Its callback failed: recorded as the decision, and the cursor goes on. */
  | { readonly changeId: number; readonly decision: 'failed'; readonly reason: string }
  /** It is kept until the tree has been stable for long enough. */
  | { readonly changeId: number; readonly decision: 'waiting'; readonly important: boolean }
  | { readonly changeId: number; readonly decision: 'built'; readonly important: boolean };

export interface WaitingChange {
  readonly changeId: number;
  readonly important: boolean;
  /** Milliseconds since it was decided to wait for it, on the database's clock. */
  readonly ageMs: number;
}

export type SchedulerBuildset = Omit<NewBuildset, 'cause' | 'schedulerId'>;

/** Changes that are looked at together, at most. */
export const WAITING_READ = 1000;

/**
 * Schedulers decide about changes; every write is guarded by the ownership of the scheduler (I2, I4). Prepared SQL: what is decided about
 * many changes is one transaction, and writes are deferred.
 */
export class SchedulerStore {
  constructor(private readonly db: Database) {}

  async scheduler(name: string): Promise<SchedulerState> {
    const row = await this.db.get<{ schedulerId: number; enabled: number; cursorSeq: number }>(
      `SELECT id AS schedulerId, enabled, cursor_seq AS cursorSeq FROM schedulers WHERE name = ?`,
      [name],
    );
    if (!row) throw new UserError('not-found', `no scheduler '${name}'`, { name });
    return { ...row, enabled: row.enabled === 1 };
  }

  /**
   * Records what a scheduler decided and moves its cursor, with the buildset of every change it builds at once: one transaction,
   * guarded by the scheduler's epoch. `(scheduler, change)` is unique, so no change is decided about twice.
   */
  decide(
    owner: Ownership,
    scheduler: SchedulerState,
    cursorSeq: number,
    decisions: readonly { readonly decision: ChangeDecision; readonly buildset?: SchedulerBuildset }[],
  ): Promise<CreatedBuildset[]> {
    return this.db.transaction(async (tx) => {
      if (!sabotaged('cause')) await assertOwner(tx, owner);
      const created: CreatedBuildset[] = [];
      for (const { decision, buildset } of decisions) {
        const marked = await tx.run(
          `${tx.dialect.insertIgnore} INTO scheduler_changes (scheduler_id, change_id, decision, important, reason, decided_at_ms)
           VALUES (?, ?, ?, ?, ?, ${tx.dialect.nowMs})`,
          [
            scheduler.schedulerId,
            decision.changeId,
            decision.decision,
            'important' in decision && decision.important,
            'reason' in decision ? decision.reason : null,
          ],
        );
        if (!buildset || (marked.affected === 0 && !sabotaged('cause'))) continue;
        const made = await createBuildset(tx, {
          ...buildset,
          schedulerId: scheduler.schedulerId,
          cause: causeOf(`change:${decision.changeId}`),
        });
        if (!made) continue;
        created.push(made);
        await tx.defer(`UPDATE scheduler_changes SET buildset_id = ? WHERE scheduler_id = ? AND change_id = ?`, [
          made.buildsetId,
          scheduler.schedulerId,
          decision.changeId,
        ]);
      }
      await this.moveCursor(tx, scheduler, cursorSeq);
      return created;
    });
  }

  private async moveCursor(tx: Transaction, scheduler: SchedulerState, cursorSeq: number): Promise<void> {
    // The configuration's transaction may have stored a newer row of this scheduler; the cursor itself only its owner moves.
    const { affected } = await tx.run(`UPDATE schedulers SET cursor_seq = ? WHERE id = ? AND cursor_seq <= ?`, [
      cursorSeq,
      scheduler.schedulerId,
      cursorSeq,
    ]);
    if (affected === 0 && !sabotaged('cause'))
      throw new FencedError(`the cursor of scheduler ${scheduler.schedulerId}`);
  }

  /** Changes that wait for the tree to be stable, oldest first. */
  async waiting(schedulerId: number): Promise<WaitingChange[]> {
    const rows = await this.db.all<{ changeId: number; important: number; ageMs: number }>(
      `SELECT change_id AS changeId, important, ${this.db.dialect.nowMs} - decided_at_ms AS ageMs FROM scheduler_changes
       WHERE scheduler_id = ? AND decision = 'waiting' ORDER BY change_id LIMIT ${WAITING_READ}`,
      [schedulerId],
    );
    return rows.map((row) => ({ ...row, important: row.important === 1 }));
  }

  /**
   * Makes the one buildset of a batch of waiting changes. Null when it was made before.
   * @throws FencedError when one of them waits no longer; nothing was made then
   */
  buildWaiting(
    owner: Ownership,
    schedulerId: number,
    changeIds: readonly number[],
    buildset: SchedulerBuildset,
  ): Promise<CreatedBuildset | null> {
    return this.db.transaction(async (tx) => {
      if (!sabotaged('cause')) await assertOwner(tx, owner);
      const created = await createBuildset(tx, {
        ...buildset,
        schedulerId,
        cause: causeOf(`changes:${changeIds[0]}-${changeIds.at(-1)}`),
      });
      if (!created) return null;
      const { affected } = await tx.run(
        `UPDATE scheduler_changes SET decision = 'built', buildset_id = ?
         WHERE scheduler_id = ? AND change_id IN ${placeholders(changeIds.length)} AND decision = 'waiting'`,
        [created.buildsetId, schedulerId, ...changeIds],
      );
      if (affected !== changeIds.length && !sabotaged('cause'))
        throw new FencedError(`the waiting changes of scheduler ${schedulerId}`);
      return created;
    });
  }

  /** Lets changes go that waited for others to ride along with. */
  async dropWaiting(owner: Ownership, schedulerId: number, changeIds: readonly number[]): Promise<void> {
    await this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      await tx.defer(
        `UPDATE scheduler_changes SET decision = 'ignored'
         WHERE scheduler_id = ? AND change_id IN ${placeholders(changeIds.length)} AND decision = 'waiting'`,
        [schedulerId, ...changeIds],
      );
    });
  }
}

function causeOf(cause: string): string {
  return sabotaged('cause') ? `${cause}:${Math.random()}` : cause;
}
