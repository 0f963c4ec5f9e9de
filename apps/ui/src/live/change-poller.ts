import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import {
  type ChangingResource,
  type EndingResource,
  type GrowingResource,
  RecentReads,
  type RowState,
} from '@millrace/database';
import { messageOf } from '@millrace/domain';
import { Hints, LOG, type Logger, SETTINGS, type UiSettings } from '@millrace/master';
import type { Found } from '../resources/resource.js';
import { ResourceTable, type RowEvent } from '../resources/resource-table.js';
import { LiveEvents } from './live-events.js';

/** Most new rows of a table without hints that one round reports. With more, all pages fetch again. */
const NEW_ROWS = 200;

type States = ReadonlyMap<number, RowState>;
/** Transactions may commit in another order than they took their times. */
const OVERLAP_MS = 5000;

/**
 * Finds changes that no hint reported (I1): all of them while there is no bus, and the lost ones while there is. Every round costs the same
 * whatever the history is: it reads running rows and new rows. Something that happens once to a row is not reported again after its hint.
 * Updates are reported again, because one hint does not stand for later ones.
 */
@Injectable()
export class ChangePoller implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> | null = null;
  private stopped = false;
  private readonly seen = new Map<ChangingResource, States>();
  private readonly highest = new Map<GrowingResource, number>();
  private readonly ended = new Map<EndingResource, { latestMs: number; told: Map<number, number> }>();
  /** Events hinted at since the last round began (what this round finds happened later), and since this round began. */
  private heardBefore = new Set<string>();
  private heardNow = new Set<string>();
  private isTooMuch = false;

  constructor(
    private readonly table: ResourceTable,
    private readonly recent: RecentReads,
    private readonly live: LiveEvents,
    private readonly hints: Hints,
    @Inject(SETTINGS) private readonly settings: Pick<UiSettings, 'pollIntervalMs'>,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.wait();
  }

  private wait(): void {
    const { pollIntervalMs } = this.settings;
    // With a bus only lost hints are made up for, so rounds may be rare.
    const everyMs = this.hints.state === 'connected' ? pollIntervalMs * 5 : pollIntervalMs;
    this.timer = setTimeout(() => this.look(), everyMs);
    this.timer.unref();
  }

  /** Called when the bus is lost: the next round comes sooner than was planned with a bus. */
  busLost(): void {
    if (this.stopped || this.round) return;
    if (this.timer) clearTimeout(this.timer);
    this.look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.round;
  }

  /** Records an event of a hint that browsers are told about. */
  heard(event: RowEvent): void {
    if (!this.live.isUnheard) this.heardNow.add(nameOf(event));
  }

  private look(): void {
    this.round = this.poll()
      .catch((error: unknown) => this.log.warn({ err: error }, `looking for changes: ${messageOf(error)}`))
      .finally(() => {
        this.round = null;
        if (!this.stopped) this.wait();
      });
  }

  /**
   * Does one round. The first one after a time without listeners only takes notes. What happened between a page's reading and these notes
   * cannot be found by any round, and without a bus no hint reported it; so all pages fetch again.
   */
  async poll(): Promise<void> {
    this.heardBefore = this.heardNow;
    this.heardNow = new Set();
    if (this.live.isUnheard) {
      this.seen.clear();
      this.highest.clear();
      this.ended.clear();
      return;
    }
    this.isTooMuch ||= this.seen.size === 0 && this.hints.state !== 'connected';
    const found = this.table.resources.flatMap(({ events }) => (events ? [events.found] : []));
    for (const { grown } of found) if (grown) await this.growth(grown);
    const nowMs = await this.recent.nowMs();
    for (const { ended } of found) if (ended) await this.endings(ended, nowMs);
    for (const { changed } of found) if (changed) this.compare(changed, await this.recent.states(changed.in));
    if (this.isTooMuch) this.live.broadcast('resync', {});
    this.isTooMuch = false;
  }

  private async growth({ in: resource, as: event, then }: NonNullable<Found['grown']>): Promise<void> {
    const known = this.highest.get(resource);
    const highest = await this.recent.newest(resource);
    this.highest.set(resource, highest);
    if (known === undefined) return;
    const untold: RowEvent[] = [];
    for (let id = known + 1; id <= highest && untold.length <= NEW_ROWS; id++) {
      if (!this.isHeard({ resource, id, event })) untold.push({ resource, id, event });
      if (then && !this.isHeard({ resource, id, event: then.unless }))
        this.live.changed({ resource, id, event: then.as });
    }
    if (untold.length > NEW_ROWS) this.isTooMuch = true;
    else for (const event of untold) this.live.changed(event);
  }

  private async endings({ in: resource, as: event }: NonNullable<Found['ended']>, nowMs: number): Promise<void> {
    const before = this.ended.get(resource);
    const known = before ?? { latestMs: await this.recent.lastEndMs(resource), told: new Map<number, number>() };
    this.ended.set(resource, known);
    if (known.latestMs > nowMs + OVERLAP_MS) {
      // The database's clock was set back: rows that have ended since cannot be distinguished from earlier ones.
      this.isTooMuch = true;
      known.latestMs = nowMs + OVERLAP_MS;
    }
    const fromMs = known.latestMs - OVERLAP_MS;
    for (const [id, atMs] of known.told) if (atMs <= fromMs) known.told.delete(id);
    const limit = NEW_ROWS + known.told.size + this.heardBefore.size;
    const rows = await this.recent.endedAfter(resource, fromMs, limit);
    if (rows.length === limit) {
      // All pages fetch what has ended up to now, so that is not compared again.
      this.isTooMuch ||= before !== undefined;
      this.ended.set(resource, { latestMs: (await this.recent.lastEndMs(resource)) + OVERLAP_MS, told: new Map() });
      return;
    }
    for (const { id, atMs } of rows) {
      known.latestMs = Math.max(known.latestMs, atMs);
      if (known.told.has(id)) continue;
      known.told.set(id, atMs);
      if (before) this.tellOnce({ resource, id, event });
    }
  }

  private compare({ in: resource, appeared, changed, vanished }: NonNullable<Found['changed']>, now: States): void {
    const before = this.seen.get(resource);
    this.seen.set(resource, now);
    if (!before) return;
    for (const [id, { state, isOver }] of now) {
      const old = before.get(id);
      if (old?.state === state) continue;
      if (vanished !== null && isOver) this.tellOnce({ resource, id, event: vanished });
      else if (old === undefined && !this.isHeard({ resource, id, event: appeared }))
        this.live.changed({ resource, id, event: appeared });
      else if (old !== undefined || changed !== appeared) this.live.changed({ resource, id, event: changed });
    }
    if (vanished === null) return;
    for (const [id, { isOver }] of before) {
      if (!now.has(id) && !isOver && !this.isHeard({ resource, id, event: 'unclaimed' }))
        this.tellOnce({ resource, id, event: vanished });
    }
  }

  private tellOnce(event: RowEvent): void {
    if (!this.isHeard(event)) this.live.changed(event);
  }

  private isHeard(event: RowEvent): boolean {
    const name = nameOf(event);
    return this.heardBefore.has(name) || this.heardNow.has(name);
  }
}

function nameOf({ resource, id, event }: RowEvent): string {
  return `${resource}/${id}/${event}`;
}
