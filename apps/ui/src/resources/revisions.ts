import type { RevisionDifferenceResource, RevisionResource } from '@millrace/contracts';
import { REVISION_DIFFERENCE_SHAPE, REVISIONS } from '@millrace/database';
import {
  type Address,
  address,
  list,
  type Resource,
  resource,
  type ResourcePorts,
  smallListBelow,
} from './resource.js';

const ADDRESSES = [address('revisions/n:revisionid', ([id]) => id)];

/** The configurations that masters have read. This resource is Millrace's own. */
export function revisions({ reads }: ResourcePorts): Resource {
  return resource<RevisionResource>({
    name: 'revision',
    shape: REVISIONS.shape,
    seen: 'by-those-who-see-all',
    one: { at: ADDRESSES, read: (id) => reads.revisions.one(id) },
    reads: [list('revisions', (_args, query) => reads.revisions.list(query))],
  });
}

/**
 * What differs between a revision and another one, by default the one before it, for those who may know: it names people and addresses, and
 * has the environments of builds. This resource is Millrace's own.
 */
export function revisionDifferences({ reads }: ResourcePorts): Resource {
  const pairs: Address<readonly [number, number]> = address(
    'revisions/n:revisionid/from/n:from_revisionid',
    (pair) => pair,
  );
  return resource<RevisionDifferenceResource>({
    name: 'revisiondifference',
    view: 'audit',
    shape: REVISION_DIFFERENCE_SHAPE,
    seen: 'by-those-who-see-all',
    reads: [
      ...smallListBelow(ADDRESSES, 'differences', (id) => reads.revisions.differences(id)),
      ...smallListBelow([pairs], 'differences', ([id, from]) => reads.revisions.differences(id, from)),
    ],
  });
}
