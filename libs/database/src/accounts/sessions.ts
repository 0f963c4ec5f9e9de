import { LessThanOrEqual } from 'typeorm';
import { SessionEntity } from '../entities/accounts.js';
import { type Database, databaseNowMs } from '../sql.js';
import { digestOf, newSecret } from './passwords.js';
import { type Account, accountOf } from './users.js';

/** Time within which a session or token that is in use is not written again. */
const SEEN_AGAIN_MS = 60_000;

export interface NewSession {
  readonly account: Account;
  readonly signedInBy: SessionEntity['signedInBy'];
  readonly address: string;
  /** Time after which it ends in any case. */
  readonly sessionMs: number;
}

/** Who is signed in, for every UI alike. Times are by the database's clock. */
export class SessionStore {
  constructor(private readonly db: Database) {}

  /** Begins a session, and removes some that are over. Returns what the cookie has to hold, which is stored nowhere. */
  async begin({ account, signedInBy, address, sessionMs }: NewSession): Promise<string> {
    const secret = newSecret('');
    const { username, fullName, email, groups } = account;
    const nowMs = await databaseNowMs(this.db);
    const sessions = await this.db.repository(SessionEntity);
    await sessions.delete({ expiresAtMs: LessThanOrEqual(nowMs) });
    await sessions.insert({
      ...{ username, fullName, email, signedInBy, address: address.slice(0, 64) },
      tokenHash: digestOf(secret),
      groupNames: JSON.stringify(groups),
      createdAtMs: nowMs,
      lastSeenAtMs: nowMs,
      expiresAtMs: nowMs + sessionMs,
    });
    return secret;
  }

  /**
   * Returns whose session it is; null when it is over.
   * @param idleMs time without a request after which a session ends
   */
  async find(secret: string, idleMs: number): Promise<Account | null> {
    const row = await this.db.get<{ id: number; nowMs: number; lastSeenAtMs: number; expiresAtMs: number } & Stored>(
      `SELECT id, username, full_name AS fullName, email, group_names AS groupNames, last_seen_at_ms AS lastSeenAtMs,
         expires_at_ms AS expiresAtMs, ${this.db.dialect.nowMs} AS nowMs
       FROM sessions WHERE token_hash = ?`,
      [digestOf(secret)],
    );
    if (!row || row.nowMs >= row.expiresAtMs || row.nowMs - row.lastSeenAtMs >= idleMs) return null;
    // An idle time of seconds would be over before a minute has gone.
    if (row.nowMs - row.lastSeenAtMs >= Math.min(SEEN_AGAIN_MS, idleMs / 4)) {
      await this.db.run(`UPDATE sessions SET last_seen_at_ms = ? WHERE id = ?`, [row.nowMs, row.id]);
    }
    return accountOf(row);
  }

  async end(secret: string): Promise<void> {
    await (await this.db.repository(SessionEntity)).delete({ tokenHash: digestOf(secret) });
  }

  /**
   * Ends all sessions of a user.
   * @returns how many there were
   */
  async endAll(username: string): Promise<number> {
    return (await (await this.db.repository(SessionEntity)).delete({ username })).affected ?? 0;
  }
}

type Stored = Parameters<typeof accountOf>[0];
