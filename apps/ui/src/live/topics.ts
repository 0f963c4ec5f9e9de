import type {
  BuilderResource,
  BuildRequestResource,
  BuildResource,
  BuildsetResource,
  ChangeResource,
  LogResource,
  MasterResource,
  SchedulerResource,
  StepResource,
  WorkerResource,
} from '@millrace/contracts';

/** The rows that events are about. */
export interface EventRows {
  change: ChangeResource;
  buildset: BuildsetResource;
  request: BuildRequestResource;
  build: BuildResource;
  properties: BuildResource;
  step: StepResource;
  log: LogResource;
  worker: WorkerResource;
  master: MasterResource;
  builder: BuilderResource;
  scheduler: SchedulerResource;
}
export type EventKind = keyof EventRows;

/** One thing that a hint says: row `id` of a kind changed in the way `event` names. */
export interface RowEvent {
  readonly kind: EventKind;
  readonly id: number;
  readonly event: string;
}

/** Patterns of `hints` in contracts; null for topics that are not about something people look at (queues, commands). */
export function rowEventOf(topic: string, payload: Readonly<Record<string, number | string>>): RowEvent | null {
  const parts = topic.split('.');
  const id = Number(parts[1]);
  const event = parts.at(-1)!;
  if (!Number.isSafeInteger(id)) return null;
  switch (parts[0]) {
    case 'changes':
      return { kind: 'change', id, event };
    case 'buildsets':
      return { kind: 'buildset', id, event };
    case 'buildrequests':
      return { kind: 'request', id, event };
    case 'builds':
      if (parts[2] === 'properties') return { kind: 'properties', id, event };
      if (parts[2] === 'steps') return { kind: 'step', id: Number(payload.stepid), event };
      return { kind: 'build', id, event };
    case 'logs':
      return { kind: 'log', id, event };
    case 'workers':
      return { kind: 'worker', id, event };
    case 'masters':
      return { kind: 'master', id, event };
    case 'builders':
      return { kind: 'builder', id, event };
    case 'schedulers':
      return { kind: 'scheduler', id, event };
    default:
      return null;
  }
}

/** All keys under which an event goes out (`docs/api.md#events`). */
export const KEYS: { readonly [K in EventKind]: (row: EventRows[K], event: string) => string[] } = {
  change: (change, event) => [`changes/${change.changeid}/${event}`],
  buildset: (buildset, event) => [`buildsets/${buildset.bsid}/${event}`],
  request: (request, event) => [
    `buildrequests/${request.buildrequestid}/${event}`,
    `builders/${request.builderid}/buildrequests/${request.buildrequestid}/${event}`,
    `buildsets/${request.buildsetid}/builders/${request.builderid}/buildrequests/${request.buildrequestid}/${event}`,
  ],
  build: (build, event) => [
    `builds/${build.buildid}/${event}`,
    `builders/${build.builderid}/builds/${build.number}/${event}`,
    `workers/${build.workerid}/builds/${build.buildid}/${event}`,
    `buildrequests/${build.buildrequestid}/builds/${build.buildid}/${event}`,
  ],
  properties: (build) => [`builds/${build.buildid}/properties/update`],
  step: (step, event) => [`builds/${step.buildid}/steps/${step.stepid}/${event}`, `steps/${step.stepid}/${event}`],
  log: (log, event) => [`steps/${log.stepid}/logs/${log.slug}/${event}`, `logs/${log.logid}/${event}`],
  worker: (worker, event) => [`workers/${worker.workerid}/${event}`],
  master: (master, event) => [`masters/${master.masterid}/${event}`],
  builder: (builder, event) => [`builders/${builder.builderid}/${event}`],
  scheduler: (scheduler, event) => [`schedulers/${scheduler.schedulerid}/${event}`],
};

/** When several events of one row are told at once, all with its newest state, they come in the order of its life. */
const LIFE = [
  'new',
  'started',
  'connected',
  'claimed',
  'unclaimed',
  'update',
  'updated',
  'append',
  'state_updated',
  'missing',
  'finished',
  'complete',
  'disconnected',
  'stopped',
];

export function inOrderOfLife(events: Iterable<string>): string[] {
  return [...events].sort((a, b) => LIFE.indexOf(a) - LIFE.indexOf(b));
}
