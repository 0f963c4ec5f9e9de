const MAX_CHARACTERS = 2_000;

/**
 * Returns where to go after a login or logout: a page of this site behind a hash, as Buildbot does it, and as the pages of both understand it.
 * Nothing that is asked for can lead elsewhere or end the header.
 */
export function redirectTo(site: string, redirect: unknown): string {
  const isPath =
    typeof redirect === 'string' && redirect.length <= MAX_CHARACTERS && /^\/(?![/\\])[\x21-\x7e]*$/.test(redirect);
  return `${site}/#${isPath ? redirect : '/'}`;
}
