import type { WorkerConnection } from '@millrace/worker-protocol';
import { AttachedWorker, type AttachedWorkerOptions } from '../src/workers/attached-worker.js';

/** Returns the worker `w`, which may build. */
export function attachedWorker(
  options: Pick<AttachedWorkerOptions, 'workerId' | 'maxBuilds'> & Partial<AttachedWorkerOptions>,
): AttachedWorker {
  const nothing = (): void => undefined;
  const worker = new AttachedWorker({
    ...{ name: 'w', env: {}, tokenId: null, relay: null, sessionEpoch: 1, connection: {} as WorkerConnection },
    events: { disconnect: nothing, doubted: nothing, recovered: nothing, shutDown: nothing },
    ...options,
  });
  worker.know({ isHeld: false, isLeaving: false, failures: 0 });
  return worker;
}
