/**
 * What travels over the bus: "row X changed", nothing else (I1). Whoever cares re-reads the row; the ids in a payload only save a
 * lookup, and a lost hint is found again by a poll.
 */
export interface Hint {
  /** Dot-separated, follows the resource paths of `/api/v2`. */
  readonly topic: string;
  readonly payload: Readonly<Record<string, number | string>>;
}

export type BuildEvent = 'new' | 'update' | 'finished';
export type StepEvent = 'new' | 'started' | 'updated' | 'finished';
export type LogEvent = 'new' | 'append' | 'finished';
export type RequestEvent = 'new' | 'claimed' | 'unclaimed' | 'complete';
export type WorkerEvent = 'connected' | 'disconnected' | 'state_updated' | 'missing';

export const hints = {
  change: (changeid: number): Hint => ({ topic: `changes.${changeid}.new`, payload: { changeid } }),
  buildset: (bsid: number, event: 'new' | 'complete'): Hint => ({
    topic: `buildsets.${bsid}.${event}`,
    payload: { bsid },
  }),
  request: (buildrequestid: number, builderid: number, event: RequestEvent): Hint => ({
    topic: `buildrequests.${buildrequestid}.${event}`,
    payload: { buildrequestid, builderid },
  }),
  /** Engines listen to this one: there is something to claim for the builder. */
  queued: (builderid: number): Hint => ({ topic: `queue.${builderid}`, payload: { builderid } }),
  build: (buildid: number, event: BuildEvent): Hint => ({ topic: `builds.${buildid}.${event}`, payload: { buildid } }),
  buildProperties: (buildid: number): Hint => ({ topic: `builds.${buildid}.properties.update`, payload: { buildid } }),
  step: (buildid: number, stepid: number, event: StepEvent): Hint => ({
    topic: `builds.${buildid}.steps.${stepid}.${event}`,
    payload: { buildid, stepid },
  }),
  log: (buildid: number, stepid: number, logid: number, event: LogEvent): Hint => ({
    topic: `logs.${logid}.${event}`,
    payload: { buildid, stepid, logid },
  }),
  worker: (workerid: number, event: WorkerEvent): Hint => ({
    topic: `workers.${workerid}.${event}`,
    payload: { workerid },
  }),
  master: (masterid: number, event: 'started' | 'stopped'): Hint => ({
    topic: `masters.${masterid}.${event}`,
    payload: { masterid },
  }),
  builder: (builderid: number): Hint => ({ topic: `builders.${builderid}.update`, payload: { builderid } }),
  scheduler: (schedulerid: number): Hint => ({ topic: `schedulers.${schedulerid}.updated`, payload: { schedulerid } }),
  /** A token of a worker was made or revoked. */
  workerTokens: (): Hint => ({ topic: 'workertokens', payload: {} }),
  /** A command row waits for this master (0: for every master). */
  command: (masterid: number): Hint => ({ topic: `commands.${masterid}`, payload: { masterid } }),
};
