import type { AdoptionResource } from '@millrace/contracts';
import { ADOPTION_SHAPE } from '@millrace/database';
import { buildAddresses } from './builds.js';
import { type Resource, resource, type ResourcePorts, smallListBelow } from './resource.js';

/** Which engines a build went through (I9); Millrace's own. */
export function adoptions({ reads }: ResourcePorts): Resource {
  return resource<AdoptionResource>({
    name: 'adoption',
    shape: ADOPTION_SHAPE,
    reads: smallListBelow(buildAddresses(reads), 'adoptions', (_caller, id) => reads.builds.adoptions(id)),
  });
}
