import { EVENTS, type LogResource } from '@millrace/contracts';
import { LOG_SHAPE } from '@millrace/database';
import type { Reads } from '../reads.js';
import {
  address,
  type Address,
  addressesBelow,
  type Resource,
  resource,
  type ResourcePorts,
  smallList,
  smallListBelow,
} from './resource.js';
import { stepAddresses } from './steps.js';

/** Returns all addresses of a log. */
export function logAddresses(reads: Reads): Address[] {
  return [
    address('logs/n:logid', ([id]) => id),
    ...addressesBelow(
      stepAddresses(reads),
      'logs/s:log_slug',
      async (stepId, slug: string) =>
        (await reads.steps.logsOfStep(stepId)).find((log) => log.slug === slug)?.logid ?? null,
    ),
  ];
}

export function logs({ reads }: ResourcePorts): Resource {
  const { steps } = reads;
  return resource<LogResource>({
    name: 'log',
    shape: LOG_SHAPE,
    async seen(rows, sight) {
      const builders = await reads.belongings.buildersOf(
        'logs',
        rows.map(({ logid }) => logid),
      );
      return rows.filter(({ logid }) => builders.get(logid)?.some((id) => sight.seesBuilder(id)));
    },
    one: {
      at: logAddresses(reads),
      read: async (id) => (await steps.logsByIds([id]))[0] ?? null,
    },
    reads: [
      ...smallListBelow(stepAddresses(reads), 'logs', (id) => steps.logsOfStep(id)),
      // Millrace's own path: a build page needs the logs of all its steps in one request.
      smallList('builds/n:buildid/logs', ([id]) => steps.logsOfBuild(id)),
    ],
    events: {
      topic: 'logs.:id.:event',
      names: EVENTS.logs,
      load: (ids) => steps.logsByIds(ids),
      idOf: (log) => log.logid,
      keys: (log, event) => [`steps/${log.stepid}/logs/${log.slug}/${event}`, `logs/${log.logid}/${event}`],
      // Its end comes with that of its step.
      found: { changed: { in: 'logs', appeared: 'new', changed: 'append', vanished: null } },
    },
  });
}
