import { createHash } from 'node:crypto';
import type { Patch, SourceStamp } from '@millrace/domain';
import { allIn, chunked, type Transaction } from './sql.js';

/** What is read of a source stamp `s` that is to be built. */
export const BUILT_STAMP = {
  columns: `s.branch, s.revision, s.repository, s.project, s.codebase, p.body AS patchBody, p.level AS patchLevel,
    p.author AS patchAuthor, p.comment AS patchComment, p.subdir AS patchSubdir`,
  join: 'LEFT JOIN patches p ON p.id = s.patch_id',
} as const;

export interface BuiltStampRow extends Omit<SourceStamp, 'patch'> {
  /** Null, like what follows, without a patch. */
  readonly patchBody: string | null;
  readonly patchLevel: number | null;
  readonly patchAuthor: string | null;
  readonly patchComment: string | null;
  readonly patchSubdir: string | null;
}

/** Returns the source stamp that a row describes. */
export function builtStamp(row: BuiltStampRow): SourceStamp {
  const { branch, revision, repository, project, codebase, patchBody } = row;
  const stamp = { branch, revision, repository, project, codebase };
  if (patchBody === null) return stamp;
  const { patchLevel, patchAuthor, patchComment, patchSubdir } = row;
  return {
    ...stamp,
    patch: {
      body: patchBody,
      level: patchLevel!,
      author: patchAuthor!,
      comment: patchComment!,
      subdir: patchSubdir!,
    },
  };
}

/**
 * Makes sure that there are rows of source stamps. New ones are inserted in the order of their hashes, so that two masters do not deadlock.
 * @returns the hashes by which they are found, in order
 */
export async function keepSourceStamps(tx: Transaction, stamps: readonly SourceStamp[]): Promise<string[]> {
  await keepPatches(
    tx,
    stamps.flatMap(({ patch }) => patch ?? []),
  );
  const hashes = stamps.map((stamp) => hashOf(stampParts(stamp)));
  const byHash = new Map(hashes.map((hash, i) => [hash, stamps[i]!]));
  for (const some of chunked(sortedByHash(byHash))) {
    const row = (patch: Patch | undefined): string =>
      `(?, ?, ?, ?, ?, ?, ${patch ? '(SELECT id FROM patches WHERE hash = ?)' : 'NULL'}, ${tx.dialect.nowMs})`;
    await tx.defer(
      `${tx.dialect.insertIgnore} INTO source_stamps (hash, branch, revision, repository, project, codebase, patch_id, created_at_ms)
       VALUES ${some.map(([, { patch }]) => row(patch)).join(', ')}`,
      some.flatMap(([hash, { branch, revision, repository, project, codebase, patch }]) => [
        ...[hash, branch, revision, repository, project, codebase],
        ...(patch ? [hashOf(patchParts(patch))] : []),
      ]),
    );
  }
  return hashes;
}

/** Returns the ids of source stamps, in order. */
export async function sourceStampIds(tx: Transaction, stamps: readonly SourceStamp[]): Promise<number[]> {
  const hashes = await keepSourceStamps(tx, stamps);
  const ids = new Map<string, number>();
  const rows = await allIn<{ id: number; hash: string }>(
    tx,
    [...new Set(hashes)],
    (isOneOf) => `SELECT id, hash FROM source_stamps WHERE hash IN ${isOneOf}`,
  );
  for (const { id, hash } of rows) ids.set(hash, id);
  return hashes.map((hash) => ids.get(hash)!);
}

async function keepPatches(tx: Transaction, patches: readonly Patch[]): Promise<void> {
  const byHash = new Map(patches.map((patch) => [hashOf(patchParts(patch)), patch]));
  for (const [hash, patch] of sortedByHash(byHash))
    await tx.defer(
      `${tx.dialect.insertIgnore} INTO patches (hash, body, level, author, comment, subdir) VALUES (?, ?, ?, ?, ?, ?)`,
      [hash, ...patchParts(patch)],
    );
}

function sortedByHash<T>(byHash: ReadonlyMap<string, T>): [string, T][] {
  return [...byHash].sort(([a], [b]) => (a < b ? -1 : 1));
}

function stampParts({ branch, revision, repository, project, codebase, patch }: SourceStamp): readonly unknown[] {
  return [branch, revision, repository, project, codebase, ...(patch ? [patchParts(patch)] : [])];
}

function patchParts({ body, level, author, comment, subdir }: Patch): readonly (string | number)[] {
  return [body, level, author, comment, subdir];
}

function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
