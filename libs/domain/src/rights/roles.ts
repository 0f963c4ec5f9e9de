import { ANYONE, type Person, SIGNED_IN } from './person.js';

/** One way to get roles. Addresses and domains are compared without regard to case, all other names exactly. */
export type RoleSource =
  /** A role for each group whose name begins with the prefix, named by the rest. */
  | { readonly from: 'groups'; readonly prefix: string }
  /** Roles for e-mail addresses. */
  | { readonly from: 'emails'; readonly roles: Readonly<Record<string, readonly string[]>> }
  /** Roles for the domains of e-mail addresses. */
  | { readonly from: 'domains'; readonly roles: Readonly<Record<string, readonly string[]>> }
  /** Roles for user names. */
  | { readonly from: 'usernames'; readonly roles: Readonly<Record<string, readonly string[]>> }
  /** A role for whoever started the build that it is about. */
  | { readonly from: 'owner'; readonly role: string };

/**
 * Returns the roles of a person.
 * @param person null for somebody who is not signed in
 * @param owners who started the build or request that it is about
 */
export function rolesOf(
  sources: readonly RoleSource[],
  person: Person | null,
  owners: readonly string[] = [],
): ReadonlySet<string> {
  if (person === null) return new Set([ANYONE]);
  return new Set([ANYONE, SIGNED_IN, ...sources.flatMap((source) => rolesBy(source, person, owners))]);
}

function rolesBy(source: RoleSource, person: Person, owners: readonly string[]): readonly string[] {
  const { username, email, groups } = person;
  switch (source.from) {
    case 'groups':
      return (
        groups
          .filter((group) => group.startsWith(source.prefix))
          .map((group) => group.slice(source.prefix.length))
          // No group makes anybody more than they are.
          .filter((role) => role !== '' && role !== ANYONE && role !== SIGNED_IN)
      );
    case 'emails':
      return email === null ? [] : rolesWith(source.roles, (one) => same(one, email));
    case 'domains':
      return email === null || !email.includes('@')
        ? []
        : rolesWith(source.roles, (domain) => same(domain, email.slice(email.lastIndexOf('@') + 1)));
    case 'usernames':
      return rolesWith(source.roles, (one) => one === username);
    case 'owner':
      return owners.some((owner) => owner === username || (email !== null && same(owner, email))) ? [source.role] : [];
  }
}

function rolesWith(
  roles: Readonly<Record<string, readonly string[]>>,
  has: (member: string) => boolean,
): readonly string[] {
  return Object.entries(roles).flatMap(([role, members]) => (members.some(has) ? [role] : []));
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
