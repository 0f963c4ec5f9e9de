import { UserError } from '@millrace/domain';
import { Grouping } from './grouping.js';
import { In, IsNull } from 'typeorm';
import { CounterEntity } from './entities/masters.js';
import { WorkerTokenEntity } from './entities/workers.js';
import type { Database, Queryable, Transaction } from './sql.js';

/** A token that a worker may log in with. The token itself is stored nowhere. */
export interface WorkerToken {
  readonly tokenId: number;
  readonly workerName: string;
  /** sha256, hexadecimal. */
  readonly hash: string;
  /** Digest for logins over PB (`WorkerDigests` of the configuration); null when the token is not valid over PB. */
  readonly pbDigest: string | null;
}

export interface NewWorkerToken {
  readonly workerName: string;
  readonly hash: string;
  readonly pbDigest: string | null;
  /** Revokes all earlier tokens of the worker. Otherwise they stay valid. */
  readonly revokeOld: boolean;
}

/** Tokens of workers, including revoked ones. Every change increments `version`, so that engines have to poll only a number. */
export class WorkerTokenStore {
  /** Grouped, because a whole fleet may log in at once. */
  private readonly uses: Grouping<number, undefined>;

  constructor(private readonly db: Database) {
    this.uses = new Grouping(
      async (tokenIds) => {
        const tokens = await db.repository(WorkerTokenEntity);
        await tokens.update({ id: In(tokenIds) }, { lastUsedAtMs: () => db.dialect.nowMs });
        return tokenIds.map(() => undefined);
      },
      () => true,
    );
  }

  create({ workerName, hash, pbDigest, revokeOld }: NewWorkerToken): Promise<void> {
    return this.db.transaction(async (tx) => {
      if (revokeOld) await revokeIn(tx, workerName);
      const tokens = await tx.repository(WorkerTokenEntity);
      await tokens.insert({ workerName, tokenHash: hash, pbDigest, createdAtMs: () => tx.dialect.nowMs });
      await changed(tx);
    });
  }

  /**
   * Revokes a worker's tokens.
   * @throws UserError `not-found` when the worker has no valid one
   */
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
    const counter = await (await this.db.repository(CounterEntity)).findOneBy(VERSION);
    return counter?.value ?? 0;
  }

  /** Returns all valid tokens. */
  async working(): Promise<WorkerToken[]> {
    const tokens = await this.db.repository(WorkerTokenEntity);
    const rows = await tokens.find({ where: { revokedAtMs: IsNull() }, order: { id: 'ASC' } });
    return rows.map(({ id, workerName, tokenHash, pbDigest }) => ({
      tokenId: id,
      workerName,
      hash: tokenHash,
      pbDigest,
    }));
  }

  async used(tokenId: number): Promise<void> {
    await this.uses.add(tokenId);
  }

  /** Returns the number of valid tokens of each worker, and when one was last used. */
  async summary(): Promise<Map<string, { readonly tokens: number; readonly lastUsedAtMs: number | null }>> {
    const rows = await (
      await this.db.repository(WorkerTokenEntity)
    )
      .createQueryBuilder('t')
      .select('t.workerName', 'name')
      .addSelect('COUNT(*)', 'tokens')
      .addSelect('MAX(t.lastUsedAtMs)', 'lastUsedAtMs')
      .where({ revokedAtMs: IsNull() })
      .groupBy('t.workerName')
      .getRawMany<{ name: string; tokens: number; lastUsedAtMs: number | null }>();
    return new Map(rows.map(({ name, ...row }) => [name, row]));
  }
}

/** Returns the names of workers that may log in with a token. */
export async function namesWithTokens(db: Queryable): Promise<string[]> {
  const rows = await (
    await db.repository(WorkerTokenEntity)
  )
    .createQueryBuilder('t')
    .select('DISTINCT t.workerName', 'name')
    .where({ revokedAtMs: IsNull() })
    .orderBy('t.workerName')
    .getRawMany<{ name: string }>();
  return rows.map((row) => row.name);
}

async function revokeIn(tx: Transaction, workerName: string): Promise<number> {
  const tokens = await tx.repository(WorkerTokenEntity);
  const { affected } = await tokens.update(
    { workerName, revokedAtMs: IsNull() },
    { revokedAtMs: () => tx.dialect.nowMs },
  );
  return affected ?? 0;
}

const VERSION = { name: 'worker-tokens' };

async function changed(tx: Transaction): Promise<void> {
  await (await tx.repository(CounterEntity)).increment(VERSION, 'value', 1);
}
