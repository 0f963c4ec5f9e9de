import type { Reads } from '../reads.js';
import type { Prefix } from './endpoints.js';

/** All ways to name a build. */
export function buildPrefixes({ builds, catalog }: Reads): Prefix[] {
  return [
    { pattern: 'builds/:n', id: async ([id]) => id as number },
    {
      pattern: 'builders/:n/builds/:n',
      id: ([builderId, number]) => builds.idOf(builderId as number, number as number),
    },
    {
      pattern: 'builders/:s/builds/:n',
      id: ([name, number]) =>
        ifFound(catalog.builderId(String(name)), (builderId) => builds.idOf(builderId, number as number)),
    },
  ];
}

export async function ifFound<T>(
  id: Promise<number | null>,
  then: (id: number) => Promise<T | null>,
): Promise<T | null> {
  const found = await id;
  return found === null ? null : then(found);
}
