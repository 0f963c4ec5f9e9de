import { FencedError, type SourceStamp, UserError } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, type NewBuildset } from '../buildsets.js';
import { assertOwner, type Ownership, ownershipName } from '../ownerships.js';
import { type Database, placeholders, rowPlaceholders, type Transaction } from '../sql.js';
import { type KeptCall, keptCallOf, takeCall } from './kept-calls.js';
import { type Change, changesWithIds, setState, stateOf } from './changes.js';

export interface SchedulerRow {
  readonly schedulerId: number;
  readonly name: string;
  readonly enabled: boolean;
  /** Everything up to these cursors, inclusive, has been decided about. */
  readonly cursors: SchedulerCursors;
  /** When the scheduler must be called again, by the same clock as `nowMs`; null for never. */
  readonly wakeAtMs: number | null;
  /** Time by the database's clock. */
  readonly nowMs: number;
}

export interface SchedulerCursors {
  /** `seq` of changes. */
  readonly changes: number;
  /** `seq` of finished buildsets. */
  readonly buildsets: number;
}

/** The decision about a change. `was`: the change had no mark before, or was waiting. */
export interface ChangeMark {
  readonly changeId: number;
  readonly was: 'new' | 'waiting';
  readonly now: 'ignored' | 'failed' | 'waiting' | 'built';
  readonly important?: boolean;
  readonly reason?: string | null;
}

export type SchedulerBuildset = Omit<NewBuildset, 'schedulerId' | 'schedulerName'>;

/** A scheduler's decision, carried out completely or not at all. */
export interface SchedulerDecision {
  readonly buildsets: readonly SchedulerBuildset[];
  readonly marks: readonly ChangeMark[];
  /** The call that its buildsets are made for; it is kept no longer. */
  readonly takes?: KeptCall | null;
}

export interface Decided {
  readonly decisions: readonly SchedulerDecision[];
  readonly cursors: SchedulerCursors;
  readonly wakeAtMs: number | null;
  /** Source stamps that are the last known ones of their codebases from now on, oldest first. */
  readonly remember?: readonly SourceStamp[];
}

export interface WaitingChange {
  readonly change: Change;
  readonly important: boolean;
  /** By the database's clock. */
  readonly sinceMs: number;
}

/** Prefix of the names under which a scheduler remembers source stamps. */
const KNOWN = 'codebase:';

/** Most waiting changes that are looked at together. */
const WAITING_READ = 1000;

/**
 * Positions and decisions of schedulers. Every write is guarded by the ownership of the scheduler (I2, I4). Prepared SQL: decisions about
 * many changes are one transaction, and writes are deferred.
 */
export class SchedulerStore {
  constructor(private readonly db: Database) {}

  async scheduler(name: string): Promise<SchedulerRow> {
    const row = await this.db.get<{
      schedulerId: number;
      enabled: number;
      changes: number;
      buildsets: number;
      wakeAtMs: number | null;
      nowMs: number;
    }>(
      `SELECT id AS schedulerId, enabled, cursor_seq AS changes, buildset_cursor_seq AS buildsets, wake_at_ms AS wakeAtMs,
              ${this.db.dialect.nowMs} AS nowMs FROM schedulers WHERE name = ?`,
      [name],
    );
    if (!row) throw new UserError('not-found', `no scheduler '${name}'`, { name });
    const { changes, buildsets, enabled, ...rest } = row;
    return { ...rest, name, enabled: enabled === 1, cursors: { changes, buildsets } };
  }

  /** Returns the last source stamp of each codebase that the scheduler remembers. */
  async known(name: string): Promise<readonly SourceStamp[]> {
    const state = await stateOf<SourceStamp>(this.db, ownershipName.scheduler(name));
    return [...state].filter(([key]) => key.startsWith(KNOWN)).map(([, stamp]) => stamp);
  }

  /** Returns the call that the scheduler keeps; null when there is none. */
  keptCall(schedulerId: number): Promise<KeptCall | null> {
    return keptCallOf(this.db, schedulerId);
  }

  /** Returns the waiting changes, oldest first. `hasMore`: there are more than these. */
  async waiting(
    schedulerId: number,
  ): Promise<{ readonly waiting: readonly WaitingChange[]; readonly hasMore: boolean }> {
    const rows = await this.db.all<{ changeId: number; important: number; sinceMs: number }>(
      `SELECT change_id AS changeId, important, decided_at_ms AS sinceMs FROM scheduler_changes
       WHERE scheduler_id = ? AND decision = 'waiting' ORDER BY change_id LIMIT ${WAITING_READ + 1}`,
      [schedulerId],
    );
    const read = rows.slice(0, WAITING_READ);
    const changes = await changesWithIds(
      this.db,
      read.map(({ changeId }) => changeId),
    );
    const byId = new Map(changes.map((change) => [change.changeId, change]));
    return {
      waiting: read.map(({ changeId, important, sinceMs }) => ({
        change: byId.get(changeId)!,
        important: important === 1,
        sinceMs,
      })),
      hasMore: rows.length > WAITING_READ,
    };
  }

  /**
   * Carries out a decision: buildsets, marks of changes, what is remembered, cursors and the time to wake up, in one transaction. `(scheduler, change)` and
   * `(scheduler, cause)` are unique, so nothing is decided about or built twice.
   *
   * @param seen the state on which the decision is based
   * @throws FencedError when another master is the owner, when a change waits no longer, when another call has come, or when the scheduler's
   *   state is not the one that was seen; nothing was done then
   */
  decide(owner: Ownership, seen: SchedulerRow, decided: Decided): Promise<CreatedBuildset[]> {
    return this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      const created: CreatedBuildset[] = [];
      for (const { buildsets, marks, takes = null } of decided.decisions) {
        if (!(await markAll(tx, seen, marks))) continue;
        if (takes) await takeCall(tx, seen.schedulerId, takes);
        for (const buildset of buildsets) {
          const made = await createBuildset(tx, {
            ...buildset,
            schedulerId: seen.schedulerId,
            schedulerName: seen.name,
            ...(takes?.parent && { parent: { ...takes.parent, waits: false } }),
          });
          if (!made) continue;
          created.push(made);
          const { changeIds = [] } = buildset;
          if (changeIds.length === 0) continue;
          await tx.defer(
            `UPDATE scheduler_changes SET buildset_id = ? WHERE scheduler_id = ? AND change_id IN ${placeholders(changeIds.length)}`,
            [made.buildsetId, seen.schedulerId, ...changeIds],
          );
        }
      }
      const latest = new Map((decided.remember ?? []).map((stamp) => [stamp.codebase, stamp]));
      for (const [codebase, stamp] of latest) await setState(tx, owner.name, `${KNOWN}${codebase}`, stamp);
      await moveOn(tx, seen, decided);
      return created;
    });
  }
}

/**
 * Marks changes.
 * @returns whether this is the first decision about all changes that had no mark
 */
async function markAll(tx: Transaction, seen: SchedulerRow, marks: readonly ChangeMark[]): Promise<boolean> {
  const alike = new Map<string, ChangeMark[]>();
  for (const mark of marks.filter(({ was }) => was === 'waiting')) {
    const key = JSON.stringify([mark.now, mark.reason ?? null]);
    const group = alike.get(key);
    if (group) group.push(mark);
    else alike.set(key, [mark]);
  }
  for (const group of alike.values()) await markWaiting(tx, seen, group);
  const fresh = marks.filter(({ was }) => was === 'new');
  if (fresh.length === 0) return true;
  const { affected } = await tx.run(
    `${tx.dialect.insertIgnore} INTO scheduler_changes (scheduler_id, change_id, decision, important, reason, decided_at_ms)
     VALUES ${rowPlaceholders(fresh.length, 6)}`,
    fresh.flatMap(({ changeId, now, important = false, reason = null }) => [
      ...[seen.schedulerId, changeId, now, important, reason, seen.nowMs],
    ]),
  );
  return affected === fresh.length;
}

async function markWaiting(tx: Transaction, seen: SchedulerRow, marks: readonly ChangeMark[]): Promise<void> {
  const { now, reason = null } = marks[0]!;
  const { affected } = await tx.run(
    `UPDATE scheduler_changes SET decision = ?, reason = ?, decided_at_ms = ?
     WHERE scheduler_id = ? AND change_id IN ${placeholders(marks.length)} AND decision = 'waiting'`,
    [now, reason, seen.nowMs, seen.schedulerId, ...marks.map(({ changeId }) => changeId)],
  );
  if (affected !== marks.length) throw new FencedError(`the waiting changes of scheduler ${seen.schedulerId}`);
}

/**
 * Moves the cursors, only from where they were seen: somebody may have disabled the scheduler or set its cursors meanwhile, which must not
 * be undone.
 */
async function moveOn(tx: Transaction, seen: SchedulerRow, { cursors, wakeAtMs }: Decided): Promise<void> {
  const { affected } = await tx.run(
    `UPDATE schedulers SET cursor_seq = ?, buildset_cursor_seq = ?, wake_at_ms = ?
     WHERE id = ? AND enabled = 1 AND cursor_seq = ? AND buildset_cursor_seq = ?`,
    [cursors.changes, cursors.buildsets, wakeAtMs, seen.schedulerId, seen.cursors.changes, seen.cursors.buildsets],
  );
  if (affected === 0) throw new FencedError(`the cursors of scheduler ${seen.schedulerId}`);
}
