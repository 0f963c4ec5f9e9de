#!/usr/bin/env node
import { MillraceError, UserError } from '@millrace/domain';
import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { plainLog } from './log.js';
import { Worker } from './worker.js';

const PASSWORD_VARIABLE = 'MILLRACE_WORKER_PASSWORD';

interface Flags {
  readonly master: string;
  readonly name: string;
  readonly basedir: string;
  readonly passwordFile?: string;
  readonly spoolMb: number;
}

const program = new Command('millrace-worker')
  .description(
    'Runs the commands of builds for a Millrace engine. It connects to the engine and keeps trying until it is stopped. ' +
      'SIGTERM and SIGINT stop it, together with every command that it runs.',
  )
  .requiredOption('--master <url>', 'The address of the engine, ws://host:port or wss://host:port.')
  .requiredOption('--name <name>', 'The name of this worker, as the configuration of the master knows it.')
  .requiredOption('--basedir <directory>', 'The folder in which builds are made. It is created if it does not exist.')
  .option(
    '--password-file <file>',
    `A file that holds the password. Without it the password is taken from ${PASSWORD_VARIABLE}.`,
  )
  .option(
    '--spool-mb <megabytes>',
    'How much output may wait on disk while no engine takes it. Beyond that, commands wait.',
    Number,
    1024,
  )
  .parse();

const log = plainLog((line) => process.stdout.write(line));

function password({ passwordFile }: Flags): string {
  if (passwordFile !== undefined) return readFileSync(passwordFile, 'utf8').replace(/\r?\n$/, '');
  const value = process.env[PASSWORD_VARIABLE];
  if (value === undefined)
    throw new UserError('no-password', `give a password with --password-file or ${PASSWORD_VARIABLE}`);
  return value;
}

function checked(flags: Flags): Flags {
  const url = URL.canParse(flags.master) ? new URL(flags.master) : undefined;
  if (url?.protocol !== 'ws:' && url?.protocol !== 'wss:') {
    throw new UserError('bad-option', `--master must be an address like ws://host:port, not '${flags.master}'`);
  }
  if (flags.name === '' || flags.name.includes(':')) {
    throw new UserError('bad-option', `--name must not be empty or contain a colon, not '${flags.name}'`);
  }
  if (!(flags.spoolMb >= 0 && flags.spoolMb < Infinity)) {
    throw new UserError('bad-option', '--spool-mb must be a number of zero or more');
  }
  return flags;
}

try {
  const flags = checked(program.opts<Flags>());
  // A supervisor that died while this process was being loaded is not heard of again.
  if (process.env['MILLRACE_SUPERVISED'] === '1' && !process.connected) process.exit(0);
  const { [PASSWORD_VARIABLE]: _secret, MILLRACE_SUPERVISED: _supervised, ...environ } = process.env;
  const worker = new Worker(
    {
      ...flags,
      password: password(flags),
      environ: environ as Record<string, string>,
      spoolBytes: flags.spoolMb * 1_000_000,
    },
    log,
  );
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info('stopping', { signal });
      worker.stop();
    });
  }
  // Started by a supervisor over IPC: when that is gone, so is the reason to run.
  if (process.connected) process.once('disconnect', () => worker.stop());
  await worker.run();
  log.info('stopped');
  process.exit(0);
} catch (error) {
  if (error instanceof MillraceError) log.error(error.message, { code: error.code });
  else log.error('the worker cannot run', { reason: error instanceof Error ? error.stack : String(error) });
  process.exit(1);
}
