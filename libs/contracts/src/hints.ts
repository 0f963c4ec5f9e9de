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

/** Whether a topic says that a build has ended; not a step or a log of it. */
export function isBuildFinished(topic: string): boolean {
  return /^builds\.\d+\.finished$/.test(topic);
}

/** Kind of topic → what follows the kind, with `:id` for a number → the ids that such a hint carries. */
const SHAPES: ReadonlyMap<string, readonly { readonly rest: RegExp; readonly ids: readonly string[] }[]> = new Map([
  ['changes', [shape(':id.new', 'changeid')]],
  ['buildsets', [shape(':id.(new|complete)', 'bsid')]],
  ['buildrequests', [shape(':id.(new|claimed|unclaimed|complete)', 'buildrequestid', 'builderid')]],
  ['queue', [shape(':id', 'builderid')]],
  [
    'builds',
    [
      shape(':id.(new|update|finished)', 'buildid'),
      shape(':id.properties.update', 'buildid'),
      shape(':id.steps.:id.(new|started|updated|finished)', 'buildid', 'stepid'),
    ],
  ],
  ['logs', [shape(':id.(new|append|finished)', 'buildid', 'stepid', 'logid')]],
  ['workers', [shape(':id.(connected|disconnected|state_updated|missing)', 'workerid')]],
  ['masters', [shape(':id.(started|stopped)', 'masterid')]],
  ['builders', [shape(':id.update', 'builderid')]],
  ['schedulers', [shape(':id.updated', 'schedulerid')]],
  ['workertokens', [shape('')]],
  ['commands', [shape(':id', 'masterid')]],
]);
const MAX_TOPIC_CHARACTERS = 100;

function shape(rest: string, ...ids: string[]): { readonly rest: RegExp; readonly ids: readonly string[] } {
  return { rest: new RegExp(`^${rest.replaceAll('.', '\\.').replaceAll(':id', '\\d{1,15}')}$`), ids };
}

/**
 * Reads what somebody put on the bus; null: it is no hint that this version knows. Only the ids that a hint carries are taken over, so
 * that nothing else of what came is kept or handed on.
 */
export function readHint(topic: string, payload: unknown): Hint | null {
  if (topic.length > MAX_TOPIC_CHARACTERS || typeof payload !== 'object' || payload === null) return null;
  const dot = topic.indexOf('.');
  const rest = dot < 0 ? '' : topic.slice(dot + 1);
  const found = SHAPES.get(dot < 0 ? topic : topic.slice(0, dot))?.find((candidate) => candidate.rest.test(rest));
  if (!found) return null;
  const ids: Record<string, number> = {};
  for (const name of found.ids) {
    const id = Object.hasOwn(payload, name) ? (payload as Record<string, unknown>)[name] : undefined;
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) return null;
    ids[name] = id;
  }
  return { topic, payload: ids };
}
