import type { WorkerResource } from '@millrace/contracts';

export interface WorkerLook {
  readonly dot: 'on' | 'paused' | 'off';
  readonly text: string;
  /** The reason that a person or a master gave, if any. */
  readonly reason: string | null;
}

/** Returns what a worker is doing; the most important state wins. `now`: seconds since the epoch. */
export function lookOfWorker(worker: WorkerResource, now: number): WorkerLook {
  const connected = worker.connected_to.length > 0;
  if (worker.missing_since !== null && !connected) return { dot: 'off', text: 'missing', reason: null };
  const dot = connected ? 'paused' : 'off';
  const away = connected ? '' : 'not connected, ';
  if (worker.graceful) return { dot, text: `${away}shutting down when idle`, reason: worker.shutdown_reason };
  if (worker.paused) return { dot, text: `${away}paused`, reason: worker.pause_reason };
  if (isQuarantined(worker, now)) return { dot, text: `${away}in quarantine`, reason: worker.quarantine_reason };
  return connected
    ? { dot: 'on', text: 'connected', reason: null }
    : { dot: 'off', text: 'not connected', reason: null };
}

export function isQuarantined(worker: WorkerResource, now: number): boolean {
  return worker.quarantined_until !== null && worker.quarantined_until > now;
}

/** Whether something that can be ended by hand keeps the worker from building. */
export function isHeldBack(worker: WorkerResource, now: number): boolean {
  return worker.paused || worker.graceful || isQuarantined(worker, now);
}

/** Returns a file of the worker's `info` folder; empty when there is none. */
export function infoText(worker: WorkerResource, name: string): string {
  const text = worker.workerinfo[name];
  return typeof text === 'string' ? text.trim() : '';
}
