import { isRightsAction, printable, type RightsAction, RIGHTS_ACTIONS, UserError } from '@millrace/domain';
import { IsNull } from 'typeorm';
import { ApiTokenEntity, UserEntity } from '../entities/accounts.js';
import type { Database } from '../sql.js';
import { digestOf, newSecret } from './passwords.js';
import { type Account, accountOf, noSuchUser } from './users.js';

const SEEN_AGAIN_MS = 60_000;
const MOST_CHARACTERS = 190;

export interface NewApiToken {
  readonly username: string;
  readonly purpose: string;
  readonly scopes: readonly string[];
  /** Null for a token that works until it is revoked. */
  readonly lifeMs: number | null;
}

/** A token as it is listed. The token itself is stored nowhere. */
export interface ApiToken {
  readonly tokenId: number;
  readonly username: string;
  readonly purpose: string;
  readonly scopes: readonly RightsAction[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** Whom a token acts for, and what it may be used for. */
export interface TokenHolder {
  readonly tokenId: number;
  readonly purpose: string;
  readonly account: Account;
  readonly scopes: readonly RightsAction[];
}

/** Tokens of scripts. Each acts for a user: with that user's rights, as far as its scopes go. */
export class ApiTokenStore {
  constructor(private readonly db: Database) {}

  /**
   * Makes a token.
   * @returns the token, which is stored nowhere
   * @throws UserError `bad-token`, `not-found` when there is no such user
   */
  async create({ username, purpose, scopes, lifeMs }: NewApiToken): Promise<string> {
    const wrong = scopes.find((scope) => !isRightsAction(scope));
    if (wrong !== undefined || scopes.length === 0) {
      const given = wrong === undefined ? 'missing' : `'${printable(wrong, 50)}'`;
      throw new UserError('bad-token', `the scope is ${given}: expected some of ${RIGHTS_ACTIONS.join(', ')}`);
    }
    if (purpose === '' || purpose.length > MOST_CHARACTERS || /\p{C}/u.test(purpose))
      throw new UserError('bad-token', `the purpose has to have 1 to ${MOST_CHARACTERS} printable characters`);
    const token = newSecret('mrt_');
    await this.db.transaction(async (tx) => {
      const { nowMs } = tx.dialect;
      if (!(await (await tx.repository(UserEntity)).existsBy({ username }))) throw noSuchUser(username);
      await (
        await tx.repository(ApiTokenEntity)
      ).insert({
        ...{ username, purpose, tokenHash: digestOf(token), scopes: JSON.stringify([...new Set(scopes)]) },
        createdAtMs: () => nowMs,
        expiresAtMs: lifeMs === null ? null : () => `${nowMs} + ${Math.round(lifeMs)}`,
      });
    });
    return token;
  }

  /** Returns all tokens that have not been revoked, and those that have. */
  async list(): Promise<readonly ApiToken[]> {
    const rows = await (await this.db.repository(ApiTokenEntity)).find({ order: { id: 'ASC' } });
    return rows.map(({ id, tokenHash: _, scopes, ...row }) => ({
      ...row,
      tokenId: id,
      scopes: JSON.parse(scopes) as RightsAction[],
    }));
  }

  /** @throws UserError `not-found` when there is no such token, or it has been revoked */
  async revoke(tokenId: number): Promise<void> {
    const tokens = await this.db.repository(ApiTokenEntity);
    const { affected } = await tokens.update(
      { id: tokenId, revokedAtMs: IsNull() },
      { revokedAtMs: () => this.db.dialect.nowMs },
    );
    if (!affected) throw new UserError('not-found', `there is no token ${tokenId} that works`, { tokenId });
  }

  /** Returns whom a token acts for; null when it does not work. The groups are those that the user has now. */
  async find(token: string): Promise<TokenHolder | null> {
    const row = await this.db.get<
      { id: number; purpose: string; scopes: string; nowMs: number; lastUsedAtMs: number | null } & Parameters<
        typeof accountOf
      >[0]
    >(
      `SELECT t.id, t.purpose, t.scopes, t.last_used_at_ms AS lastUsedAtMs, u.username, u.full_name AS fullName, u.email,
         u.group_names AS groupNames, ${this.db.dialect.nowMs} AS nowMs
       FROM api_tokens t JOIN users u ON u.username = t.username
       WHERE t.token_hash = ? AND t.revoked_at_ms IS NULL AND (t.expires_at_ms IS NULL OR t.expires_at_ms > ${this.db.dialect.nowMs})`,
      [digestOf(token)],
    );
    if (!row) return null;
    if (row.lastUsedAtMs === null || row.nowMs - row.lastUsedAtMs >= SEEN_AGAIN_MS)
      await this.db.run(`UPDATE api_tokens SET last_used_at_ms = ? WHERE id = ?`, [row.nowMs, row.id]);
    const { id: tokenId, purpose } = row;
    return { tokenId, purpose, account: accountOf(row), scopes: JSON.parse(row.scopes) as RightsAction[] };
  }
}
