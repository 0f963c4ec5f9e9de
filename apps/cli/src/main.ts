#!/usr/bin/env node
import { ConfigError, formatProblems } from '@millrace/config';
import { readSecretFile } from '@millrace/database';
import { MillraceError, messageOf, redactAddresses, UserError } from '@millrace/domain';
import { Command, InvalidArgumentError } from 'commander';
import { addAccountCommands } from './commands/accounts.js';
import { listAudit } from './commands/audit.js';
import { checkConfig } from './commands/check-config.js';
import { diffRevisions, listRevisions, revertConfiguration } from './commands/config.js';
import { databaseUrlOf, dbMigrate, dbStatus } from './commands/db.js';
import { listDeliveries, showDelivery } from './commands/deliveries.js';
import { drain } from './commands/drain.js';
import { force, readPatch } from './commands/force.js';
import { listLocks } from './commands/locks.js';
import { rebuild } from './commands/rebuild.js';
import { reconfig } from './commands/reconfig.js';
import { start } from './commands/start.js';
import { trigger } from './commands/trigger.js';
import { controlWorker, createWorker, listWorkers, revokeWorker, type WorkerAction } from './commands/worker.js';
import { say } from './output.js';

// Files that commands make contain secrets: databases, tickets, tokens.
const umask = process.umask(0o077);

const program = new Command('millrace')
  .description(
    'Millrace builds and tests what changes in your repositories. Each command below explains itself with --help.',
  )
  .version('0.1.0', '--version', 'Print the version and exit.')
  .helpOption('--help', 'Explain this command and exit.')
  .helpCommand(false)
  .showHelpAfterError('Add --help to see what is possible.');

program
  .command('start')
  .description(
    'Start everything on this machine: message router, scheduler, engine, user interface and one worker, each as a process of its own. Data is kept in the folder .millrace (MILLRACE_DATA). Ctrl-C stops all of it.',
  )
  .option('--config <file>', 'Use this configuration file.', 'master.config.ts')
  .option('--worker <name>', 'Start a worker under this configured name.', 'local')
  .option('--no-worker', 'Start no worker here.')
  .action(async (options: { config: string; worker: string | false }) => finish(await start({ ...options, umask })));

program
  .command('check-config')
  .description('Load a configuration file, check all of it, and list every problem with where it is. Changes nothing.')
  .argument('<file>', 'The configuration file to check.')
  .action(async (file: string) => finish(await checkConfig(file)));

program
  .command('reconfig')
  .description(
    'Ask every running scheduler and engine to read its configuration again. A bad configuration changes nothing and each master says why.',
  )
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (options: { database?: string }) => finish(await reconfig(databaseUrlOf(options.database))));

program
  .command('drain')
  .description(
    'Ask a master to take nothing new, to finish the builds it has, and to end. Says how many are left until it has ended. Its workers go to other engines one by one; under `millrace start` it begins again at once.',
  )
  .argument('<master>', 'The name of the master, as the masters page shows it.')
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .option('--no-wait', 'Only ask.')
  .action(async (master: string, options: { database?: string; wait: boolean }) =>
    finish(await drain(databaseUrlOf(options.database), master, options.wait)),
  );

program
  .command('deliveries')
  .description(
    'List what was delivered to hooks, or say what became of one delivery: its changes, what each scheduler decided about them and why, and the requests.',
  )
  .argument('[id]', 'The number of a delivery.', deliveryId)
  .option('--replay', 'Read the delivery again.', false)
  .option('--again', 'With --replay: make changes again that it has made already.', false)
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (id: number | undefined, options: { replay: boolean; again: boolean; database?: string }) => {
    const url = databaseUrlOf(options.database);
    if (id === undefined && options.replay) throw new UserError('no-delivery', 'which delivery? Give its number');
    finish(id === undefined ? await listDeliveries(url) : await showDelivery(url, { ...options, id }));
  });

program
  .command('rebuild')
  .description('Build again what a build has built, and what it triggered.')
  .argument('<build>', 'The id of the build, as /builds/ID has it.', buildId)
  .option('--failed', 'Keep the good ones of the builds that it triggered.', false)
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (id: number, options: { failed: boolean; database?: string }) =>
    finish(await rebuild(databaseUrlOf(options.database), id, options.failed)),
  );

program
  .command('locks')
  .description('List the locks: who has each, and who waits for it, in the order in which they get it.')
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (options: { database?: string }) => finish(await listLocks(databaseUrlOf(options.database))));

addAccountCommands(program);

program
  .command('audit')
  .description(
    'List who did what, when and from where: the newest 200 commands, logins, and what was refused to people.',
  )
  .option('--user <name>', 'Only what this user did.')
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (options: { user?: string; database?: string }) =>
    finish(await listAudit(databaseUrlOf(options.database), options.user)),
  );

const config = program
  .command('config')
  .description('Look at the configurations that masters have read, and go back to one.');
config
  .command('list')
  .description('List the newest revisions, and which masters have them.')
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (options: { database?: string }) => finish(await listRevisions(databaseUrlOf(options.database))));
config
  .command('diff')
  .description('Print what differs between two revisions. Functions and steps are compared by what is stored of them.')
  .argument('[from]', 'The beginning of a fingerprint (default: the last but one).')
  .argument('[to]', 'The beginning of a fingerprint (default: the newest).')
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (from: string | undefined, to: string | undefined, options: { database?: string }) =>
    finish(await diffRevisions(databaseUrlOf(options.database), from, to)),
  );

config
  .command('revert')
  .description(
    'Go back to an earlier revision: every scheduler and engine that has kept it puts it in force in place of what its file says, until the file is edited.',
  )
  .argument('[revision]', 'The beginning of its fingerprint, as `millrace config list` shows it.')
  .option('--end', 'Go by the file again.', false)
  .option('--database <url>', 'The database of the masters (default: MILLRACE_DB).')
  .action(async (revision: string | undefined, options: { end: boolean; database?: string }) => {
    if ((revision === undefined) !== options.end)
      throw new UserError('no-revision', 'to which revision? Give the beginning of its fingerprint, or --end');
    finish(await revertConfiguration(databaseUrlOf(options.database), revision ?? null));
  });

const db = program.command('db').description('Look after the database schema.');
db.command('migrate')
  .description('Bring the schema up to date. Only one process migrates at a time; masters never do it themselves.')
  .option('--database <url>', 'The database to migrate (default: MILLRACE_DB).')
  .action(async (options: { database?: string }) => finish(await dbMigrate(databaseUrlOf(options.database))));
db.command('status')
  .description('List the migrations that have been applied and those that are pending.')
  .option('--database <url>', 'The database to look at (default: MILLRACE_DB).')
  .action(async (options: { database?: string }) => finish(await dbStatus(databaseUrlOf(options.database))));

const worker = program.command('worker').description('Look after the workers of all engines.');
const database = ['--database <url>', 'The database of the masters (default: MILLRACE_DB).'] as const;
worker
  .command('list')
  .description('List the workers: what each is doing, where, and how many tokens it may log in with.')
  .option(...database)
  .action(async (options: { database?: string }) => finish(await listWorkers(databaseUrlOf(options.database))));
worker
  .command('create')
  .description(
    'Make a token for a worker and print it, once, with the line that starts the worker. Only its hash is stored. For a worker that has tokens this makes another one.',
  )
  .argument(
    '<name>',
    'The name of the worker: one of the configuration, or one that a template (such as linux-*) fits.',
  )
  .option('--token-file <file>', 'Write the token into this new file instead of printing it.')
  .option('--revoke-old', 'End the earlier tokens of the worker. They work on beside the new one otherwise.', false)
  .option('--pb', 'Let it log in over PB, too: then the MD5 of the token, which is all that takes, is stored.', false)
  .option('--master <url>', 'Where workers connect (default: MILLRACE_WORKER_URL).', workerUrl())
  .option(...database)
  .action(
    async (
      name: string,
      options: { revokeOld: boolean; pb: boolean; master: string; tokenFile?: string; database?: string },
    ) => finish(await createWorker(databaseUrlOf(options.database), { ...options, name })),
  );
worker
  .command('revoke')
  .description('End all tokens of a worker. If it logged in with one, it is disconnected.')
  .argument('<name>', 'The name of the worker.')
  .option(...database)
  .action(async (name: string, options: { database?: string }) =>
    finish(await revokeWorker(databaseUrlOf(options.database), name)),
  );
const actions: Record<WorkerAction, string> = {
  pause: 'Give the worker no more builds until it is unpaused. What it builds goes on.',
  unpause:
    'Let the worker build again, whatever held it back: a pause, a shutdown that has not come yet, a quarantine.',
  stop: 'Give the worker no more builds, and shut it down when it has none.',
  kill: 'Shut the worker down at once. What it builds is tried again elsewhere.',
};
for (const [action, description] of Object.entries(actions) as [WorkerAction, string][]) {
  const command = worker.command(action).description(description).argument('<name>', 'The name of the worker.');
  if (action !== 'unpause') command.option('--reason <text>', 'Say why.');
  command
    .option(...database)
    .action(async (name: string, options: { reason?: string; database?: string }) =>
      finish(await controlWorker(databaseUrlOf(options.database), action, name, options.reason ?? null)),
    );
}

const pairs = (value: string, earlier: Record<string, string>): Record<string, string> => {
  const at = value.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected NAME=VALUE.');
  return { ...earlier, [value.slice(0, at)]: value.slice(at + 1) };
};
program
  .command('trigger')
  .description('Start builds through a scheduler, print a link for each, and with --wait follow them to their end.')
  .argument('<scheduler>', 'The name of the scheduler to trigger.')
  .option('--builder <name...>', 'Start only these of its builders.')
  .option('--branch <branch>', 'Build this branch.')
  .option('--revision <revision>', 'Build this revision.')
  .option('--repository <url>', 'Build this repository.')
  .option('--property <name=value>', 'Give the builds a property. May be repeated.', pairs, {})
  .option('--reason <text>', 'Say why.')
  .option('--key <key>', 'Use this Idempotency-Key: the same key with the same request starts nothing twice.')
  .option('--wait', 'Wait for the results; exit with 1 unless all of them are good.', false)
  .option(
    '--url <url>',
    'The trigger API of a scheduler.',
    process.env['MILLRACE_TRIGGER_URL'] || `http://127.0.0.1:${process.env['MILLRACE_TRIGGER_PORT'] || 8020}`,
  )
  .option('--token-file <file>', 'The file that holds its token (default: the setting MILLRACE_TRIGGER_TOKEN).')
  .option('--token <token>', 'Its token. Others on this machine can see it in the list of processes.')
  .action(
    async (
      scheduler: string,
      options: {
        builder?: string[];
        property: Record<string, string>;
        wait: boolean;
        url: string;
        token?: string;
        tokenFile?: string;
      } & Partial<Record<'branch' | 'revision' | 'repository' | 'reason' | 'key', string>>,
    ) => {
      const { builder: builders, property: properties, tokenFile } = options;
      const token = options.token ?? (tokenFile ? readSecretFile(tokenFile) : process.env['MILLRACE_TRIGGER_TOKEN']);
      finish(await trigger({ ...options, scheduler, builders, properties, token }));
    },
  );

program
  .command('force')
  .description(
    'Start a build of one builder through its form, with a patch if there is one, print its link, and with --wait follow it to its end.',
  )
  .argument('<builder>', 'The name of the builder.')
  .option('--patch <file>', 'Apply this patch to the sources, such as the output of git diff; - is the standard input.')
  .option(
    '--patch-level <number>',
    'How many leading parts of the file names to leave out, as patch -p does.',
    count,
    1,
  )
  .option('--patch-subdir <folder>', 'The folder of the sources in which the file names of the patch begin.', '')
  .option('--patch-comment <text>', 'Say what the patch does.', '')
  .option('--patch-author <name>', 'Say who made the patch (default: the user of this shell).')
  .option('--branch <branch>', 'Build this branch.')
  .option('--revision <revision>', 'Build this revision; a patch is applied on top of it.')
  .option('--repository <url>', 'Build this repository.')
  .option('--project <project>', 'Build this project.')
  .option('--codebase <name>', 'The codebase that the options above are about, when the form has several.')
  .option('--property <name=value>', 'Fill in a field of the form. May be repeated.', pairs, {})
  .option('--reason <text>', 'Say why.')
  .option('--scheduler <name>', 'The form to use, when several start the builder.')
  .option('--wait', 'Wait for the result; exit with 1 unless it is good.', false)
  .option('--url <url>', 'The address of the pages (default: MILLRACE_URL).', process.env['MILLRACE_URL'] || pagesUrl())
  .option('--token-file <file>', 'The file that holds the token of an account (default: the setting MILLRACE_TOKEN).')
  .action(
    async (
      builder: string,
      options: {
        patch?: string;
        patchLevel: number;
        patchSubdir: string;
        patchComment: string;
        patchAuthor?: string;
        property: Record<string, string>;
        wait: boolean;
        url: string;
        tokenFile?: string;
      } & Partial<
        Record<'branch' | 'revision' | 'repository' | 'project' | 'codebase' | 'reason' | 'scheduler', string>
      >,
    ) => {
      const { property: properties, url, wait, tokenFile, patchLevel: level, patchComment, patchSubdir } = options;
      const author = options.patchAuthor ?? process.env['USER'] ?? '';
      const said = { level, author, comment: patchComment, subdir: patchSubdir };
      const patch = options.patch === undefined ? undefined : await readPatch(options.patch, said);
      const token = (tokenFile ? readSecretFile(tokenFile) : process.env['MILLRACE_TOKEN']) || undefined;
      finish(await force({ wishes: { ...options, builder, patch, properties }, url, token, wait }));
    },
  );

function count(text: string): number {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number.');
}

function deliveryId(text: string): number {
  return idOf(text, 'the number of a delivery');
}

function buildId(text: string): number {
  return idOf(text, 'the id of a build');
}

function idOf(text: string, what: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`Expected ${what}.`);
}

/** Returns the address of the pages on this machine. */
function pagesUrl(): string {
  return `http://127.0.0.1:${process.env['MILLRACE_UI_PORT'] || 8010}`;
}

/** Returns the address for workers: a setting, otherwise a guess from the UI's address. */
function workerUrl(env: NodeJS.ProcessEnv = process.env): string {
  const ui = env['MILLRACE_URL'] || 'http://localhost';
  const host = URL.canParse(ui) ? new URL(ui).hostname : 'localhost';
  return env['MILLRACE_WORKER_URL'] || `ws://${host}:${env['MILLRACE_WORKER_PORT'] || 9989}`;
}

function complaint(error: unknown): string {
  if (error instanceof ConfigError) return formatProblems(error.problems);
  if (error instanceof MillraceError) return `millrace: ${error.message}`;
  return `millrace: ${error instanceof Error ? (error.stack ?? messageOf(error)) : messageOf(error)}`;
}

/** Sets the exit code. The process is left to end by itself, because output may still be on its way to a pipe. */
function finish(code: number): void {
  process.exitCode = code;
}

try {
  await program.parseAsync();
} catch (error) {
  // An error may quote foreign texts, and addresses with passwords in them.
  say(redactAddresses(complaint(error)), process.stderr);
  process.exitCode = 1;
}
