import { type BuildResource, EVENTS, hints } from '@millrace/contracts';
import { BUILDS, evaluate, HISTORY_LIMIT, type Page, type ResourceQuery, withFilter } from '@millrace/database';
import type { Reads } from '../reads.js';
import { announce } from './announce.js';
import { builderAddresses } from './builders.js';
import { requestAddresses } from './buildrequests.js';
import { ReasonParams, RebuildParams } from './params.js';
import { placesOfBuild } from './places.js';
import {
  action,
  address,
  type Address,
  addressesBelow,
  ifFound,
  list,
  type ReadPath,
  type Resource,
  resource,
  type ResourcePorts,
} from './resource.js';
import { withoutLockHolders } from './seen.js';

/** Returns all addresses of a build. */
export function buildAddresses(reads: Reads): Address[] {
  return [
    address('builds/n:buildid', ([id]) => id),
    ...addressesBelow(builderAddresses(reads), 'builds/n:build_number', (builderId, number: number) =>
      reads.builds.idOf(builderId, number),
    ),
  ];
}

export function builds({ reads, actions, publish }: ResourcePorts): Resource {
  const { builds, requests } = reads;
  const all = (query: ResourceQuery): Promise<Page<BuildResource>> => builds.list(query);
  const among = (ids: readonly number[], query: ResourceQuery): Page<BuildResource> | Promise<Page<BuildResource>> =>
    ids.length === 0
      ? evaluate([], query, HISTORY_LIMIT)
      : all({ ...query, filters: [...query.filters, { field: 'buildid', op: 'eq', values: ids }] });
  /** Returns the lists of builds below the addresses of a parent. A parent that does not exist has an empty list. */
  const ofEach = (parents: readonly Address[], field: string): ReadPath[] =>
    parents.map((parent) => ({
      path: `${parent.path}/builds`,
      read: {
        kind: 'list',
        read: async (args, query) =>
          (await ifFound(parent.id(args), (id) => all(withFilter(query, field, id)))) ??
          evaluate([], query, HISTORY_LIMIT),
      },
    }));
  /** A request that was collapsed has the builds of the request that it was collapsed into: its link stays good (I6). */
  const standing = ({ path, id }: Address): Address => ({
    path,
    id: async (args) => ifFound(id(args), (requestId) => requests.standingFor(requestId)),
  });
  return resource<BuildResource>({
    name: 'build',
    shape: BUILDS.shape,
    seen: (rows, sight) =>
      rows.flatMap((row) =>
        sight.seesBuilder(row.builderid) ? [{ ...row, state_string: withoutLockHolders(row.state_string) }] : [],
      ),
    one: {
      at: buildAddresses(reads),
      read: (id, properties) => builds.one(id, properties),
    },
    reads: [
      list('builds', (_args, query) => all(query)),
      ...ofEach(builderAddresses(reads), 'builderid'),
      ...ofEach([address('workers/n:workerid', ([id]) => id)], 'workerid'),
      ...ofEach(requestAddresses(reads).map(standing), 'buildrequestid'),
      list('changes/n:changeid/builds', async ([changeId], query) =>
        among(await builds.ofChange(changeId, HISTORY_LIMIT.default), query),
      ),
      list('builds/n:buildid/triggered_builds', async ([buildId], query) =>
        among(await builds.triggeredBy(buildId, HISTORY_LIMIT.default), query),
      ),
    ],
    places: (buildId) => placesOfBuild(reads, buildId),
    actions: {
      stop: action({
        permission: 'stop',
        params: ReasonParams,
        async run(_caller, buildId: number, { reason }) {
          const stopping = await actions.stopBuild(buildId, reason || 'no reason');
          if (stopping) publish(hints.command(stopping.masterId));
          return null;
        },
      }),
      rebuild: action({
        permission: 'rebuild',
        params: RebuildParams,
        run: async (_caller, buildId: number, { what }) =>
          announce(publish, await actions.rebuild(buildId, what ?? 'all')),
      }),
    },
    events: {
      topic: 'builds.:id.:event',
      names: EVENTS.builds,
      load: (ids) => builds.byIds(ids),
      idOf: (build) => build.buildid,
      keys: ({ buildid, builderid, number, workerid, buildrequestid }, event) => [
        `builds/${buildid}/${event}`,
        `builders/${builderid}/builds/${number}/${event}`,
        `workers/${workerid}/builds/${buildid}/${event}`,
        `buildrequests/${buildrequestid}/builds/${buildid}/${event}`,
      ],
      found: {
        // A build that began and ended between two rounds is new, and is reported with its final state.
        grown: { in: 'builds', as: 'new', then: { as: 'update', unless: 'finished' } },
        changed: { in: 'builds', appeared: 'new', changed: 'update', vanished: 'finished' },
      },
    },
  });
}
