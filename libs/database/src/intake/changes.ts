import { createHash } from 'node:crypto';
import { checkAddresses, type Properties, type SourceStamp, UserError } from '@millrace/domain';
import { sourceStampId } from '../buildsets.js';
import { changesBehind } from '../collapsing.js';
import { assertOwner, type Ownership } from '../ownerships.js';
import { isUniqueViolation } from '../open.js';
import { type Database, placeholders, type Queryable, type Transaction } from '../sql.js';

export interface NewChange extends SourceStamp {
  /** Identifies the change when it is delivered again. Stored as a hash. */
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

/** Longest stored message. The rest is in the repository. */
const COMMENTS_KEPT = 256 << 10;
const FILES_KEPT_BYTES = 1 << 20;
const PERSON_KEPT = 1000;
/** The last second of the year 9999. Calendars and databases may not support later dates. */
const LATEST_MS = 253_402_300_799_000;

/**
 * Incoming changes. The writes of a change source are guarded by its ownership (I2, I4). Prepared SQL: hooks wait for the commit, whose
 * time depends on the number of round trips to the server, so writes are deferred.
 */
export class IntakeStore {
  constructor(private readonly db: Database) {}

  /**
   * Adds changes, oldest first, together with the state that their source remembers, in one transaction. Changes that exist already are
   * left out of the answer.
   */
  async addChanges(
    changes: readonly NewChange[],
    source?: { readonly owner: Ownership; readonly state?: ReadonlyMap<string, unknown> },
  ): Promise<number[]> {
    for (;;) {
      try {
        return await this.db.transaction(async (tx) => {
          if (source) {
            await assertOwner(tx, source.owner);
            for (const [name, value] of source.state ?? []) await setState(tx, source.owner.name, name, value);
          }
          return insertChanges(tx, changes);
        });
      } catch (error) {
        // Another master has committed the same change since we looked: look again.
        if (!isUniqueViolation(error)) throw error;
      }
    }
  }

  /** Returns the state that a change source or scheduler remembers. */
  async state<T>(owner: string): Promise<ReadonlyMap<string, T>> {
    return stateOf<T>(this.db, owner);
  }

  changesAfter(seq: number, limit: number): Promise<Change[]> {
    return selectChanges(this.db, `WHERE seq > ? ORDER BY seq LIMIT ${Math.trunc(limit)}`, [seq]);
  }

  changes(ids: readonly number[]): Promise<Change[]> {
    return changesWithIds(this.db, ids);
  }

  /** Returns the changes that a request is built for, oldest first: of a thousand or more the newest ones. */
  async changesOfRequest(requestId: number): Promise<Change[]> {
    const changes = await changesWithIds(this.db, await changesBehind(this.db, requestId, 1000));
    return changes.sort((a, b) => a.changeId - b.changeId);
  }
}

/**
 * Adds changes in a transaction, oldest first. Changes that exist already are left out of the answer.
 * @param deliveryId the delivery that they came with
 * @throws UserError `value-too-long`, or that of an address with a secret
 */
export async function insertChanges(
  tx: Transaction,
  changes: readonly NewChange[],
  deliveryId: number | null = null,
): Promise<number[]> {
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
  // Last, and held until the commit: so the order of `seq` is the order in which changes become visible
  // (`docs/adr/0004-sequence-not-ids.md`).
  await tx.defer(`UPDATE counters SET value = value + ? WHERE name = 'change-seq'`, [fresh.length]);
  const counter = await tx.get<{ value: number }>(`SELECT value FROM counters WHERE name = 'change-seq'`);
  const firstSeq = counter!.value - fresh.length + 1;
  const ids: number[] = [];
  for (const [i, { change, hash, stampId }] of fresh.entries()) {
    const { insertId } = await tx.run(
      `INSERT INTO changes (seq, dedup_hash, author, committer, comments, branch, revision, revlink, category, repository, project,
         codebase, when_ms, received_at_ms, files, properties, source_stamp_id, delivery_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${tx.dialect.nowMs}, ?, ?, ?, ?)`,
      [
        firstSeq + i,
        hash,
        change.author.slice(0, PERSON_KEPT),
        change.committer?.slice(0, PERSON_KEPT) ?? null,
        shortened(change.comments),
        change.branch,
        change.revision,
        change.revlink,
        change.category,
        change.repository,
        change.project,
        change.codebase,
        keptWhenMs(change.whenMs),
        JSON.stringify(keptFiles(change.files)),
        JSON.stringify(change.properties),
        stampId,
        deliveryId,
      ],
    );
    ids.push(insertId);
  }
  return ids;
}

export function changesWithIds(db: Queryable, ids: readonly number[]): Promise<Change[]> {
  return ids.length === 0
    ? Promise.resolve([])
    : selectChanges(db, `WHERE id IN ${placeholders(ids.length)} ORDER BY id`, ids);
}

/** Returns what a change source or scheduler remembers, by name. */
export async function stateOf<T>(db: Queryable, owner: string): Promise<ReadonlyMap<string, T>> {
  const rows = await db.all<{ name: string; value: string }>(`SELECT name, value FROM object_state WHERE owner = ?`, [
    owner,
  ]);
  return new Map(rows.map((row) => [row.name, JSON.parse(row.value) as T]));
}

export async function setState(tx: Transaction, owner: string, name: string, value: unknown): Promise<void> {
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

function keptWhenMs(whenMs: number): number {
  return Number.isFinite(whenMs) ? Math.trunc(Math.min(Math.max(whenMs, 0), LATEST_MS)) : 0;
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
