import { UserError } from '@millrace/domain';
import type { BoundCredentials } from './git-credentials.js';
import type { ObjectReader } from './object-reader.js';

/** A private key for a repository over SSH, and the keys by which the server is known. */
export interface GitKeyOptions {
  /** The content of a private key for a fixed `repository` over SSH. */
  readonly sshPrivateKey?: string;
  /** Name of the environment variable that holds the private key. */
  readonly sshPrivateKeyEnv?: string;
  /** The server's public key, such as `ssh-ed25519 AAAA…`. */
  readonly sshHostKey?: string;
  /** The content of a `known_hosts` file. */
  readonly sshKnownHosts?: string;
}

export interface GitKeyFileOption {
  /** The file that holds the private key, on the host of whoever uses it. */
  readonly sshPrivateKeyFile?: string;
}

/** A private key, or the file of one, with the hosts that are known. `knownHosts` is the content of a file of that name; null for the user's own. */
export interface BoundKey {
  readonly kind: 'ssh-key';
  readonly privateKey: string | { readonly file: string };
  readonly knownHosts: string | null;
}

/** What gives access to a repository. */
export type GitAccess = { readonly kind: 'password'; readonly bound: BoundCredentials } | BoundKey;

/**
 * Returns the key for a repository; null when none is given.
 *
 * @throws UserError `no-credentials` when the variable is not set
 */
export function keyFor(
  options: GitKeyOptions & GitKeyFileOption,
  env: (variable: string) => string | undefined,
): BoundKey | null {
  const { sshPrivateKey, sshPrivateKeyEnv: variable = '', sshPrivateKeyFile: file } = options;
  if (file !== undefined) return { kind: 'ssh-key', privateKey: { file }, knownHosts: knownHostsOf(options) };
  if (sshPrivateKey === undefined && variable === '') return null;
  const privateKey = sshPrivateKey ?? env(variable);
  if (!privateKey) {
    throw new UserError('no-credentials', `the environment variable '${variable}' with Git's SSH key is not set`, {
      sshPrivateKeyEnv: variable,
    });
  }
  return { kind: 'ssh-key', privateKey, knownHosts: knownHostsOf(options) };
}

/** Returns the content of a `known_hosts` file; null when no host is named. */
function knownHostsOf({ sshHostKey, sshKnownHosts }: GitKeyOptions): string | null {
  return sshKnownHosts ?? (sshHostKey === undefined ? null : `* ${sshHostKey}`);
}

/** Returns the files that ssh needs for a key, by name. They belong into a folder that nobody else can read, with mode 600. */
export function keyFiles({ privateKey, knownHosts }: BoundKey): Readonly<Record<string, string>> {
  return {
    ...(typeof privateKey === 'string' && { key: `${privateKey.trim()}\n` }),
    ...(knownHosts !== null && { known_hosts: `${knownHosts.trim()}\n` }),
  };
}

/**
 * Returns the environment of a git process that uses a key. It asks nobody, offers no other key and talks to known hosts only.
 *
 * @param pathOf the path of one of the `keyFiles`
 */
export function keyEnvironment(
  { privateKey, knownHosts }: BoundKey,
  pathOf: (name: string) => string,
): Readonly<Record<string, string>> {
  // `-F none`: ssh looks for its user's configuration in the home that the password database names, where a build may have left one.
  const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=yes'];
  if (knownHosts !== null) options.push(`UserKnownHostsFile="${pathOf('known_hosts')}"`, 'GlobalKnownHostsFile=none');
  const key = typeof privateKey === 'string' ? pathOf('key') : privateKey.file;
  const words = ['ssh', '-F', 'none', '-i', key, ...options.flatMap((option) => ['-o', option])];
  return { GIT_SSH_COMMAND: words.map(quotedForGit).join(' '), GIT_SSH_VARIANT: 'ssh' };
}

/** Quotes a word for the shell that git itself starts, also on Windows. */
export function quotedForGit(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Checks the key. Never shows a key in a problem. Returns the names of the options that give one. */
export function checkGitKey(
  reader: ObjectReader,
  ways: readonly string[] = ['sshPrivateKey', 'sshPrivateKeyEnv'],
): readonly string[] {
  const given = ways.filter((key) => reader.has(key));
  const report = (key: string, expected: string): void =>
    reader.into.add(reader.at(key), undefined, expected, reader.where, `${reader.at(key)}: expected ${expected}`);
  if (given.length > 1) report(given[0]!, `one of ${ways.join(', ')}`);
  for (const key of [...given, 'sshHostKey', 'sshKnownHosts'].filter((key) => reader.has(key))) {
    const value = reader.raw(key);
    if (typeof value !== 'string' || value.trim() === '') report(key, 'a non-empty string');
  }
  const hostKey = reader.raw('sshHostKey');
  if (typeof hostKey === 'string' && hostKey.trim().includes('\n')) report('sshHostKey', 'one public key');
  if (reader.has('sshHostKey') && reader.has('sshKnownHosts'))
    report('sshHostKey', 'sshHostKey or sshKnownHosts, not both');
  if (given.length === 0) {
    for (const key of ['sshHostKey', 'sshKnownHosts']) if (reader.has(key)) report(key, 'sshPrivateKeyEnv beside it');
    return given;
  }
  const repository = reader.raw('repository');
  const isFixed = typeof repository === 'string' && !repository.includes('%(');
  if (!isFixed)
    report(
      given[0]!,
      'a repository that is a plain string: with one that depends on the build the key would open whatever that names',
    );
  if (reader.has('credentials')) report(given[0]!, 'credentials or an SSH key, not both');
  return given;
}
