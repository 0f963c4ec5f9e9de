import type { Database } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import type { UiHost } from '../host.js';
import type { LiveEvents } from './live-events.js';
import type { Subscriptions } from './subscriptions.js';
import type { EventKind, RowEvent } from './topics.js';

/** How many rows of a table that no hint told of one round tells about; more than that and everybody refetches. */
const NEW_ROWS = 200;

interface StateRow {
  readonly id: number | null;
  readonly state: string | number | null;
}

type Fingerprints = Map<number, string>;

interface Watched {
  readonly kind: EventKind;
  /** Selects `id` (or null) and `state` of the rows that can change at all: what runs, claims first, and small tables. */
  readonly sql: string;
  readonly appeared: string;
  readonly changed: string;
  /** The row no longer runs; null where rows do not vanish. */
  readonly vanished: string | null;
  /** Whether a state says so already, with the row still there. */
  readonly isOver?: (state: string) => boolean;
}

const RUNNING_STEPS = `FROM claims c LEFT JOIN steps s ON s.build_id = c.build_id`;

const WATCHED: readonly Watched[] = [
  {
    kind: 'build',
    sql: `SELECT b.id, b.state_string AS state FROM claims c LEFT JOIN builds b ON b.id = c.build_id`,
    appeared: 'new',
    changed: 'update',
    vanished: 'finished',
  },
  {
    kind: 'request',
    sql: `SELECT request_id AS id, epoch AS state FROM claims`,
    appeared: 'claimed',
    changed: 'claimed',
    vanished: 'complete',
  },
  {
    kind: 'step',
    sql: `SELECT s.id, CONCAT(s.state_string, '/', COALESCE(s.results, -1)) AS state ${RUNNING_STEPS}`,
    appeared: 'started',
    changed: 'updated',
    vanished: 'finished',
    isOver: (state) => !state.endsWith('/-1'),
  },
  {
    kind: 'log',
    sql: `SELECT l.id, CONCAT(l.num_lines, '/', l.complete) AS state FROM claims c LEFT JOIN logs l ON l.build_id = c.build_id`,
    appeared: 'new',
    changed: 'append',
    vanished: 'finished',
    isOver: (state) => state.endsWith('/1'),
  },
  {
    kind: 'worker',
    sql: `SELECT id, CONCAT(session_epoch, '/', COALESCE(master_id, 0), '/', paused, '/', graceful, '/', max_builds, '/',
            COALESCE(missing_at_ms, 0), '/', COALESCE(quarantined_until_ms, 0), '/', COALESCE(pause_reason, '')) AS state FROM workers`,
    appeared: 'state_updated',
    changed: 'state_updated',
    vanished: null,
  },
  {
    kind: 'master',
    sql: `SELECT id, CONCAT(epoch, '/', state, '/', COALESCE(revision_id, 0)) AS state FROM masters`,
    appeared: 'started',
    changed: 'started',
    vanished: null,
  },
  {
    kind: 'builder',
    sql: `SELECT id, CONCAT(tags, '/', COALESCE(latest_build_id, 0)) AS state FROM builders`,
    appeared: 'update',
    changed: 'update',
    vanished: null,
  },
  {
    kind: 'scheduler',
    sql: `SELECT id, enabled AS state FROM schedulers`,
    appeared: 'updated',
    changed: 'updated',
    vanished: null,
  },
];

/** Tables that only grow: rows beyond the highest id seen are new. */
const GROWING: readonly { readonly kind: EventKind; readonly table: string }[] = [
  { kind: 'change', table: 'changes' },
  { kind: 'buildset', table: 'buildsets' },
  { kind: 'request', table: 'build_requests' },
  { kind: 'build', table: 'builds' },
];

/** Tables whose rows end without having been watched: a cancelled request, a buildset. */
const ENDING: readonly { readonly kind: EventKind; readonly table: string }[] = [
  { kind: 'request', table: 'build_requests' },
  { kind: 'buildset', table: 'buildsets' },
];
/** Transactions may commit in another order than they took their times. */
const OVERLAP_MS = 5000;

/**
 * Finds by comparing what no hint told (I1): all of it while there is no bus, and what got lost while there is one. Every round costs
 * the same whatever the history: it reads what runs and what is new. What happens once to a row is not told again after a hint did;
 * changes are, as one hint does not stand for the next. A build that began and ended between two rounds is new, and so told with its
 * final state.
 */
export class ChangePoller {
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> | null = null;
  private stopped = false;
  private readonly seen = new Map<Watched, Fingerprints>();
  private readonly highest = new Map<string, number>();
  private readonly ended = new Map<string, { latestMs: number; told: Map<number, number> }>();
  /** What hints told since the last round began (whatever this one finds came to pass after that), and since this one did. */
  private heardBefore = new Set<string>();
  private heardNow = new Set<string>();
  private isTooMuch = false;

  constructor(
    private readonly host: UiHost,
    private readonly live: LiveEvents,
    private readonly subscriptions: Subscriptions,
  ) {}

  start(): void {
    const { hints, settings } = this.host;
    // With a bus this only mends losses, so it may be rare.
    const everyMs = hints.state === 'connected' ? settings.pollIntervalMs * 5 : settings.pollIntervalMs;
    this.timer = setTimeout(() => this.look(), everyMs);
    this.timer.unref();
  }

  /** The bus is away: the next round is not as far off as it was meant to be with it. */
  busLost(): void {
    if (this.stopped || this.round) return;
    if (this.timer) clearTimeout(this.timer);
    this.look();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.round;
  }

  /** A hint that browsers are told of. */
  heard(event: RowEvent): void {
    if (!this.subscriptions.isEmpty) this.heardNow.add(nameOf(event));
  }

  private look(): void {
    this.round = this.poll()
      .catch((error: unknown) => this.host.log.warn({ err: error }, `looking for changes: ${messageOf(error)}`))
      .finally(() => {
        this.round = null;
        if (!this.stopped) this.start();
      });
  }

  /**
   * One round. The first one after a time without listeners takes notes. What happened between a page's reading and those notes no round
   * can find, and without a bus no hint told it: then everybody reads again.
   */
  async poll(): Promise<void> {
    this.heardBefore = this.heardNow;
    this.heardNow = new Set();
    if (this.subscriptions.isEmpty) {
      this.seen.clear();
      this.highest.clear();
      this.ended.clear();
      return;
    }
    this.isTooMuch ||= this.seen.size === 0 && this.host.hints.state !== 'connected';
    for (const { kind, table } of GROWING) await this.growth(this.host.db, kind, table);
    for (const { kind, table } of ENDING) await this.endings(this.host.db, kind, table);
    for (const watched of WATCHED) this.compare(watched, await this.host.db.all<StateRow>(watched.sql));
    if (this.isTooMuch) this.live.broadcast('resync', {});
    this.isTooMuch = false;
  }

  private async growth(db: Database, kind: EventKind, table: string): Promise<void> {
    const known = this.highest.get(table);
    const row = await db.get<{ id: number | null }>(`SELECT MAX(id) AS id FROM ${table}`);
    const highest = row?.id ?? 0;
    this.highest.set(table, highest);
    if (known === undefined) return;
    const untold: RowEvent[] = [];
    for (let id = known + 1; id <= highest && untold.length <= NEW_ROWS; id++) {
      if (!this.isHeard({ kind, id, event: 'new' })) untold.push({ kind, id, event: 'new' });
      if (kind === 'build' && !this.isHeard({ kind, id, event: 'finished' }))
        this.live.changed({ kind, id, event: 'update' });
    }
    if (untold.length > NEW_ROWS) this.isTooMuch = true;
    else for (const event of untold) this.live.changed(event);
  }

  private async endings(db: Database, kind: EventKind, table: string): Promise<void> {
    const latestMs = async (): Promise<number> =>
      (await db.get<{ at: number | null }>(`SELECT MAX(complete_at_ms) AS at FROM ${table}`))?.at ?? 0;
    const before = this.ended.get(table);
    const known = before ?? { latestMs: await latestMs(), told: new Map<number, number>() };
    this.ended.set(table, known);
    const fromMs = known.latestMs - OVERLAP_MS;
    for (const [id, at] of known.told) if (at <= fromMs) known.told.delete(id);
    const limit = NEW_ROWS + known.told.size + this.heardBefore.size;
    const rows = await db.all<{ id: number; at: number }>(
      `SELECT id, complete_at_ms AS at FROM ${table} WHERE complete_at_ms > ? ORDER BY complete_at_ms LIMIT ?`,
      [fromMs, limit],
    );
    if (rows.length === limit) {
      // Everybody fetches what ended up to now, so it need not be looked at again.
      this.isTooMuch ||= before !== undefined;
      this.ended.set(table, { latestMs: (await latestMs()) + OVERLAP_MS, told: new Map() });
      return;
    }
    for (const { id, at } of rows) {
      known.latestMs = Math.max(known.latestMs, at);
      if (known.told.has(id)) continue;
      known.told.set(id, at);
      if (before) this.tellOnce({ kind, id, event: 'complete' });
    }
  }

  private compare(watched: Watched, rows: readonly StateRow[]): void {
    const before = this.seen.get(watched);
    const now: Fingerprints = new Map(rows.flatMap((row) => (row.id === null ? [] : [[row.id, String(row.state)]])));
    this.seen.set(watched, now);
    if (!before) return;
    const { kind, appeared, changed, vanished, isOver = () => false } = watched;
    for (const [id, state] of now) {
      const old = before.get(id);
      if (old === state) continue;
      if (vanished !== null && isOver(state)) this.tellOnce({ kind, id, event: vanished });
      else if (old === undefined && !this.isHeard({ kind, id, event: appeared }))
        this.live.changed({ kind, id, event: appeared });
      else if (old !== undefined || changed !== appeared) this.live.changed({ kind, id, event: changed });
    }
    if (vanished === null) return;
    for (const [id, state] of before) {
      if (!now.has(id) && !isOver(state) && !this.isHeard({ kind, id, event: 'unclaimed' }))
        this.tellOnce({ kind, id, event: vanished });
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

function nameOf({ kind, id, event }: RowEvent): string {
  return `${kind}/${id}/${event}`;
}
