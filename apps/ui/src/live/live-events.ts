import type { Reads } from '../reads.js';
import type { Subscriptions } from './subscriptions.js';
import { type EventKind, type EventRows, inOrderOfLife, KEYS, type RowEvent } from './topics.js';

/** Between two rounds of reading; hints that come meanwhile about the same row cost one read. */
const GATHER_MS = 25;

type Pending = { [K in EventKind]?: Map<number, Set<string>> };
type Loader<K extends EventKind> = (ids: readonly number[]) => Promise<EventRows[K][]>;

/**
 * Turns hints into events: reads each row that changed once per round, writes it once, and sends that text to everybody who consumes
 * one of its keys. Does nothing at all while nobody does.
 */
export class LiveEvents {
  private pending: Pending = {};
  private round: Promise<void> | null = null;
  private stopped = false;
  private readonly loaders: { readonly [K in EventKind]: Loader<K> };
  private readonly idOf: { readonly [K in EventKind]: (row: EventRows[K]) => number } = {
    change: (row) => row.changeid,
    buildset: (row) => row.bsid,
    request: (row) => row.buildrequestid,
    build: (row) => row.buildid,
    properties: (row) => row.buildid,
    step: (row) => row.stepid,
    log: (row) => row.logid,
    worker: (row) => row.workerid,
    master: (row) => row.masterid,
    builder: (row) => row.builderid,
    scheduler: (row) => row.schedulerid,
  };

  constructor(
    reads: Reads,
    private readonly subscriptions: Subscriptions,
    private readonly onTrouble: (error: unknown) => void,
  ) {
    const { catalog } = reads;
    this.loaders = {
      change: (ids) => reads.changes.byIds(ids),
      buildset: (ids) => reads.buildsets.byIds(ids),
      request: (ids) => reads.requests.byIds(ids),
      build: (ids) => reads.builds.byIds(ids),
      properties: (ids) => reads.builds.byIds(ids),
      step: (ids) => reads.steps.byIds(ids),
      log: (ids) => reads.steps.logsByIds(ids),
      worker: (ids) => catalog.workers(few(ids)),
      master: () => catalog.masters(),
      builder: (ids) => catalog.builders(few(ids)),
      scheduler: () => catalog.schedulers(),
    };
  }

  changed({ kind, id, event }: RowEvent): void {
    if (this.stopped || this.subscriptions.isEmpty) return;
    const rows = (this.pending[kind] ??= new Map<number, Set<string>>());
    const events = rows.get(id);
    if (events) events.add(event);
    else rows.set(id, new Set([event]));
    this.round ??= this.run();
  }

  /** To everybody, whatever they consume. */
  broadcast(key: string, message: object): void {
    const frame = JSON.stringify({ k: key, m: message });
    for (const subscriber of this.subscriptions.everybody()) subscriber.send(frame);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.round;
  }

  private async run(): Promise<void> {
    while (Object.keys(this.pending).length > 0 && !this.stopped) {
      // Whatever is hinted in the same turn of the event loop belongs together.
      await new Promise((resolve) => setImmediate(resolve));
      const pending = this.pending;
      this.pending = {};
      try {
        for (const kind of Object.keys(pending) as EventKind[]) await this.tell(kind, pending[kind]!);
      } catch (error) {
        // Whoever missed something refetches it.
        this.onTrouble(error);
        this.broadcast('resync', {});
      }
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    }
    this.round = null;
  }

  private async tell<K extends EventKind>(kind: K, changed: ReadonlyMap<number, Set<string>>): Promise<void> {
    for (const row of await this.loaders[kind]([...changed.keys()])) {
      const events = changed.get(this.idOf[kind](row));
      if (!events) continue;
      const json = JSON.stringify(kind === 'properties' ? (row as BuildProperties).properties : row);
      for (const event of inOrderOfLife(events)) {
        for (const key of KEYS[kind](row, event)) this.send(key, json);
      }
    }
  }

  private send(key: string, json: string): void {
    let frame: string | undefined;
    for (const subscriber of this.subscriptions.of(key)) {
      frame ??= `{"k":${JSON.stringify(key)},"m":${json}}`;
      subscriber.send(frame);
    }
  }
}

/** Of more than some hundred it is all that are read. */
function few(ids: readonly number[]): readonly number[] | undefined {
  return ids.length > 500 ? undefined : ids;
}

type BuildProperties = { readonly properties: object };
