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
  smallList,
} from './resource.js';

function workerAddresses({ catalog }: Reads): Address[] {
  return [address('workers/n:workerid', ([id]) => id), address('workers/s:name', ([name]) => catalog.workerId(name))];
}

export function workers({ reads, workerActions, publish }: ResourcePorts): Resource {
  const { catalog } = reads;
  /** Returns the workers of a builder or master, with only those places in `configured_on` that belong to it. */
  const those = async (parent: 'builderid' | 'masterid', id: number): Promise<WorkerResource[]> =>
    (await catalog.workers())
      .map((worker) => ({ ...worker, configured_on: worker.configured_on.filter((place) => place[parent] === id) }))
      .filter((worker) => worker.configured_on.length > 0);
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
    one: {
      at: workerAddresses(reads),
      read: async (_caller, id) => (await catalog.workers([id]))[0] ?? null,
    },
    reads: [
      smallList('workers', () => catalog.workers()),
      smallList('builders/n:builderid/workers', (_caller, [id]) => those('builderid', id)),
      smallList('masters/n:masterid/workers', (_caller, [id]) => those('masterid', id)),
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
