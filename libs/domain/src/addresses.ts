/** An address in a text: a scheme, `//`, and everything up to white space or a quotation mark. */
const ADDRESS = /\b[a-z][a-z0-9+.-]{0,31}:\/\/[^\s"'`<>]+/gi;
/** Query parameters whose values are secrets. */
const SECRET_PARAMETER =
  /token|secret|passw|pwd|api[-_]?key|access[-_]?key|signature|credential|^(auth|key|sig|code|ticket)$/i;
const HIDDEN = '***';

/**
 * Hides user names, passwords and secret query parameters in every address that a text contains, for logs, errors and pages. An address
 * that cannot be parsed loses everything before its last `@`.
 */
export function redactAddresses(text: string): string {
  return text.includes('://') ? text.replace(ADDRESS, redactAddress) : text;
}

function redactAddress(address: string): string {
  const [, scheme, rest] = /^([^:]+:\/\/)(.*)$/s.exec(address)!;
  // The authority ends at the first slash, question mark or hash. An unencoded password may contain these, so in an address that cannot be
  // parsed the last @ counts.
  const url = URL.canParse(address) ? new URL(address) : null;
  const end = url === null ? rest!.length : rest!.search(/[/?#\\]|$/);
  const at = rest!.slice(0, end).lastIndexOf('@');
  const withoutUser = at < 0 ? rest! : `${HIDDEN}@${rest!.slice(at + 1)}`;
  return scheme! + withoutUser.replace(/([?&#;])([^=&#;]{1,100})=([^&#;]*)/g, hideParameter);
}

function hideParameter(all: string, mark: string, name: string): string {
  return SECRET_PARAMETER.test(name) ? `${mark}${name}=${HIDDEN}` : all;
}

/** Returns the only part of an address that may be shown when it cannot be parsed and any part of it could be a password. */
export function schemeOf(address: string): string {
  return `${/^[a-z][a-z0-9+.-]{0,20}:\/\//i.exec(address)?.[0] ?? ''}…`;
}

/** Whether the user name and password of an address can be decoded: they have no malformed escapes. */
export function hasReadableUser({
  username,
  password,
}: {
  readonly username: string;
  readonly password: string;
}): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns why a repository's address must not be in a configuration, a change or a property; null when it may. It would be shown on pages,
 * stored in the database and visible in `ps` to everybody on the machine. The user name of ssh (`git@host:path`, `ssh://git@host/path`) is
 * no secret.
 */
export function secretInAddress(address: string): string | null {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(address) ?? [];
  if (scheme === undefined || rest === undefined) return null;
  const end = rest.search(/[/?#\\]|$/);
  // `http://user:pa/ss@host/` is not a valid address, but contains a secret all the same.
  const userInfo = URL.canParse(address)
    ? rest.slice(0, Math.max(0, rest.slice(0, end).lastIndexOf('@')))
    : beforeAt(rest);
  const isSsh = /^(git\+)?ssh$|^ssh\+git$/i.test(scheme);
  if (userInfo !== '' && (!isSsh || userInfo.includes(':'))) return 'a user name or password';
  const query = /[?#](.*)$/s.exec(rest)?.[1] ?? '';
  const parameter = query.split(/[&;#]/).find((part) => SECRET_PARAMETER.test(part.split('=')[0]!));
  return parameter === undefined ? null : `the parameter '${parameter.split('=')[0]}'`;
}

function beforeAt(rest: string): string {
  const at = rest.lastIndexOf('@');
  return at < 0 ? '' : rest.slice(0, at);
}
