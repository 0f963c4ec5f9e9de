import { createHash } from 'node:crypto';
import { checkAddresses, type Properties, type SourceStamp, UnexpectedError, UserError } from '@millrace/domain';
import { sourceStampIds } from '../source-stamps.js';
import { changesBehind } from '../collapsing.js';
import { assertOwner, type Ownership } from '../ownerships.js';
import { isUniqueViolation } from '../open.js';
import {
  chunked,
  type Database,
  placeholders,
  type Queryable,
  rowPlaceholders,
  type SqlValue,
  type Transaction,
} from '../sql.js';

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
  /** Given where the change is a commit that its codebase records: the first parent's revision; null where it has none, or none is known. */
  readonly parent?: string | null;
}

export interface Change extends Omit<NewChange, 'dedupKey' | 'parent'> {
  readonly changeId: number;
  readonly seq: number;
}

/** Longest stored message. The rest is in the repository. */
const COMMENTS_KEPT = 256 << 10;
const FILES_KEPT_BYTES = 1 << 20;
const PERSON_KEPT = 1000;
/** Most rows, and about the most characters, of one statement. */
const ROWS_AT_ONCE = 200;
const STATEMENT_LENGTH = 1 << 20;
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
    source?: {
      readonly owner: Ownership;
      readonly state?: ReadonlyMap<string, unknown>;
    },
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

/** A change, and the delivery that it came with. */
export interface IncomingChange extends NewChange {
  readonly deliveryId?: number;
}

/**
 * Adds changes in a transaction, oldest first, by a few statements however many they are: the order of changes is locked meanwhile. Changes
 * that exist already are left out of the answer. Those that are commits which their codebase records are recorded.
 * @throws UserError `value-too-long`, or that of an address with a secret
 */
export async function insertChanges(tx: Transaction, changes: readonly IncomingChange[]): Promise<number[]> {
  if (changes.length === 0) return [];
  changes.forEach(checkChange);
  const byHash = new Map<string, IncomingChange>();
  for (const change of changes) {
    const hash = createHash('sha256').update(change.dedupKey).digest('hex');
    if (!byHash.has(hash)) byHash.set(hash, change);
  }
  const known = await hashesOfChanges(tx, [...byHash.keys()]);
  const stampIds = await sourceStampIds(tx, [...byHash.values()]);
  const knownHashes = new Set(known().map(({ hash }) => hash));
  const fresh = [...byHash]
    .map(([hash, change], i) => ({ hash, change, stampId: stampIds[i]! }))
    .filter(({ hash }) => !knownHashes.has(hash));
  if (fresh.length === 0) return [];
  await recordCommits(
    tx,
    fresh.map(({ change }) => change),
  );
  // Last, and held until the commit: so the order of `seq` is the order in which changes become visible
  // (`docs/adr/0004-sequence-not-ids.md`).
  await tx.defer(`UPDATE counters SET value = value + ? WHERE name = 'change-seq'`, [fresh.length]);
  const counter = await tx.get<{ value: number }>(`SELECT value FROM counters WHERE name = 'change-seq'`);
  const firstSeq = counter!.value - fresh.length + 1;
  const values = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${tx.dialect.nowMs}, ?, ?, ?, ?)`;
  for (const some of statementsOf(
    fresh.map(({ hash, change, stampId }, i) => rowOf(change, hash, stampId, firstSeq + i)),
  ))
    await tx.defer(
      `INSERT INTO changes (seq, dedup_hash, author, committer, comments, branch, revision, revlink, category, repository, project,
         codebase, when_ms, received_at_ms, files, properties, source_stamp_id, delivery_id)
       VALUES ${some.map(() => values).join(', ')}`,
      some.flat(),
    );
  const rows = await tx.all<{ id: number }>(`SELECT id FROM changes WHERE seq >= ? AND seq < ? ORDER BY seq`, [
    firstSeq,
    firstSeq + fresh.length,
  ]);
  return rows.map(({ id }) => id);
}

/** Records those changes that are commits, oldest first, and the last one of each branch as its newest. */
async function recordCommits(tx: Transaction, changes: readonly NewChange[]): Promise<void> {
  const branches = new Map<string, NewChange[]>();
  for (const change of changes) {
    if (change.parent === undefined) continue;
    const key = JSON.stringify([change.project, change.codebase, change.branch]);
    const some = branches.get(key);
    if (some) some.push(change);
    else branches.set(key, [change]);
  }
  for (const some of branches.values()) await recordBranch(tx, some, some.at(-1)!);
}

/** Records changes of one branch as commits of their codebase. Commits that are recorded already stay as they are. */
async function recordBranch(tx: Transaction, changes: readonly NewChange[], head: NewChange): Promise<void> {
  const { project, codebase, branch, revision } = head;
  const found = await tx.get<{ id: number }>(
    `SELECT k.id FROM projects p JOIN codebases k ON k.project_id = p.id WHERE p.name = ? AND k.name = ?`,
    [project, codebase],
  );
  if (!found) throw new UnexpectedError('no-codebase', `the codebase '${codebase}' of '${project}' has no row`);
  const rows = changes.map((change) => [
    found.id,
    change.revision,
    change.parent ?? null,
    change.author.slice(0, PERSON_KEPT),
    change.committer?.slice(0, PERSON_KEPT) ?? null,
    shortened(change.comments),
    keptWhenMs(change.whenMs),
  ]);
  for (const some of statementsOf(rows))
    await tx.defer(
      `${tx.dialect.insertIgnore} INTO codebase_commits
         (codebase_id, revision, parent_revision, author, committer, comments, when_ms)
       VALUES ${rowPlaceholders(some.length, 7)}`,
      some.flat(),
    );
  const newest = await tx.get<{ id: number }>(
    `SELECT id FROM codebase_commits WHERE codebase_id = ? AND revision = ?`,
    [found.id, revision],
  );
  const moved = await tx.run(
    `UPDATE codebase_branches SET commit_id = ?, moved_at_ms = ${tx.dialect.nowMs} WHERE codebase_id = ? AND name = ?`,
    [newest!.id, found.id, branch],
  );
  if (moved.affected > 0) return;
  await tx.defer(
    `INSERT INTO codebase_branches (codebase_id, name, commit_id, moved_at_ms) VALUES (?, ?, ?, ${tx.dialect.nowMs})`,
    [found.id, branch, newest!.id],
  );
}

/** @throws UserError */
function checkChange(change: NewChange): void {
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
}

/** Reads which of these hashes belong to changes, together with the next statement. */
async function hashesOfChanges(tx: Transaction, hashes: readonly string[]): Promise<() => { readonly hash: string }[]> {
  const reads: (() => { readonly hash: string }[])[] = [];
  for (const some of chunked(hashes))
    reads.push(
      await tx.deferAll<{ hash: string }>(
        `SELECT dedup_hash AS hash FROM changes WHERE dedup_hash IN ${placeholders(some.length)}`,
        some,
      ),
    );
  return () => reads.flatMap((read) => read());
}

function rowOf(change: IncomingChange, hash: string, stampId: number, seq: number): SqlValue[] {
  return [
    seq,
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
    change.deliveryId ?? null,
  ];
}

/** Splits rows so that each is in a statement that is neither too long nor has too many values. */
function* statementsOf(rows: readonly SqlValue[][]): Generator<SqlValue[][]> {
  let some: SqlValue[][] = [];
  let length = 0;
  for (const row of rows) {
    const rowLength = row.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 20), 0);
    if (some.length > 0 && (some.length === ROWS_AT_ONCE || length + rowLength > STATEMENT_LENGTH)) {
      yield some;
      some = [];
      length = 0;
    }
    some.push(row);
    length += rowLength;
  }
  yield some;
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
