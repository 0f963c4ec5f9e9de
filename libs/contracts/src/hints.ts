/**
 * A message on the bus: "row X changed", and nothing else (I1). Receivers re-read the row. The ids in the payload only save a look-up, and
 * a lost hint is made up for by a poll.
 */
export interface Hint {
  /** Words with dots between, following the resource paths of `/api/v2`. */
  readonly topic: string;
  readonly payload: Readonly<Record<string, number | string>>;
}

/** Events of each resource, in the order of a row's life. */
export const EVENTS = {
  changes: ['new'],
  deliveries: ['new', 'updated'],
  buildsets: ['new', 'complete'],
  buildrequests: ['new', 'claimed', 'unclaimed', 'complete'],
  builds: ['new', 'update', 'finished'],
  properties: ['update'],
  steps: ['new', 'started', 'updated', 'finished'],
  logs: ['new', 'append', 'finished'],
  test_result_sets: ['new', 'completed'],
  workers: ['connected', 'state_updated', 'missing', 'disconnected'],
  masters: ['started', 'stopped'],
  // The first two tell a part of the row only, so the whole row comes last.
  builders: ['started', 'stopped', 'update'],
  projects: ['update'],
  codebases: ['update'],
  branches: ['update'],
  commits: ['new'],
  schedulers: ['updated'],
} as const;

type EventOf<R extends keyof typeof EVENTS> = (typeof EVENTS)[R][number];
export type BuildEvent = EventOf<'builds'>;
export type StepEvent = EventOf<'steps'>;
export type LogEvent = EventOf<'logs'>;
export type RequestEvent = EventOf<'buildrequests'>;
export type WorkerEvent = EventOf<'workers'>;

export const hints = {
  change: (changeid: number): Hint => ({ topic: `changes.${changeid}.new`, payload: { changeid } }),
  delivery: (deliveryid: number, event: EventOf<'deliveries'>): Hint => ({
    topic: `deliveries.${deliveryid}.${event}`,
    payload: { deliveryid },
  }),
  buildset: (bsid: number, event: EventOf<'buildsets'>): Hint => ({
    topic: `buildsets.${bsid}.${event}`,
    payload: { bsid },
  }),
  request: (buildrequestid: number, builderid: number, event: RequestEvent): Hint => ({
    topic: `buildrequests.${buildrequestid}.${event}`,
    payload: { buildrequestid, builderid },
  }),
  /** There is a build request of this builder to claim. Engines listen to it. */
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
  testResultSet: (test_result_setid: number, event: EventOf<'test_result_sets'>): Hint => ({
    topic: `test_result_sets.${test_result_setid}.${event}`,
    payload: { test_result_setid },
  }),
  worker: (workerid: number, event: WorkerEvent): Hint => ({
    topic: `workers.${workerid}.${event}`,
    payload: { workerid },
  }),
  master: (masterid: number, event: EventOf<'masters'>): Hint => ({
    topic: `masters.${masterid}.${event}`,
    payload: { masterid },
  }),
  builder: (builderid: number): Hint => ({ topic: `builders.${builderid}.update`, payload: { builderid } }),
  scheduler: (schedulerid: number): Hint => ({ topic: `schedulers.${schedulerid}.updated`, payload: { schedulerid } }),
  /** Somebody does not have the lock any more, or does not wait for it any more. Engines listen to it. */
  lock: (lockid: number): Hint => ({ topic: `locks.${lockid}.released`, payload: { lockid } }),
  /** A token of a worker was made or revoked. */
  workerTokens: (): Hint => ({ topic: 'workertokens', payload: {} }),
  /** A command row waits for this master (0: for every master). */
  command: (masterid: number): Hint => ({ topic: `commands.${masterid}`, payload: { masterid } }),
};

/** Whether a topic says that a build has ended. The end of a step or a log of a build does not count. */
export function isBuildFinished(topic: string): boolean {
  return /^builds\.\d+\.finished$/.test(topic);
}

/** Whether only pages show what a hint tells. No master has to act on it, so it may be sent a little later, together with others. */
export function isForPages(topic: string): boolean {
  return FOR_PAGES.test(topic);
}

const FOR_PAGES =
  /^(builds\.\d+\.(new|update|properties\.update|steps\.\d+\.\w+)|(logs|test_result_sets)\.\d+\.\w+|buildrequests\.\d+\.claimed)$/;

/**
 * Allowed topics by kind: the rest of the topic, with `:id` for a number and `:event` for an event, and the ids that such a hint carries.
 */
const SHAPES: ReadonlyMap<string, readonly { readonly rest: RegExp; readonly ids: readonly string[] }[]> = new Map([
  ['changes', [shape(':id.:event', EVENTS.changes, 'changeid')]],
  ['deliveries', [shape(':id.:event', EVENTS.deliveries, 'deliveryid')]],
  ['buildsets', [shape(':id.:event', EVENTS.buildsets, 'bsid')]],
  ['buildrequests', [shape(':id.:event', EVENTS.buildrequests, 'buildrequestid', 'builderid')]],
  ['queue', [shape(':id', [], 'builderid')]],
  [
    'builds',
    [
      shape(':id.:event', EVENTS.builds, 'buildid'),
      shape(':id.properties.:event', EVENTS.properties, 'buildid'),
      shape(':id.steps.:id.:event', EVENTS.steps, 'buildid', 'stepid'),
    ],
  ],
  ['logs', [shape(':id.:event', EVENTS.logs, 'buildid', 'stepid', 'logid')]],
  ['test_result_sets', [shape(':id.:event', EVENTS.test_result_sets, 'test_result_setid')]],
  ['workers', [shape(':id.:event', EVENTS.workers, 'workerid')]],
  ['masters', [shape(':id.:event', EVENTS.masters, 'masterid')]],
  ['builders', [shape(':id.update', [], 'builderid')]],
  ['schedulers', [shape(':id.:event', EVENTS.schedulers, 'schedulerid')]],
  ['locks', [shape(':id.released', [], 'lockid')]],
  ['workertokens', [shape('', [])]],
  ['commands', [shape(':id', [], 'masterid')]],
]);
const MAX_TOPIC_CHARACTERS = 100;

function shape(
  rest: string,
  events: readonly string[],
  ...ids: string[]
): { readonly rest: RegExp; readonly ids: readonly string[] } {
  const pattern = rest
    .replaceAll('.', '\\.')
    .replaceAll(':id', '\\d{1,15}')
    .replaceAll(':event', `(${events.join('|')})`);
  return { rest: new RegExp(`^${pattern}$`), ids };
}

/**
 * Reads a message from the bus. Returns null for anything that this version does not know as a hint. Only the ids that a hint carries are
 * kept, so that no other foreign data is passed on.
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
