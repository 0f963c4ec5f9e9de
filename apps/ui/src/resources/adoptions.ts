import type { AdoptionResource } from '@millrace/contracts';
import { ADOPTION_SHAPE } from '@millrace/database';
import { buildAddresses } from './builds.js';
import { type Resource, resource, type ResourcePorts, smallListBelow } from './resource.js';

/** The adoptions of a build by other engines (I9). This resource is Millrace's own. */
export function adoptions({ reads }: ResourcePorts): Resource {
  return resource<AdoptionResource>({
    name: 'adoption',
    shape: ADOPTION_SHAPE,
    seen: 'with-the-path',
    reads: smallListBelow(buildAddresses(reads), 'adoptions', (id) => reads.builds.adoptions(id)),
  });
}
