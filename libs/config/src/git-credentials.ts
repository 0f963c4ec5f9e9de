import { redactAddresses, secretInAddress, UserError } from '@millrace/domain';
import type { ObjectReader } from './object-reader.js';

/** Credentials for repositories over http and https, and the place where they may be sent. */
export interface GitCredentials {
  /** User name. Default `git`. */
  readonly username?: string;
  readonly password?: string;
  /** Name of the environment variable that holds the password or token. */
  readonly passwordEnv?: string;
  /**
   * Scope of the credentials: `https://git.example.org`, or with the beginning of a path, `https://git.example.org/team`. They are sent
   * there and nowhere else. The default is the host of `repository` when that is a fixed address.
   */
  readonly url?: string;
}

/** Credentials in the form that git gets. `scope` is the place where they may be sent, in git's own spelling. */
export interface BoundCredentials {
  readonly username: string;
  readonly password: string;
  readonly scope: string;
}

/**
 * An http address that every program parses in the same way: no user, no query, no backslash, no escaped dots. Anything that two programs
 * might take for two different hosts does not match.
 */
const PLAIN_ADDRESS = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?((?:\/[\w.~!$&'()*+,;:@%-]*)*)$/i;
const MAX_ADDRESS_CHARACTERS = 2_000;

interface Place {
  readonly origin: string;
  readonly path: readonly string[];
}

function placeOf(address: string): Place | null {
  const [, scheme, host, port, path] =
    address.length > MAX_ADDRESS_CHARACTERS ? [] : (PLAIN_ADDRESS.exec(address) ?? []);
  if (scheme === undefined || host === undefined || path === undefined) return null;
  const parts = path.split('/').filter(Boolean);
  if (parts.some((part) => /^\.{1,2}$/.test(part) || /%(?:2e|2f|5c|00)/i.test(part))) return null;
  const isDefaultPort = port === undefined || Number(port) === (scheme.toLowerCase() === 'http' ? 80 : 443);
  const origin = `${scheme}://${host}${isDefaultPort ? '' : `:${Number(port)}`}`.toLowerCase();
  return { origin, path: parts };
}

/** Whether an address lies within a scope. Paths are compared part by part. */
export function isWithin(address: string, scope: string): boolean {
  const [inner, outer] = [placeOf(address), placeOf(scope)];
  if (!inner || !outer || inner.origin !== outer.origin) return false;
  return outer.path.every((part, index) => inner.path[index] === part);
}

/** Returns the scope of credentials: their `url`, or the host of a fixed repository. Returns null when neither gives one. */
export function scopeOf({ url }: GitCredentials, fixedRepository: string | null): string | null {
  const place = placeOf(url ?? fixedRepository ?? '');
  if (!place || url === undefined) return place?.origin ?? null;
  // git's `-c NAME=VALUE` ends the name at the first equals sign.
  return url.includes('=') ? null : [place.origin, ...place.path].join('/');
}

/**
 * Checks that the address of a repository contains no user name, password or token, which everybody would see.
 *
 * @throws UserError `secret-in-address`; never shows the secret
 */
export function checkRepository(repository: string): void {
  const secret = secretInAddress(repository);
  if (secret === null) return;
  throw new UserError(
    'secret-in-address',
    `the repository's address '${redactAddresses(repository)}' holds ${secret}, which pages, logs and the database would show: leave it out, and give credentials: { url, username, passwordEnv }`,
    { repository: redactAddresses(repository) },
  );
}

/**
 * Returns the credentials for one repository.
 *
 * @param fixedRepository the repository in the configuration, if it is a plain string
 * @throws UserError `no-credentials` when the variable is not set, `bad-credentials` when they may not be sent there
 */
export function credentialsFor(
  credentials: GitCredentials,
  repository: string,
  fixedRepository: string | null,
  env: Readonly<Record<string, string | undefined>>,
): BoundCredentials {
  const { username = 'git', passwordEnv = '' } = credentials;
  const password = credentials.password ?? env[passwordEnv];
  if (!password) {
    throw new UserError('no-credentials', `the environment variable '${passwordEnv}' with Git's password is not set`, {
      passwordEnv,
    });
  }
  const scope = scopeOf(credentials, fixedRepository);
  if (scope === null || !isWithin(repository, scope)) {
    throw new UserError(
      'bad-credentials',
      `the credentials are for ${scope ?? 'no address'}, so they are not sent to '${redactAddresses(repository)}'; where that is right, name the place in credentials: { url: … }`,
      { repository: redactAddresses(repository), scope },
    );
  }
  return { username, password, scope };
}

const EXPECTED = '{ url?, username?, passwordEnv } or { url?, username?, password }';

/** Checks `repository` and `credentials` of a change source or a step. Shows no password in a problem. */
export function checkGitAccess(reader: ObjectReader): void {
  const repository = reader.raw('repository');
  const fixed = typeof repository === 'string' && !/%\(/.test(repository) ? repository : null;
  const secret = typeof repository === 'string' ? secretInAddress(repository) : null;
  const report = (key: string, expected: string, message: string): void =>
    reader.into.add(
      reader.at(key),
      undefined,
      expected,
      reader.where,
      `${reader.at(key)} ${message}; expected ${expected}`,
    );
  if (secret !== null)
    report('repository', 'an address without it, and credentials: { username, passwordEnv }', `holds ${secret}`);

  const value = reader.raw('credentials');
  if (value === undefined) return;
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const isComplete = keys.includes('password') !== keys.includes('passwordEnv');
  const areTexts = keys.every((key) => isLine((value as Record<string, unknown>)[key]));
  if (!isComplete || !areTexts || keys.some((key) => !['url', 'username', 'password', 'passwordEnv'].includes(key))) {
    report('credentials', EXPECTED, 'are incomplete or have another key');
    return;
  }
  const credentials = value as GitCredentials;
  const place = "an address such as 'https://git.example.org' or 'https://git.example.org/team'";
  if (credentials.url !== undefined && scopeOf(credentials, null) === null)
    report('credentials.url', place, `is '${redactAddresses(credentials.url)}'`);
  else if (credentials.url === undefined && fixed === null)
    report('credentials.url', place, 'is missing, and the repository depends on the build: say where they may be sent');
  else if (fixed !== null && secret === null && !isWithin(fixed, scopeOf(credentials, fixed) ?? ''))
    report('credentials', `credentials for where the repository '${fixed}' is, over http or https`, 'do not fit');
}

function isLine(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/[\u0000-\u001f]/.test(value);
}
