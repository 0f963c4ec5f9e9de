export type Action = 'publish' | 'subscribe' | 'call' | 'register';

/** Allowed actions by role and URI prefix (a plain string prefix, as crossbar's `match: prefix`). */
export type Roles = Readonly<Record<string, Readonly<Record<string, readonly Action[]>>>>;

/**
 * Whether a role may do something with a URI. The longest prefix that fits decides; without one nothing is allowed. For a prefix
 * subscription `uri` is the prefix, which must lie wholly inside what is allowed.
 */
export function isAllowed(roles: Roles, role: string, action: Action, uri: string): boolean {
  const prefixes = Object.hasOwn(roles, role) ? roles[role]! : {};
  let best: string | undefined;
  for (const prefix of Object.keys(prefixes)) {
    if (uri.startsWith(prefix) && (best === undefined || prefix.length > best.length)) best = prefix;
  }
  return best !== undefined && prefixes[best]!.includes(action);
}
