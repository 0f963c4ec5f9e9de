import { UserError } from '@millrace/domain';
import { Grouping } from './grouping.js';
import { type Database, placeholders, type Queryable, type Transaction } from './sql.js';

/** A token that a worker may log in with; the token itself is nowhere. */
export interface WorkerToken {
  readonly tokenId: number;
  readonly workerName: string;
  /** sha256, hexadecimal. */
  readonly hash: string;
  /** What a login over PB is checked with (`WorkerDigests` of the configuration); null: it does not work over PB. */
  readonly pbDigest: string | null;
}

export interface NewWorkerToken {
  readonly workerName: string;
  readonly hash: string;
  readonly pbDigest: string | null;
  /** Ends all earlier ones of the worker; they work on beside it otherwise. */
  readonly revokeOld: boolean;
}

/** Tokens of workers, revoked ones kept. Whoever changes them counts `version` up, so that engines need to read only a number. */
export class WorkerTokenStore {
  /** A whole fleet may come at once. */
  private readonly uses: Grouping<number, undefined>;

  constructor(private readonly db: Database) {
    this.uses = new Grouping(
      async (tokenIds) => {
        await db.run(
          `UPDATE worker_tokens SET last_used_at_ms = ${db.dialect.nowMs} WHERE id IN ${placeholders(tokenIds.length)}`,
          tokenIds,
        );
        return tokenIds.map(() => undefined);
      },
      () => true,
    );
  }

  create(token: NewWorkerToken): Promise<void> {
    return this.db.transaction(async (tx) => {
      const now = tx.dialect.nowMs;
      if (token.revokeOld) await revokeIn(tx, token.workerName);
      await tx.defer(
        `INSERT INTO worker_tokens (worker_name, token_hash, pb_digest, created_at_ms) VALUES (?, ?, ?, ${now})`,
        [token.workerName, token.hash, token.pbDigest],
      );
      await changed(tx);
    });
  }

  /** @throws UserError `not-found` when the worker has none that works */
  revoke(workerName: string): Promise<number> {
    return this.db.transaction(async (tx) => {
      const revoked = await revokeIn(tx, workerName);
      if (revoked === 0) {
        throw new UserError('not-found', `worker '${workerName}' has no token that works`, { worker: workerName });
      }
      await changed(tx);
      return revoked;
    });
  }

  async version(): Promise<number> {
    const row = await this.db.get<{ version: number }>(
      `SELECT value AS version FROM counters WHERE name = 'worker-tokens'`,
    );
    return row?.version ?? 0;
  }

  /** All that work. */
  working(): Promise<WorkerToken[]> {
    return this.db.all<WorkerToken>(
      `SELECT id AS tokenId, worker_name AS workerName, token_hash AS hash, pb_digest AS pbDigest
       FROM worker_tokens WHERE revoked_at_ms IS NULL ORDER BY id`,
    );
  }

  async used(tokenId: number): Promise<void> {
    await this.uses.add(tokenId);
  }

  /** Worker → how many tokens of it work, and when one was used last. */
  async summary(): Promise<Map<string, { readonly tokens: number; readonly lastUsedAtMs: number | null }>> {
    const rows = await this.db.all<{ name: string; tokens: number; lastUsedAtMs: number | null }>(
      `SELECT worker_name AS name, COUNT(*) AS tokens, MAX(last_used_at_ms) AS lastUsedAtMs FROM worker_tokens
       WHERE revoked_at_ms IS NULL GROUP BY worker_name`,
    );
    return new Map(rows.map(({ name, ...row }) => [name, row]));
  }
}

/** Workers that may log in with a token. */
export async function namesWithTokens(db: Queryable): Promise<string[]> {
  const rows = await db.all<{ name: string }>(
    `SELECT DISTINCT worker_name AS name FROM worker_tokens WHERE revoked_at_ms IS NULL ORDER BY worker_name`,
  );
  return rows.map((row) => row.name);
}

async function revokeIn(tx: Transaction, workerName: string): Promise<number> {
  const { affected } = await tx.run(
    `UPDATE worker_tokens SET revoked_at_ms = ${tx.dialect.nowMs} WHERE worker_name = ? AND revoked_at_ms IS NULL`,
    [workerName],
  );
  return affected;
}

async function changed(tx: Transaction): Promise<void> {
  await tx.defer(`UPDATE counters SET value = value + 1 WHERE name = 'worker-tokens'`);
}
