import { openDatabase, type Stores, storesOf } from '@millrace/database';
import { RIGHTS_ACTIONS } from '@millrace/domain';
import { type Command, InvalidArgumentError } from 'commander';
import { say, sayTable } from '../output.js';
import { askPassword } from '../password.js';
import { databaseUrlOf } from './db.js';
import { recorded } from './recorded.js';

const DATABASE = ['--database <url>', 'The database of the masters (default: MILLRACE_DB).'] as const;
const DAY_MS = 86_400_000;

interface OfDatabase {
  readonly database?: string;
}

/** Adds `millrace user` and `millrace token`. */
export function addAccountCommands(program: Command): void {
  addUserCommands(program.command('user').description('Look after the accounts that people sign in with.'));
  addTokenCommands(program.command('token').description('Look after the tokens that scripts use instead of a login.'));
}

function addUserCommands(user: Command): void {
  const group = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];
  user
    .command('add')
    .description('Make an account. Asks for its password, or reads it from the standard input.')
    .argument('<name>', 'The name to sign in with.')
    .option('--full-name <name>', "The person's name.")
    .option('--email <address>', 'The e-mail address, which roles may depend on.')
    .option('--group <group>', 'A group, which roles may depend on. May be repeated.', group, [])
    .option(...DATABASE)
    .action((username: string, options: OfDatabase & { fullName?: string; email?: string; group: readonly string[] }) =>
      change('user add', `users/${username}`, options, async ({ users }) => {
        const { fullName = null, email = null, group: groups } = options;
        await users.add({ username, fullName, email, groups, password: await askPassword(username) });
        say(`User '${username}' can sign in.`);
      }),
    );
  user
    .command('list')
    .description('List the accounts.')
    .option(...DATABASE)
    .action((options: OfDatabase) =>
      withStores(options, async ({ users }) => {
        const rows = (await users.list()).map((one) => [
          one.username,
          one.fullName ?? '-',
          one.email ?? '-',
          one.groups.join(', ') || '-',
          one.provider ?? 'password',
          timeOf(one.createdAtMs),
        ]);
        sayTable([['USER', 'NAME', 'E-MAIL', 'GROUPS', 'SIGNS IN BY', 'SINCE'], ...rows]);
      }),
    );
  user
    .command('passwd')
    .description('Give an account another password. Whoever is signed in with it has to sign in again.')
    .argument('<name>', 'The name of the account.')
    .option(...DATABASE)
    .action((username: string, options: OfDatabase) =>
      change('user passwd', `users/${username}`, options, async ({ users }) => {
        await users.setPassword(username, await askPassword(username));
        say(`User '${username}' has another password.`);
      }),
    );
  user
    .command('remove')
    .description('Remove an account. Its sessions end, and its tokens stop working.')
    .argument('<name>', 'The name of the account.')
    .option(...DATABASE)
    .action((username: string, options: OfDatabase) =>
      change('user remove', `users/${username}`, options, async ({ users }) => {
        await users.remove(username);
        say(`User '${username}' is removed.`);
      }),
    );
}

function addTokenCommands(token: Command): void {
  token
    .command('create')
    .description(
      'Make a token and print it, once. Only its digest is stored. It acts for a user, as far as its scopes go.',
    )
    .argument('<user>', 'The name of the account that it acts for.')
    .requiredOption('--scope <actions>', `What it may be used for, with commas between: ${RIGHTS_ACTIONS.join(', ')}.`)
    .requiredOption('--purpose <text>', 'What it is for.')
    .option('--expires <days>', 'Days after which it no longer works (default: never).', days)
    .option(...DATABASE)
    .action((username: string, options: OfDatabase & { scope: string; purpose: string; expires?: number }) =>
      change('token create', `users/${username}`, options, async ({ apiTokens }) => {
        const scopes = options.scope
          .split(',')
          .map((one) => one.trim())
          .filter(Boolean);
        const lifeMs = options.expires === undefined ? null : options.expires * DAY_MS;
        say(await apiTokens.create({ username, purpose: options.purpose, scopes, lifeMs }));
      }),
    );
  token
    .command('list')
    .description('List the tokens: whom they act for, what they are for, and when they were used.')
    .option(...DATABASE)
    .action((options: OfDatabase) =>
      withStores(options, async ({ apiTokens }) => {
        const rows = (await apiTokens.list()).map((one) => [
          String(one.tokenId),
          one.username,
          one.purpose,
          one.scopes.join(', '),
          timeOf(one.lastUsedAtMs),
          one.revokedAtMs === null ? timeOf(one.expiresAtMs) : 'revoked',
        ]);
        sayTable([['TOKEN', 'USER', 'PURPOSE', 'SCOPES', 'LAST USED', 'EXPIRES'], ...rows]);
      }),
    );
  token
    .command('revoke')
    .description('End a token.')
    .argument('<number>', 'Its number in the list.', tokenNumber)
    .option(...DATABASE)
    .action((tokenId: number, options: OfDatabase) =>
      change('token revoke', `tokens/${tokenId}`, options, async ({ apiTokens }) => {
        await apiTokens.revoke(tokenId);
        say(`Token ${tokenId} is revoked.`);
      }),
    );
}

/** Does something to the accounts, and records it. */
function change(
  action: string,
  target: string,
  options: OfDatabase,
  work: (stores: Stores) => Promise<void>,
): Promise<void> {
  return withStores(options, (stores) => recorded(stores.audit, { action, target }, () => work(stores)));
}

async function withStores({ database }: OfDatabase, work: (stores: Stores) => Promise<void>): Promise<void> {
  const db = openDatabase(databaseUrlOf(database), { connections: 1 });
  try {
    await work(storesOf(db));
  } finally {
    await db.close();
  }
}

function timeOf(ms: number | null): string {
  return ms === null ? 'never' : new Date(ms).toISOString();
}

function days(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 36_500) return value;
  throw new InvalidArgumentError('Expected a number of days.');
}

function tokenNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected the number of a token.');
}
