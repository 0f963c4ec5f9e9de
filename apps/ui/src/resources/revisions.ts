import {
  hints,
  type RevertResource,
  type RevisionDifferenceResource,
  type RevisionResource,
} from '@millrace/contracts';
import { type AskedMaster, REVERT_SHAPE, REVISION_DIFFERENCE_SHAPE, REVISIONS } from '@millrace/database';
import { type JsonValue, UserError } from '@millrace/domain';
import { ownerNameOf } from './caller.js';
import {
  type Address,
  address,
  list,
  type Resource,
  resource,
  type ResourcePorts,
  smallList,
  smallListBelow,
} from './resource.js';

const ADDRESSES = [address('revisions/n:revisionid', ([id]) => id)];

/** The configurations that masters have read, and going back to one. This resource is Millrace's own. */
export function revisions({ reads, reverts: store, publish }: ResourcePorts): Resource {
  const ask = (asked: readonly AskedMaster[]): JsonValue => {
    for (const { masterId } of asked) publish(hints.command(masterId));
    return { masters: asked.map(({ name }) => name) };
  };
  const fingerprintOf = async (id: number): Promise<string> => {
    const revision = await reads.revisions.one(id);
    if (!revision) throw new UserError('not-found', 'no such revision');
    return revision.fingerprint;
  };
  return resource<RevisionResource>({
    name: 'revision',
    shape: REVISIONS.shape,
    seen: 'by-those-who-see-all',
    one: { at: ADDRESSES, read: (id) => reads.revisions.one(id) },
    reads: [list('revisions', (_args, query) => reads.revisions.list(query))],
    actions: {
      revert: {
        permission: 'revert',
        params: null,
        run: async (caller, id) =>
          ask(await store.revert(await fingerprintOf(id), ownerNameOf(caller) ?? 'somebody who is not signed in')),
      },
      end_revert: {
        permission: 'revert',
        params: null,
        run: async (_caller, id) => ask(await store.end(await fingerprintOf(id))),
      },
    },
  });
}

/** The earlier revisions that are in force in place of what a file says, and which masters have them. This resource is Millrace's own. */
export function reverts({ reverts: store }: ResourcePorts): Resource {
  return resource<RevertResource>({
    name: 'revert',
    shape: REVERT_SHAPE,
    seen: 'by-those-who-see-all',
    reads: [smallList('reverts', () => store.all())],
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
