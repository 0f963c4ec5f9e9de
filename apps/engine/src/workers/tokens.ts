import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CompiledWorker } from '@millrace/contracts';
import { WorkerTokenStore } from '@millrace/database';
import type { Credentials, PbCredentials } from '@millrace/worker-protocol';

/** A worker of the configuration, and what it showed to get in. */
export interface LoggedInWorker extends CompiledWorker {
  /** Left out: a password. */
  readonly tokenId?: number;
}

interface KnownToken {
  readonly tokenId: number;
  readonly digest: Buffer;
  readonly pbDigest: Buffer | null;
}

const NOBODYS = randomBytes(32);

/** The tokens that workers may log in with, in memory; read again when their number in the database has changed. */
@Injectable()
export class WorkerTokens {
  private byName = new Map<string, KnownToken[]>();
  private working = new Set<number>();
  /** Null: nothing has been read yet. */
  private version: number | null = null;

  constructor(private readonly store: WorkerTokenStore) {}

  /** The worker's token that this password is; null: none. */
  check({ name, password }: Credentials): number | null {
    const digest = createHash('sha256').update(password, 'utf8').digest();
    let found: number | null = null;
    for (const token of this.byName.get(name) ?? [{ tokenId: 0, digest: NOBODYS }]) {
      if (timingSafeEqual(token.digest, digest)) found = token.tokenId;
    }
    return found;
  }

  /** The same over PB, for tokens that were made for it. */
  checkPb(credentials: PbCredentials): number | null {
    let found: number | null = null;
    for (const { tokenId, pbDigest } of this.byName.get(credentials.name) ?? []) {
      if (pbDigest && credentials.matches(pbDigest)) found = tokenId;
    }
    return found;
  }

  /** It was not revoked, as far as is known here. */
  isWorking(tokenId: number): boolean {
    return this.working.has(tokenId);
  }

  /** @returns whether anything has changed */
  async refresh(): Promise<boolean> {
    const version = await this.store.version();
    if (version === this.version) return false;
    const tokens = await this.store.working();
    const byName = new Map<string, KnownToken[]>();
    for (const { tokenId, workerName, hash, pbDigest } of tokens) {
      const known: KnownToken = {
        tokenId,
        digest: Buffer.from(hash, 'hex'),
        pbDigest: pbDigest === null ? null : Buffer.from(pbDigest, 'hex'),
      };
      const list = byName.get(workerName);
      if (list) list.push(known);
      else byName.set(workerName, [known]);
    }
    this.byName = byName;
    this.working = new Set(tokens.map((token) => token.tokenId));
    this.version = version;
    return true;
  }
}
