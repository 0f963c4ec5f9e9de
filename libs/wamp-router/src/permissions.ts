export type Action = 'publish' | 'subscribe' | 'call' | 'register';

/** Role → URI prefix (plain string prefix, as crossbar's `match: prefix`) → what it may do there. */
export type Roles = Readonly<Record<string, Readonly<Record<string, readonly Action[]>>>>;

/**
 * Whether a role may do something with a URI: the longest prefix that fits decides, and nothing is allowed where none fits.
 * For a prefix subscription `uri` is the prefix, which must lie wholly inside what is allowed.
 */
export function isAllowed(roles: Roles, role: string, action: Action, uri: string): boolean {
  const prefixes = Object.hasOwn(roles, role) ? roles[role]! : {};
  let best: string | undefined;
  for (const prefix of Object.keys(prefixes)) {
    if (uri.startsWith(prefix) && (best === undefined || prefix.length > best.length)) best = prefix;
  }
  return best !== undefined && prefixes[best]!.includes(action);
}
