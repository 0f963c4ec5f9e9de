import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { messageOf, type Sight } from '@millrace/domain';
import { LOG, type Logger } from '@millrace/master';
import type { Resource } from '../resources/resource.js';
import { ResourceTable, type RowEvent } from '../resources/resource-table.js';
import { seenOf } from '../resources/seen.js';
import { Sights } from '../resources/sights.js';
import { LiveFrame } from './live-frame.js';
import { Paced } from './paced.js';
import { Subscriptions } from './subscriptions.js';

/** Time between two rounds of reading. All hints about one row within this time cost one read. */
const GATHER_MS = 25;

/** The causes of events (null: the row itself), by event, row and resource (plural). */
type Pending = Map<string, Map<number, Map<string, Set<number | null>>>>;

/**
 * Turns hints into events: reads each changed row once per round, encodes it once, and sends that to all consumers of its keys, a few at a
 * time. Does nothing while there are no consumers.
 */
@Injectable()
export class LiveEvents implements BeforeApplicationShutdown {
  private pending: Pending = new Map();
  private round: Promise<void> | null = null;
  private stopped = false;
  private readonly pace = new Paced();

  constructor(
    private readonly table: ResourceTable,
    private readonly subscriptions: Subscriptions,
    private readonly sightsOfAll: Sights,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /** True when there are no consumers, so that no changes have to be looked for. */
  get isUnheard(): boolean {
    return this.subscriptions.isEmpty;
  }

  /** @param cause the row whose event entails this one; null when none does */
  changed({ resource, id, event }: RowEvent, cause: number | null = null): void {
    if (this.stopped || this.isUnheard) return;
    let rows = this.pending.get(resource);
    if (!rows) this.pending.set(resource, (rows = new Map<number, Map<string, Set<number | null>>>()));
    let events = rows.get(id);
    if (!events) rows.set(id, (events = new Map<string, Set<number | null>>()));
    const causes = events.get(event);
    if (causes) causes.add(cause);
    else events.set(event, new Set([cause]));
    this.round ??= this.run();
  }

  /** Sends a message to everybody, whatever they consume. */
  broadcast(key: string, message: object): void {
    const frame = new LiveFrame(key, JSON.stringify(message));
    void this.pace.each(this.subscriptions.everybody(), (subscriber) => subscriber.send(frame));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.round;
  }

  private async run(): Promise<void> {
    while (this.pending.size > 0 && !this.stopped) {
      // Hints of the same turn of the event loop are handled together.
      await new Promise((resolve) => setImmediate(resolve));
      const pending = this.pending;
      this.pending = new Map();
      try {
        for (const [plural, changed] of pending) await this.tell(this.table.named(plural)?.events, changed);
      } catch (error) {
        // Pages that missed something fetch it again.
        this.log.warn({ err: error }, `live events: ${messageOf(error)}`);
        this.broadcast('resync', {});
      }
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    }
    this.round = null;
  }

  private async tell(
    events: Resource['events'] | undefined,
    changed: ReadonlyMap<number, ReadonlyMap<string, ReadonlySet<number | null>>>,
  ): Promise<void> {
    if (!events) return;
    const rows = await events.load([...changed.keys()]);
    for (const sight of this.sights()) {
      for (const row of await seenOf(events.seen, rows, sight)) {
        const happened = changed.get(events.idOf(row));
        if (!happened) continue;
        const whole = events.body ? '' : JSON.stringify(row);
        for (const event of events.names) {
          const causes = [...(happened.get(event) ?? [])];
          const messages = causes.map((cause) =>
            events.body ? JSON.stringify(events.body(row, event, cause)) : whole,
          );
          for (const json of new Set(messages))
            for (const key of events.keys(row, event)) await this.send(key, json, sight);
        }
      }
    }
    for (const { event, rows: rowsOf, resource, as } of events.entails ?? []) {
      const ids = [...changed].flatMap(([id, happened]) => (happened.has(event) ? [id] : []));
      if (ids.length === 0) continue;
      for (const { id, cause = null } of await rowsOf(ids)) this.changed({ resource, id, event: as }, cause);
    }
  }

  /** Returns the different sights of all subscribers; null is that of everything. */
  private sights(): Iterable<Sight | null> {
    if (this.sightsOfAll.hideNothing) return [null];
    const sights = new Map<string | undefined, Sight | null>();
    for (const { sight } of this.subscriptions.everybody()) sights.set(sight?.key, sight);
    return sights.values();
  }

  /** Sends to the consumers of a key who see the same. */
  private send(key: string, json: string, sight: Sight | null): Promise<void> {
    const frame = new LiveFrame(key, json);
    return this.pace.each(this.subscriptions.of(key), (subscriber) => {
      if (subscriber.sight?.key === sight?.key) subscriber.send(frame);
    });
  }
}
