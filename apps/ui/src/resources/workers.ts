import { EVENTS, hints, type WorkerResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import type { Reads } from '../reads.js';
import { few } from './few.js';
import { ReasonParams } from './params.js';
import {
  action,
  type Action,
  address,
  type Address,
  type Resource,
  resource,
  type ResourcePorts,
  single,
  smallList,
} from './resource.js';

function workerAddresses({ catalog }: Reads): Address[] {
  return [address('workers/n:workerid', ([id]) => id), address('workers/s:name', ([name]) => catalog.workerId(name))];
}

type WorkerPlace = WorkerResource['configured_on'][number];

/** Returns the workers of a builder or master, or of a builder on a master, with those places and connections only. */
export function workersAt(place: Partial<WorkerPlace>, workers: readonly WorkerResource[]): WorkerResource[] {
  const { builderid, masterid } = place;
  return workers
    .map((worker) => ({
      ...worker,
      configured_on: worker.configured_on.filter(
        (one) => one.builderid === (builderid ?? one.builderid) && one.masterid === (masterid ?? one.masterid),
      ),
      connected_to: worker.connected_to.filter((one) => one.masterid === (masterid ?? one.masterid)),
    }))
    .filter((worker) => worker.configured_on.length > 0);
}

export function workers({ reads, workerActions, publish }: ResourcePorts): Resource {
  const { catalog } = reads;
  const at = async (place: Partial<WorkerPlace>): Promise<WorkerResource[]> =>
    workersAt(place, await catalog.workers());
  const one = async (place: Partial<WorkerPlace>, is: Partial<WorkerResource>): Promise<WorkerResource | null> =>
    (await at(place)).find(({ workerid, name }) => workerid === is.workerid || name === is.name) ?? null;
  // The wanted state of a worker is stored in its row. Whichever engine has the worker reads it.
  const tell = (workerId: number): null => {
    publish(hints.worker(workerId, 'state_updated'));
    return null;
  };
  const wanting = (change: (workerId: number, reason: string | null) => Promise<void>): Action<number> =>
    action({
      permission: 'control',
      params: ReasonParams,
      async run(_caller, workerId: number, { reason }) {
        await change(workerId, reason || null);
        return tell(workerId);
      },
    });
  return resource<WorkerResource>({
    name: 'worker',
    shape: CATALOG.workers,
    seen: (rows, sight) =>
      rows.flatMap((row) =>
        sight.seesWorker(row.workerid)
          ? [{ ...row, configured_on: row.configured_on.filter(({ builderid }) => sight.seesBuilder(builderid)) }]
          : [],
      ),
    embeds: {
      configured_on: { resource: 'master_builder', isList: true },
      connected_to: { resource: 'master_id', isList: true },
    },
    one: {
      at: workerAddresses(reads),
      read: async (id) => (await catalog.workers([id]))[0] ?? null,
    },
    reads: [
      smallList('workers', () => catalog.workers()),
      smallList('builders/n:builderid/workers', ([builderid]) => at({ builderid })),
      single('builders/n:builderid/workers/n:workerid', ([builderid, workerid]) => one({ builderid }, { workerid })),
      single('builders/n:builderid/workers/s:name', ([builderid, name]) => one({ builderid }, { name })),
      smallList('masters/n:masterid/workers', ([masterid]) => at({ masterid })),
      single('masters/n:masterid/workers/n:workerid', ([masterid, workerid]) => one({ masterid }, { workerid })),
      single('masters/n:masterid/workers/s:name', ([masterid, name]) => one({ masterid }, { name })),
      smallList('masters/n:masterid/builders/n:builderid/workers', ([masterid, builderid]) =>
        at({ masterid, builderid }),
      ),
      single('masters/n:masterid/builders/n:builderid/workers/n:workerid', ([masterid, builderid, workerid]) =>
        one({ masterid, builderid }, { workerid }),
      ),
      single('masters/n:masterid/builders/n:builderid/workers/s:name', ([masterid, builderid, name]) =>
        one({ masterid, builderid }, { name }),
      ),
    ],
    places: async (id) => (await catalog.workers([id])).map(({ name }) => ({ worker: name })),
    actions: {
      pause: wanting((id, reason) => workerActions.pauseWorker(id, reason)),
      unpause: {
        permission: 'control',
        params: null,
        async run(_caller, workerId) {
          await workerActions.unpauseWorker(workerId);
          return tell(workerId);
        },
      },
      stop: wanting((id, reason) => workerActions.stopWorker(id, reason)),
      kill: wanting((id, reason) => workerActions.killWorker(id, reason)),
    },
    events: {
      topic: 'workers.:id.:event',
      names: EVENTS.workers,
      load: (ids) => catalog.workers(few(ids)),
      idOf: (worker) => worker.workerid,
      keys: (worker, event) => [`workers/${worker.workerid}/${event}`],
      found: { changed: { in: 'workers', appeared: 'state_updated', changed: 'state_updated', vanished: null } },
    },
  });
}
