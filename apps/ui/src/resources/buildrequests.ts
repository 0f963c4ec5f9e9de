import { type BuildRequestResource, EVENTS, hints, requestCancelled } from '@millrace/contracts';
import { BUILD_REQUESTS, withFilter } from '@millrace/database';
import { isUuid, Result } from '@millrace/domain';
import type { Reads } from '../reads.js';
import { PriorityParams, ReasonParams } from './params.js';
import { placesOfRequest } from './places.js';
import { action, address, type Address, list, type Resource, resource, type ResourcePorts } from './resource.js';

export function requestAddresses({ requests }: Reads): Address[] {
  return [
    address('buildrequests/n:buildrequestid', ([id]) => id),
    address('buildrequests/s:uuid', ([uuid]) => (isUuid(uuid) ? requests.idOf(uuid) : Promise.resolve(null))),
  ];
}

export function buildrequests({ reads, actions, publish }: ResourcePorts): Resource {
  const { requests } = reads;
  return resource<BuildRequestResource>({
    name: 'buildrequest',
    shape: BUILD_REQUESTS.shape,
    seen: (rows, sight) => rows.filter(({ builderid }) => sight.seesBuilder(builderid)),
    one: {
      at: requestAddresses(reads),
      read: (id, properties) => requests.one(id, properties),
    },
    reads: [
      list('buildrequests', (_args, query) => requests.list(query)),
      list('builders/n:builderid/buildrequests', ([id], query) => requests.list(withFilter(query, 'builderid', id))),
    ],
    places: (requestId) => placesOfRequest(reads, requestId),
    actions: {
      cancel: action({
        permission: 'stop',
        params: ReasonParams,
        async run(_caller, requestId: number, { reason }) {
          const cancelled = await actions.cancelRequest(requestId, reason || 'no reason');
          for (const hint of requestCancelled(cancelled)) publish(hint);
          return null;
        },
      }),
      set_priority: action({
        permission: 'control',
        params: PriorityParams,
        async run(_caller, requestId: number, { priority }) {
          if (!(await actions.setPriority(requestId, priority))) return null;
          const request = await requests.one(requestId, []);
          // The request is still unclaimed, and engines have to read the queue's order again.
          if (request) {
            publish(hints.request(requestId, request.builderid, 'unclaimed'));
            publish(hints.queued(request.builderid));
          }
          return null;
        },
      }),
    },
    events: {
      topic: 'buildrequests.:id.:event',
      names: EVENTS.buildrequests,
      load: (ids) => requests.byIds(ids),
      idOf: (request) => request.buildrequestid,
      keys: ({ buildrequestid, builderid, buildsetid, results }, event) => [
        ...(event === 'complete' && results === Result.CANCELLED ? [`buildrequests/${buildrequestid}/cancel`] : []),
        `buildrequests/${buildrequestid}/${event}`,
        `builders/${builderid}/buildrequests/${buildrequestid}/${event}`,
        `buildsets/${buildsetid}/builders/${builderid}/buildrequests/${buildrequestid}/${event}`,
      ],
      found: {
        grown: { in: 'buildrequests', as: 'new' },
        ended: { in: 'buildrequests', as: 'complete' },
        changed: { in: 'buildrequests', appeared: 'claimed', changed: 'claimed', vanished: 'complete' },
      },
    },
  });
}
