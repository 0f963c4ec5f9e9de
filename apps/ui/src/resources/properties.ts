import { type BuildResource, EVENTS } from '@millrace/contracts';
import type { ResourceShape } from '@millrace/database';
import type { Properties } from '@millrace/domain';
import { requestAddresses } from './buildrequests.js';
import { buildAddresses } from './builds.js';
import { buildsetAddresses } from './buildsets.js';
import { oneBelow, type Resource, resource, type ResourcePorts } from './resource.js';

/** The shape of properties. Their fields are the properties' names, which are not known in advance. */
const SHAPE: ResourceShape = { plural: 'properties', id: '', fields: {} };

/** Properties of builds, build requests and buildsets: value and source by name. */
export function properties({ reads }: ResourcePorts): Resource {
  const { builds, requests, buildsets } = reads;
  return resource<Properties, number, BuildResource>({
    name: 'sourcedproperties',
    shape: SHAPE,
    seen: 'with-the-path',
    reads: [
      ...oneBelow(buildAddresses(reads), 'properties', (id) => builds.properties(id)),
      ...oneBelow(
        requestAddresses(reads),
        'properties',
        async (id) => (await requests.one(id, ['*']))?.properties ?? null,
      ),
      ...oneBelow(buildsetAddresses(reads), 'properties', (id) => buildsets.properties(id)),
    ],
    events: {
      topic: 'builds.:id.properties.:event',
      names: EVENTS.properties,
      load: (ids) => builds.byIds(ids),
      idOf: (build) => build.buildid,
      keys: (build, event) => [`builds/${build.buildid}/properties/${event}`],
      body: (build) => build.properties,
      seen: (builds, sight) => builds.filter(({ builderid }) => sight.seesBuilder(builderid)),
      // Changed properties are reported with their build's next event.
      found: {},
    },
  });
}
