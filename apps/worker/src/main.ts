#!/usr/bin/env node
import { MillraceError, UserError } from '@millrace/domain';
import { Command } from 'commander';
import { plainLog } from './log.js';
import {
  checkedAddress,
  checkedName,
  checkedUrls,
  environmentOfCommands,
  required,
  type SecretFlags,
  takeSecret,
  withSecretOptions,
} from './options.js';
import { Relay } from './relay/relay.js';
import { Worker } from './worker.js';

interface WorkerFlags extends SecretFlags {
  readonly master?: string;
  readonly name?: string;
  readonly basedir?: string;
  readonly spoolMb: number;
}

interface RelayFlags extends SecretFlags {
  readonly master?: string;
  readonly name?: string;
  readonly listen?: string;
}

const log = plainLog((line) => process.stdout.write(line));

async function work(flags: WorkerFlags): Promise<void> {
  const masters = checkedUrls(flags.master);
  const name = checkedName(flags.name);
  const basedir = required('--basedir', flags.basedir);
  const { spoolMb } = flags;
  if (!(spoolMb >= 0 && spoolMb < Infinity)) throw new UserError('bad-option', '--spool-mb must be zero or more');
  const password = takeSecret(flags, process.env, log);
  const environ = environmentOfCommands(process.env);
  await untilStopped(new Worker({ masters, name, basedir, password, environ, spoolBytes: spoolMb * 1_000_000 }, log));
}

async function relay(flags: RelayFlags): Promise<void> {
  const masters = checkedUrls(flags.master);
  const name = checkedName(flags.name);
  const { host, port } = checkedAddress('--listen', flags.listen);
  await untilStopped(new Relay({ masters, name, password: takeSecret(flags, process.env, log), host, port }, log));
}

/** Runs until a signal comes, or the supervisor that started the process over IPC is gone. */
async function untilStopped(running: { run(): Promise<void>; stop(): void }): Promise<void> {
  const isSupervised = process.env['MILLRACE_SUPERVISED'] === '1';
  // When the supervisor died while this process was loading, no disconnect event follows.
  if (isSupervised && !process.connected) return;
  const stop = (signal: string): void => {
    log.info('stopping', { signal });
    running.stop();
  };
  process.once('SIGTERM', stop);
  // The terminal sends its signals to all processes. The supervisor decides what ends when.
  if (isSupervised) for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  else process.once('SIGINT', stop);
  if (process.connected) process.once('disconnect', () => running.stop());
  await running.run();
  log.info('stopped');
}

const program = withSecretOptions(
  new Command('millrace-worker')
    .description(
      'Runs the commands of builds for a Millrace engine. It connects to the engine and keeps trying until it is stopped. ' +
        'SIGTERM and SIGINT stop it, together with every command that it runs.',
    )
    .enablePositionalOptions()
    .option('--master <url>', 'The address of the engine, ws://host:port or wss://host:port; several with commas.')
    .option('--name <name>', 'The name of this worker, as the configuration of the master knows it.')
    .option('--basedir <directory>', 'The folder in which builds are made. It is created if it does not exist.'),
)
  .option(
    '--spool-mb <megabytes>',
    'How much output may wait on disk while no engine takes it. Beyond that, commands wait.',
    Number,
    1024,
  )
  .action(work);

withSecretOptions(
  program
    .command('relay')
    .description(
      'Carries the connections of many workers over one to an engine. Workers connect to it as they would to the engine, and log in to the engine.',
    )
    .option(
      '--master <url>',
      'The address of the engine, or several with commas: the next one is taken when one is gone.',
    )
    .option('--name <name>', 'The name of this relay, as the configuration of the master knows it among its workers.')
    .option('--listen <address>', 'Where workers connect, host:port.'),
).action(relay);

try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  if (error instanceof MillraceError) log.error(error.message, { code: error.code });
  else log.error('the worker cannot run', { reason: error instanceof Error ? error.stack : String(error) });
  process.exit(1);
}
