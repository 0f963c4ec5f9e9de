import { UserError } from '@millrace/domain';
import type { Command } from 'commander';
import { WORKER_LIMITS } from '@millrace/worker-protocol';
import { readFileSync, statSync } from 'node:fs';
import { hideSecrets } from './hidden-secret.js';
import type { Log } from './log.js';

/** Variables of the secret, in either name, which are kept from commands and from logs. */
const SECRET_VARIABLES = ['MILLRACE_WORKER_TOKEN', 'MILLRACE_WORKER_PASSWORD'] as const;
/** Variables with the path of a file that contains the secret. */
const FILE_VARIABLES = ['MILLRACE_WORKER_TOKEN_FILE', 'MILLRACE_WORKER_PASSWORD_FILE'] as const;
const LONGEST_SECRET = WORKER_LIMITS.passwordCharacters;

/** Command line options for the secret. A token is a generated password. */
export interface SecretFlags {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly passwordFile?: string;
}

export function withSecretOptions(command: Command): Command {
  return command
    .option(
      '--token-file <file>',
      `A file of this user's that holds the token of that name, or its password. ${FILE_VARIABLES[0]} names it, too.`,
    )
    .option('--password-file <file>', 'The same.')
    .option(
      '--token <token>',
      `The token itself. It was seen by others of the machine before it can be hidden: prefer a file, or ${SECRET_VARIABLES.join(' or ')}.`,
    );
}

/**
 * Returns the secret of this process and hides it: afterwards neither `--token` nor the variables can be read in what the system shows
 * about the process.
 *
 * @throws UserError `no-password`, `bad-option`
 */
export function takeSecret(flags: SecretFlags, environ: NodeJS.ProcessEnv, log: Log): string {
  const given = secret(flags, environ, log);
  const inSight = [flags.token, ...SECRET_VARIABLES.map((name) => environ[name])].filter((one) => one !== undefined);
  if (!hideSecrets(SECRET_VARIABLES, inSight) && inSight.length > 0)
    log.warn("what builds run can read this worker's secret from its process: use --token-file", {
      platform: process.platform,
    });
  return given;
}

function secret(flags: SecretFlags, environ: NodeJS.ProcessEnv, log: Log): string {
  const first = (names: readonly string[]): string | undefined =>
    names.map((name) => environ[name]).find((one) => one !== undefined && one !== '');
  const file = flags.tokenFile ?? flags.passwordFile;
  if (file !== undefined) return secretIn(file, log);
  const value = flags.token ?? first(SECRET_VARIABLES);
  if (value !== undefined) return checkedSecret(value, 'the token');
  const named = first(FILE_VARIABLES);
  if (named !== undefined) return secretIn(named, log);
  throw new UserError(
    'no-password',
    `give a password or a token with --password-file, --token-file, --token, ${SECRET_VARIABLES.join(' or ')}`,
  );
}

function secretIn(file: string, log: Log): string {
  if ((statSync(file).mode & 0o077) !== 0) log.warn('others can read the file with the secret: chmod 600', { file });
  return checkedSecret(readFileSync(file, 'utf8').replace(/\r?\n$/, ''), file);
}

function checkedSecret(value: string, where: string): string {
  if (value !== '' && value.length <= LONGEST_SECRET && !/[\0\r\n]/.test(value)) return value;
  throw new UserError('bad-option', `${where} must hold one line of 1 to ${LONGEST_SECRET} characters`, { where });
}

/** Returns the environment that commands inherit, without Millrace's own variables. */
export function environmentOfCommands(environ: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environ).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !/^MILLRACE_/i.test(entry[0]),
    ),
  );
}

/**
 * Checks one address, or several with commas between them.
 * @throws UserError `bad-option`
 */
export function checkedUrls(text: string | undefined): string[] {
  if (text === undefined) throw new UserError('bad-option', '--master must be given: an address like ws://host:port');
  return text.split(',').map((address) => {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url?.protocol === 'ws:' || url?.protocol === 'wss:') return address;
    throw new UserError('bad-option', `--master must be an address like ws://host:port, not '${address}'`);
  });
}

/**
 * Checks the worker's name.
 * @throws UserError `bad-option`
 */
export function checkedName(name: string | undefined): string {
  if (name === undefined || name === '' || name.includes(':')) {
    const given = name === undefined ? 'be given' : `not be empty or contain a colon, not '${name}'`;
    throw new UserError('bad-option', `--name must ${given}`);
  }
  return name;
}

/**
 * Returns a required option.
 * @throws UserError `bad-option`
 */
export function required(flag: string, value: string | undefined): string {
  if (value === undefined) throw new UserError('bad-option', `give ${flag}`);
  return value;
}

/**
 * Parses `host:port`, or a port on all interfaces.
 * @throws UserError `bad-option`
 */
export function checkedAddress(flag: string, text: string | undefined): { host: string | undefined; port: number } {
  const [, host, port] = /^(?:\[?([^[\]]+)\]?:)?(\d{1,5})$/.exec(text ?? '') ?? [];
  if (port === undefined || Number(port) > 65_535) {
    const given = text === undefined ? '' : `, not '${text}'`;
    throw new UserError('bad-option', `${flag} must be an address like 0.0.0.0:9989${given}`);
  }
  return { host, port: Number(port) };
}
