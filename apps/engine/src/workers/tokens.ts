import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CompiledWorker } from '@millrace/contracts';
import { WorkerTokenStore } from '@millrace/database';
import type { Credentials, PbCredentials } from '@millrace/worker-protocol';

/** A configured worker, with the credentials it logged in with. */
export interface LoggedInWorker extends CompiledWorker {
  /** Missing when it logged in with a password. */
  readonly tokenId?: number;
}

interface KnownToken {
  readonly tokenId: number;
  readonly digest: Buffer;
  readonly pbDigest: Buffer | null;
}

const NOBODYS = randomBytes(32);

/** The tokens of workers, in memory. They are read again when their version in the database has changed. */
@Injectable()
export class WorkerTokens {
  private byName = new Map<string, KnownToken[]>();
  private working = new Set<number>();
  /** Null before the first read. */
  private version: number | null = null;

  constructor(private readonly store: WorkerTokenStore) {}

  /** Returns the id of the worker's token that equals this password; null when there is none. */
  check({ name, password }: Credentials): number | null {
    const digest = createHash('sha256').update(password, 'utf8').digest();
    let found: number | null = null;
    for (const token of this.byName.get(name) ?? [{ tokenId: 0, digest: NOBODYS }]) {
      if (timingSafeEqual(token.digest, digest)) found = token.tokenId;
    }
    return found;
  }

  /** Checks a login over PB. Returns the id of a token that is valid over PB; null when there is none. */
  checkPb(credentials: PbCredentials): number | null {
    let found: number | null = null;
    for (const { tokenId, pbDigest } of this.byName.get(credentials.name) ?? []) {
      if (pbDigest && credentials.matches(pbDigest)) found = tokenId;
    }
    return found;
  }

  /** Whether a token is not revoked, as far as is known here. */
  isWorking(tokenId: number): boolean {
    return this.working.has(tokenId);
  }

  /**
   * Reads the tokens if they have changed.
   * @returns whether they have
   */
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
