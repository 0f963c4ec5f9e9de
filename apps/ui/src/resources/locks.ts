import type { LockResource } from '@millrace/contracts';
import { LOCK_SHAPE } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, smallList } from './resource.js';

/** Locks, with who has them and who waits for them. This resource is Millrace's own. */
export function locks({ reads }: ResourcePorts): Resource {
  return resource<LockResource>({
    name: 'lock',
    shape: LOCK_SHAPE,
    seen: (rows, sight) =>
      rows.map((row) => ({
        ...row,
        holders: row.holders.filter(({ builderid }) => sight.seesBuilder(builderid)),
        waiters: row.waiters.filter(({ builderid }) => sight.seesBuilder(builderid)),
      })),
    one: {
      at: [address('locks/n:lockid', ([id]) => id)],
      read: async (id) => (await reads.locks.all()).find(({ lockid }) => lockid === id) ?? null,
    },
    reads: [smallList('locks', () => reads.locks.all())],
  });
}
