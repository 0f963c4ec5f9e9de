import { migrate, migrationStatus } from '@millrace/database';
import { UserError } from '@millrace/domain';

/**
 * Returns the database URL of an option or the environment.
 * @throws UserError `no-database`
 */
export function databaseUrlOf(option: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const url = option ?? (env['MILLRACE_DB'] || `sqlite:${env['MILLRACE_DATA'] || '.millrace'}/millrace.sqlite`);
  if (url) return url;
  throw new UserError('no-database', 'which database? Set MILLRACE_DB or give --database URL');
}

export async function dbMigrate(url: string): Promise<number> {
  const applied = await migrate(url);
  process.stdout.write(applied.length === 0 ? 'The schema is up to date.\n' : `Applied: ${applied.join(', ')}.\n`);
  return 0;
}

/** Prints the state of the migrations. The exit code is 1 while migrations are pending, so that scripts can check it. */
export async function dbStatus(url: string): Promise<number> {
  const { applied, pending } = await migrationStatus(url);
  for (const name of applied) process.stdout.write(`applied  ${name}\n`);
  for (const name of pending) process.stdout.write(`pending  ${name}\n`);
  return pending.length === 0 ? 0 : 1;
}
