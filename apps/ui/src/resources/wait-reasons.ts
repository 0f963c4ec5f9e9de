import type { WaitReasonResource } from '@millrace/contracts';
import { shapeOf } from '@millrace/database';
import { requestAddresses } from './buildrequests.js';
import { oneBelow, type Resource, resource, type ResourcePorts } from './resource.js';
import { withoutLockHolders } from './seen.js';

const SHAPE = shapeOf<WaitReasonResource>({
  plural: 'wait_reasons',
  id: 'buildrequestid',
  fields: {
    ahead: 'int?',
    ahead_is_more: 'bool',
    buildrequestid: 'int',
    reason: 'identifier',
    state: 'identifier',
    text: 'string',
  },
});

/** The reason why a build request waits. This resource is Millrace's own. */
export function waitReasons({ reads }: ResourcePorts): Resource {
  return resource<WaitReasonResource>({
    name: 'wait_reason',
    shape: SHAPE,
    seen: (rows) => rows.map((row) => ({ ...row, text: withoutLockHolders(row.text) })),
    reads: oneBelow(requestAddresses(reads), 'wait_reason', (id) => reads.waiting.of(id)),
  });
}
