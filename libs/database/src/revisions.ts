import { type JsonValue, UserError } from '@millrace/domain';
import type { Database } from './sql.js';

/** A stored configuration. */
export interface StoredRevision {
  readonly revisionId: number;
  readonly fingerprint: string;
  readonly createdAtMs: number;
  /** Names of the masters that have it in force, or had it when they were last seen. */
  readonly masters: readonly string[];
}

/** Shortest beginning of a fingerprint that names a revision. */
const SHORTEST = 4;

/** Stored configurations, which are never deleted. */
export class RevisionReads {
  constructor(private readonly db: Database) {}

  /** Returns the newest revisions, newest first. */
  async newest(limit: number): Promise<StoredRevision[]> {
    const rows = await this.db.all<Omit<StoredRevision, 'masters'>>(
      `SELECT id AS revisionId, fingerprint, created_at_ms AS createdAtMs FROM revisions ORDER BY id DESC LIMIT ${Math.trunc(limit)}`,
    );
    const masters = await this.db.all<{ name: string; revisionId: number }>(
      `SELECT name, revision_id AS revisionId FROM masters WHERE revision_id IS NOT NULL ORDER BY name`,
    );
    return rows.map((row) => ({
      ...row,
      masters: masters.filter(({ revisionId }) => revisionId === row.revisionId).map(({ name }) => name),
    }));
  }

  /**
   * Returns the contents of the revision whose fingerprint begins so.
   * @throws UserError `not-found`, `ambiguous`, `bad-revision`
   */
  async body(beginning: string): Promise<JsonValue> {
    if (beginning.length < SHORTEST || !/^[0-9a-f]{1,64}$/.test(beginning))
      throw new UserError(
        'bad-revision',
        `'${beginning.slice(0, 70)}' is no revision: give ${SHORTEST} to 64 digits of its fingerprint`,
        { revision: beginning.slice(0, 70) },
      );
    const rows = await this.db.all<{ body: string }>(`SELECT body FROM revisions WHERE fingerprint LIKE ? LIMIT 2`, [
      `${beginning}%`,
    ]);
    if (rows.length === 0)
      throw new UserError('not-found', `no revision begins with '${beginning}'`, { revision: beginning });
    if (rows.length > 1)
      throw new UserError('ambiguous', `several revisions begin with '${beginning}': give more digits`, {
        revision: beginning,
      });
    return JSON.parse(rows[0]!.body) as JsonValue;
  }
}
