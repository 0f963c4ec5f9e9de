import { printable, UserError } from '@millrace/domain';
import { IsNull } from 'typeorm';
import { ApiTokenEntity, SessionEntity, UserEntity } from '../entities/accounts.js';
import { isUniqueViolation } from '../open.js';
import type { Database, Transaction } from '../sql.js';
import { hashPassword, isPassword, nobodysHash } from './passwords.js';

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

/** A person as a provider describes them. */
export interface Identity extends Account {
  /** What the provider calls the person, for ever. Names and addresses may change hands. */
  readonly subject: string;
}

/** An account as it is listed. */
export interface ListedAccount extends Account {
  /** Name of the provider by which the person signs in; null for an account with a password. */
  readonly provider: string | null;
  readonly createdAtMs: number;
}

/** Names of accounts: printable, and without the colon that ends a name in a basic login. */
const USERNAME = /^[^\s:\p{C}]{1,100}$/u;
/** A subject has no space at its ends, where MariaDB does not compare. */
const SUBJECT = /^[^\s\p{C}](?:[^\p{C}]{0,253}[^\s\p{C}])?$/u;
const MOST_CHARACTERS = 190;
const MOST_GROUPS = 500;

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
   * Records somebody who has signed in by a provider, and returns their account. The provider and the subject alone tell who it is. The name
   * stays what it was at first, whoever has it at the provider later.
   * @throws UserError `bad-user`; `name-taken` when the name is another account's
   */
  async signedIn(provider: string, identity: Identity): Promise<Account> {
    const { subject, ...account } = identity;
    if (!SUBJECT.test(subject)) refuse('the subject', subject, '1 to 255 printable characters');
    checkAccount(account);
    const known = await this.update(provider, identity);
    if (known) return known;
    const { username, fullName, email, groups } = account;
    const users = await this.db.repository(UserEntity);
    try {
      await users.insert({
        ...{ username, fullName, email, provider, subject, passwordHash: await nobodysHash() },
        groupNames: JSON.stringify(groups),
        createdAtMs: () => this.db.dialect.nowMs,
      });
      return account;
    } catch (cause) {
      if (!isUniqueViolation(cause)) throw cause;
      // The same person may have come by another UI at the same time.
      const meanwhile = await this.update(provider, identity);
      if (meanwhile) return meanwhile;
      const text = `the name '${username}' belongs to another account here: an administrator can see whose it is by 'millrace user list'`;
      throw new UserError('name-taken', text, { username, provider }, { cause });
    }
  }

  private async update(provider: string, { subject, ...account }: Identity): Promise<Account | null> {
    const users = await this.db.repository(UserEntity);
    const row = await users.findOneBy({ provider, subject });
    if (!row) return null;
    const { fullName, email, groups } = account;
    await users.update({ id: row.id }, { fullName, email, groupNames: JSON.stringify(groups) });
    return { ...account, username: row.username };
  }

  /**
   * Gives a user another password, and ends all sessions.
   * @throws UserError `bad-password`, `not-found`, `no-password` when the account is of a provider
   */
  async setPassword(username: string, password: string): Promise<void> {
    const passwordHash = await hashPassword(password);
    await this.db.transaction(async (tx) => {
      const users = await tx.repository(UserEntity);
      const { affected } = await users.update({ username, provider: IsNull() }, { passwordHash });
      if (!affected) {
        const row = await users.findOneBy({ username });
        if (!row) throw noSuchUser(username);
        const text = `'${username}' signs in by '${row.provider}' and has no password here`;
        throw new UserError('no-password', text, { username });
      }
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

  async list(): Promise<readonly ListedAccount[]> {
    const rows = await (await this.db.repository(UserEntity)).find({ order: { username: 'ASC' } });
    return rows.map((row) => ({ ...accountOf(row), provider: row.provider, createdAtMs: row.createdAtMs }));
  }

  /** Returns the account of that name and password; null when there is none. */
  async check(username: string, password: string): Promise<Account | null> {
    const row = isUsername(username) ? await (await this.db.repository(UserEntity)).findOneBy({ username }) : null;
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

/** Whether an account can have that name. */
export function isUsername(text: string): boolean {
  return USERNAME.test(text);
}

function refuse(field: string, value: string, expected: string): never {
  throw new UserError('bad-user', `${field} is '${printable(value, 100)}': expected ${expected}`, { field, value });
}

function checkAccount({ username, fullName, email, groups }: Account): void {
  if (!isUsername(username)) refuse('the name', username, '1 to 100 characters without spaces and colons');
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
