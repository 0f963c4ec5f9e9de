import { UserError } from '@millrace/domain';
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';

/** Names of one thing: what is to be kept from commands and from logs. */
const SECRET_VARIABLES = ['MILLRACE_WORKER_TOKEN', 'MILLRACE_WORKER_PASSWORD'] as const;

/** A token is a password that somebody else made up. */
export interface SecretFlags {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly passwordFile?: string;
}

export function withSecretOptions(command: Command): Command {
  return command
    .option('--token <token>', 'The token of that name, or its password. Other users of the machine can see it here.')
    .option('--token-file <file>', 'A file that holds it.')
    .option(
      '--password-file <file>',
      `The same. Without any of them it is taken from ${SECRET_VARIABLES.join(' or ')}.`,
    );
}

/** @throws UserError `no-password` */
export function secret(flags: SecretFlags, environ: NodeJS.ProcessEnv): string {
  const file = flags.tokenFile ?? flags.passwordFile;
  if (file !== undefined) return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  const value = flags.token ?? SECRET_VARIABLES.map((name) => environ[name]).find((one) => one !== undefined);
  if (value === undefined) {
    throw new UserError(
      'no-password',
      `give a password or a token with --password-file, --token-file, --token, ${SECRET_VARIABLES.join(' or ')}`,
    );
  }
  return value;
}

export function withoutSecrets(environ: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const hidden: readonly string[] = SECRET_VARIABLES;
  return Object.fromEntries(Object.entries(environ).filter(([name]) => !hidden.includes(name)));
}

/** One address or several with commas between them. @throws UserError `bad-option` */
export function checkedUrls(text: string | undefined): string[] {
  if (text === undefined) throw new UserError('bad-option', '--master must be given: an address like ws://host:port');
  return text.split(',').map((address) => {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url?.protocol === 'ws:' || url?.protocol === 'wss:') return address;
    throw new UserError('bad-option', `--master must be an address like ws://host:port, not '${address}'`);
  });
}

/** @throws UserError `bad-option` */
export function checkedName(name: string | undefined): string {
  if (name === undefined || name === '' || name.includes(':')) {
    const given = name === undefined ? 'be given' : `not be empty or contain a colon, not '${name}'`;
    throw new UserError('bad-option', `--name must ${given}`);
  }
  return name;
}

/** @throws UserError `bad-option` */
export function required(flag: string, value: string | undefined): string {
  if (value === undefined) throw new UserError('bad-option', `give ${flag}`);
  return value;
}

/** `host:port` or a port on all interfaces. @throws UserError `bad-option` */
export function checkedAddress(flag: string, text: string | undefined): { host: string | undefined; port: number } {
  const [, host, port] = /^(?:\[?([^[\]]+)\]?:)?(\d{1,5})$/.exec(text ?? '') ?? [];
  if (port === undefined || Number(port) > 65_535) {
    const given = text === undefined ? '' : `, not '${text}'`;
    throw new UserError('bad-option', `${flag} must be an address like 0.0.0.0:9989${given}`);
  }
  return { host, port: Number(port) };
}
