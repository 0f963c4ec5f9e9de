import { printable, UserError } from '@millrace/domain';
import { IsNull } from 'typeorm';
import { ApiTokenEntity, SessionEntity, UserEntity } from '../entities/accounts.js';
import { isUniqueViolation } from '../open.js';
import type { Database, Transaction } from '../sql.js';
import { hashPassword, isPassword } from './passwords.js';

/** An account, without its password. */
export interface Account {
  readonly username: string;
  readonly fullName: string | null;
  readonly email: string | null;
  readonly groups: readonly string[];
}

export interface NewAccount extends Account {
  readonly password: string;
}

/** Names of accounts: printable, and without the colon that ends a name in a basic login. */
const USERNAME = /^[^\s:\p{C}]{1,100}$/u;
const MOST_CHARACTERS = 190;
const MOST_GROUPS = 100;

/** The accounts of people. */
export class UserStore {
  constructor(private readonly db: Database) {}

  /** @throws UserError `bad-user`, `bad-password`, `exists` */
  async add(account: NewAccount): Promise<void> {
    checkAccount(account);
    const { username, fullName, email, groups, password } = account;
    const passwordHash = await hashPassword(password);
    const users = await this.db.repository(UserEntity);
    try {
      await users.insert({
        ...{ username, fullName, email, passwordHash },
        groupNames: JSON.stringify(groups),
        createdAtMs: () => this.db.dialect.nowMs,
      });
    } catch (cause) {
      if (!isUniqueViolation(cause)) throw cause;
      throw new UserError('exists', `there is a user '${username}' already`, { username }, { cause });
    }
  }

  /**
   * Gives a user another password, and ends all sessions.
   * @throws UserError `bad-password`, `not-found`
   */
  async setPassword(username: string, password: string): Promise<void> {
    const passwordHash = await hashPassword(password);
    await this.db.transaction(async (tx) => {
      const { affected } = await (await tx.repository(UserEntity)).update({ username }, { passwordHash });
      if (!affected) throw noSuchUser(username);
      await endSessions(tx, username);
    });
  }

  /**
   * Removes a user. No session or token of theirs works any more.
   * @throws UserError `not-found`
   */
  remove(username: string): Promise<void> {
    return this.db.transaction(async (tx) => {
      const { affected } = await (await tx.repository(UserEntity)).delete({ username });
      if (!affected) throw noSuchUser(username);
      await endSessions(tx, username);
      const tokens = await tx.repository(ApiTokenEntity);
      await tokens.update({ username, revokedAtMs: IsNull() }, { revokedAtMs: () => tx.dialect.nowMs });
    });
  }

  async list(): Promise<readonly (Account & { readonly createdAtMs: number })[]> {
    const rows = await (await this.db.repository(UserEntity)).find({ order: { username: 'ASC' } });
    return rows.map((row) => ({ ...accountOf(row), createdAtMs: row.createdAtMs }));
  }

  /** Returns the account of that name and password; null when there is none. */
  async check(username: string, password: string): Promise<Account | null> {
    const row = USERNAME.test(username) ? await (await this.db.repository(UserEntity)).findOneBy({ username }) : null;
    return (await isPassword(row?.passwordHash ?? null, password)) ? accountOf(row!) : null;
  }
}

export function noSuchUser(username: string): UserError {
  return new UserError('not-found', `there is no user '${printable(username, 100)}'`, { username });
}

export function accountOf(row: Pick<UserEntity, 'username' | 'fullName' | 'email' | 'groupNames'>): Account {
  const { username, fullName, email, groupNames } = row;
  return { username, fullName, email, groups: JSON.parse(groupNames) as string[] };
}

async function endSessions(tx: Transaction, username: string): Promise<void> {
  await (await tx.repository(SessionEntity)).delete({ username });
}

function checkAccount({ username, fullName, email, groups }: Account): void {
  const refuse = (field: string, value: string, expected: string): never => {
    throw new UserError('bad-user', `${field} is '${printable(value, 100)}': expected ${expected}`, { field, value });
  };
  if (!USERNAME.test(username)) refuse('the name', username, '1 to 100 characters without spaces and colons');
  if (email !== null && !/^[^\s@\p{C}]+@[^\s@\p{C}]+$/u.test(email)) refuse('the address', email, 'an e-mail address');
  for (const [field, value] of [
    ['the full name', fullName],
    ['the address', email],
    ...groups.map((group) => ['a group', group]),
  ] as [string, string | null][]) {
    if (value === null) continue;
    if (value === '' || value.length > MOST_CHARACTERS || /\p{C}/u.test(value))
      refuse(field, value, `1 to ${MOST_CHARACTERS} printable characters`);
  }
  if (groups.length > MOST_GROUPS) refuse('the number of groups', String(groups.length), `at most ${MOST_GROUPS}`);
}
