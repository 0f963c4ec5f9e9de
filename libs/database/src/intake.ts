import { createHash } from 'node:crypto';
import { checkAddresses, FencedError, type Properties, type SourceStamp, UserError } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, type NewBuildset, sourceStampId } from './buildsets.js';
import { assertOwner, type Ownership } from './masters.js';
import { isUniqueViolation } from './open.js';
import { sabotaged } from './sabotage.js';
import { type Database, placeholders, type Queryable, type Transaction } from './sql.js';

export interface NewChange extends SourceStamp {
  /** What makes it the same change when it is delivered again; hashed. */
  readonly dedupKey: string;
  readonly author: string;
  readonly committer: string | null;
  readonly comments: string;
  readonly revlink: string;
  readonly category: string | null;
  readonly whenMs: number;
  readonly files: readonly string[];
  readonly properties: Properties;
}

export interface Change extends Omit<NewChange, 'dedupKey'> {
  readonly changeId: number;
  readonly seq: number;
}

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

/** How long a message may be here; the rest is in the repository. */
const COMMENTS_KEPT = 256 << 10;
const FILES_KEPT_BYTES = 1 << 20;

/**
 * Changes come in and schedulers decide about them; every write is guarded by the ownership of poller or scheduler (I2, I4). Prepared SQL: a
 * commit that hooks and triggers wait for is as long as its ways to the server and back, so writes are deferred.
 */
export class IntakeStore {
  constructor(private readonly db: Database) {}

  /**
   * Adds changes, oldest first, and with them what their source wants to remember, in one transaction. A change that was there
   * already is left out of the answer.
   */
  async addChanges(
    changes: readonly NewChange[],
    source?: { readonly owner: Ownership; readonly state?: Readonly<Record<string, unknown>> },
  ): Promise<number[]> {
    for (;;) {
      try {
        return await this.db.transaction((tx) => this.insertChanges(tx, changes, source));
      } catch (error) {
        // The same change was committed by somebody else since we looked: look again.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  private async insertChanges(
    tx: Transaction,
    changes: readonly NewChange[],
    source?: { readonly owner: Ownership; readonly state?: Readonly<Record<string, unknown>> },
  ): Promise<number[]> {
    if (source) {
      await assertOwner(tx, source.owner);
      for (const [name, value] of Object.entries(source.state ?? {}))
        await setState(tx, source.owner.name, name, value);
    }
    const fresh: { change: NewChange; hash: string; stampId: number }[] = [];
    const seen = new Set<string>();
    for (const change of changes) {
      for (const field of ['branch', 'revision', 'category', 'project', 'codebase'] as const) {
        if ((change[field]?.length ?? 0) > 190) {
          throw new UserError(
            'value-too-long',
            `change: ${field} is longer than 190 characters: '${change[field]!.slice(0, 60)}…'`,
            { field },
          );
        }
      }
      checkAddresses(change);
      const hash = createHash('sha256').update(change.dedupKey).digest('hex');
      if (seen.has(hash) || (await tx.get(`SELECT id FROM changes WHERE dedup_hash = ?`, [hash]))) continue;
      seen.add(hash);
      fresh.push({ change, hash, stampId: await sourceStampId(tx, change) });
    }
    if (fresh.length === 0) return [];
    // Last, and held until the commit: the order of `seq` is then the order in which changes become visible (`docs/adr/0004-sequence-not-ids.md`).
    await tx.defer(`UPDATE counters SET value = value + ? WHERE name = 'change-seq'`, [fresh.length]);
    const counter = await tx.get<{ value: number }>(`SELECT value FROM counters WHERE name = 'change-seq'`);
    const firstSeq = counter!.value - fresh.length + 1;
    const ids: number[] = [];
    for (const [i, { change, hash, stampId }] of fresh.entries()) {
      const { insertId } = await tx.run(
        `INSERT INTO changes (seq, dedup_hash, author, committer, comments, branch, revision, revlink, category, repository, project,
           codebase, when_ms, received_at_ms, files, properties, source_stamp_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${tx.dialect.nowMs}, ?, ?, ?)`,
        [
          firstSeq + i,
          hash,
          change.author,
          change.committer,
          shortened(change.comments),
          change.branch,
          change.revision,
          change.revlink,
          change.category,
          change.repository,
          change.project,
          change.codebase,
          change.whenMs,
          JSON.stringify(keptFiles(change.files)),
          JSON.stringify(change.properties),
          stampId,
        ],
      );
      ids.push(insertId);
    }
    return ids;
  }

  /** What a change source or scheduler remembered. */
  async state<T>(owner: string): Promise<Record<string, T>> {
    const rows = await this.db.all<{ name: string; value: string }>(
      `SELECT name, value FROM object_state WHERE owner = ?`,
      [owner],
    );
    return Object.fromEntries(rows.map((row) => [row.name, JSON.parse(row.value) as T]));
  }

  async scheduler(name: string): Promise<SchedulerState> {
    const row = await this.db.get<{ schedulerId: number; enabled: number; cursorSeq: number }>(
      `SELECT id AS schedulerId, enabled, cursor_seq AS cursorSeq FROM schedulers WHERE name = ?`,
      [name],
    );
    if (!row) throw new UserError('not-found', `no scheduler '${name}'`, { name });
    return { ...row, enabled: row.enabled === 1 };
  }

  changesAfter(seq: number, limit: number): Promise<Change[]> {
    return selectChanges(this.db, `WHERE seq > ? ORDER BY seq LIMIT ${Math.trunc(limit)}`, [seq]);
  }

  changes(ids: readonly number[]): Promise<Change[]> {
    return ids.length === 0
      ? Promise.resolve([])
      : selectChanges(this.db, `WHERE id IN ${placeholders(ids.length)} ORDER BY id`, ids);
  }

  /** The changes a buildset was made for. */
  changesOfBuildset(buildsetId: number): Promise<Change[]> {
    return selectChanges(
      this.db,
      `WHERE id IN (SELECT change_id FROM buildset_changes WHERE buildset_id = ?) ORDER BY id LIMIT 1000`,
      [buildsetId],
    );
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

  /**
   * Makes a buildset for a request from outside, once per delivery: the same key with the same body repeats the first answer, whatever
   * has become of the configuration since, so `buildset` is asked only for what is new.
   * @throws UserError `idempotency-conflict` for the same key with another body, `disabled` where the scheduler is
   */
  async deliver(
    delivery: { readonly scope: string; readonly key: string; readonly body: string } | null,
    buildset: () => NewBuildset,
  ): Promise<{ readonly answer: CreatedBuildset; readonly repeated: boolean }> {
    for (;;) {
      try {
        return await this.db.transaction((tx) => this.deliverIn(tx, delivery, buildset));
      } catch (error) {
        // Two deliveries with one key at once: the other has been committed, so now it is found.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  private async deliverIn(
    tx: Transaction,
    delivery: { readonly scope: string; readonly key: string; readonly body: string } | null,
    buildset: () => NewBuildset,
  ): Promise<{ answer: CreatedBuildset; repeated: boolean }> {
    const bodyHash = delivery && createHash('sha256').update(delivery.body).digest('hex');
    if (delivery) {
      const earlier = await tx.get<{ bodyHash: string; answer: string }>(
        `SELECT body_hash AS bodyHash, answer FROM deliveries WHERE scope = ? AND delivery_key = ?`,
        [delivery.scope, delivery.key],
      );
      if (earlier && earlier.bodyHash !== bodyHash) {
        throw new UserError(
          'idempotency-conflict',
          `Idempotency-Key '${delivery.key}' was used before with another body: use a new key for a new request`,
          { key: delivery.key },
        );
      }
      if (earlier) return { answer: JSON.parse(earlier.answer) as CreatedBuildset, repeated: true };
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

function causeOf(cause: string): string {
  return sabotaged('cause') ? `${cause}:${Math.random()}` : cause;
}

async function setState(tx: Transaction, owner: string, name: string, value: unknown): Promise<void> {
  if (value === null) {
    await tx.defer(`DELETE FROM object_state WHERE owner = ? AND name = ?`, [owner, name]);
    return;
  }
  const text = JSON.stringify(value);
  const { affected } = await tx.run(`UPDATE object_state SET value = ? WHERE owner = ? AND name = ?`, [
    text,
    owner,
    name,
  ]);
  if (affected === 0)
    await tx.defer(`INSERT INTO object_state (owner, name, value) VALUES (?, ?, ?)`, [owner, name, text]);
}

async function selectChanges(db: Queryable, tail: string, params: readonly (number | string)[]): Promise<Change[]> {
  const rows = await db.all<Omit<Change, 'files' | 'properties'> & { files: string; properties: string }>(
    `SELECT id AS changeId, seq, author, committer, comments, branch, revision, revlink, category, repository, project, codebase,
            when_ms AS whenMs, files, properties FROM changes ${tail}`,
    params,
  );
  return rows.map((row) => ({
    ...row,
    files: JSON.parse(row.files) as string[],
    properties: JSON.parse(row.properties) as Properties,
  }));
}

function shortened(comments: string): string {
  if (comments.length <= COMMENTS_KEPT) return comments;
  return `${comments.slice(0, COMMENTS_KEPT)}\n[… ${comments.length - COMMENTS_KEPT} more characters are in the repository]`;
}

function keptFiles(files: readonly string[]): string[] {
  let bytes = 0;
  const kept: string[] = [];
  for (const file of files) {
    bytes += file.length;
    if (bytes > FILES_KEPT_BYTES) return [...kept, `[… ${files.length - kept.length} more files]`];
    kept.push(file);
  }
  return kept;
}
