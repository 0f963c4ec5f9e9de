import type { Database } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import type { UiHost } from '../host.js';
import type { LiveEvents } from './live-events.js';
import type { Subscriptions } from './subscriptions.js';
import type { EventKind } from './topics.js';

/** How many new rows of a table one round tells about; more than that and everybody refetches. */
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
  },
  {
    kind: 'log',
    sql: `SELECT l.id, l.num_lines AS state FROM claims c LEFT JOIN logs l ON l.build_id = c.build_id`,
    appeared: 'new',
    changed: 'append',
    vanished: 'finished',
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
 * the same whatever the history: it reads what runs and what is new. A build that began and ended between two rounds is new, and so
 * told with its final state.
 */
export class ChangePoller {
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> | null = null;
  private stopped = false;
  private readonly seen = new Map<Watched, Fingerprints>();
  private readonly highest = new Map<string, number>();
  private readonly ended = new Map<string, { latestMs: number; told: Map<number, number> }>();

  constructor(
    private readonly host: UiHost,
    private readonly live: LiveEvents,
    private readonly subscriptions: Subscriptions,
  ) {}

  start(): void {
    const { hints, settings } = this.host;
    // With a bus this only mends losses, so it may be rare.
    const everyMs = hints.state === 'connected' ? settings.pollIntervalMs * 5 : settings.pollIntervalMs;
    this.timer = setTimeout(() => {
      this.round = this.poll()
        .catch((error: unknown) => this.host.log.warn({ err: error }, `looking for changes: ${messageOf(error)}`))
        .finally(() => {
          this.round = null;
          if (!this.stopped) this.start();
        });
    }, everyMs);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.round;
  }

  /** One round. The first one after a time without listeners only takes notes. */
  async poll(): Promise<void> {
    if (this.subscriptions.isEmpty) {
      this.seen.clear();
      this.highest.clear();
      this.ended.clear();
      return;
    }
    for (const { kind, table } of GROWING) await this.growth(this.host.db, kind, table);
    for (const { kind, table } of ENDING) await this.endings(this.host.db, kind, table);
    for (const watched of WATCHED) this.compare(watched, await this.host.db.all<StateRow>(watched.sql));
  }

  private async growth(db: Database, kind: EventKind, table: string): Promise<void> {
    const known = this.highest.get(table);
    const row = await db.get<{ id: number | null }>(`SELECT MAX(id) AS id FROM ${table}`);
    const highest = row?.id ?? 0;
    this.highest.set(table, highest);
    if (known === undefined || highest <= known) return;
    if (highest - known > NEW_ROWS) return this.live.broadcast('resync', {});
    for (let id = known + 1; id <= highest; id++) {
      this.live.changed({ kind, id, event: 'new' });
      if (kind === 'build') this.live.changed({ kind, id, event: 'update' });
    }
  }

  private async endings(db: Database, kind: EventKind, table: string): Promise<void> {
    const known = this.ended.get(table);
    if (!known) {
      const row = await db.get<{ at: number | null }>(`SELECT MAX(complete_at_ms) AS at FROM ${table}`);
      this.ended.set(table, { latestMs: row?.at ?? 0, told: new Map() });
      return;
    }
    const fromMs = known.latestMs - OVERLAP_MS;
    const rows = await db.all<{ id: number; at: number }>(
      `SELECT id, complete_at_ms AS at FROM ${table} WHERE complete_at_ms > ? ORDER BY complete_at_ms LIMIT ${NEW_ROWS}`,
      [fromMs],
    );
    for (const [id, at] of known.told) if (at <= fromMs) known.told.delete(id);
    for (const { id, at } of rows) {
      known.latestMs = Math.max(known.latestMs, at);
      if (known.told.has(id)) continue;
      known.told.set(id, at);
      this.live.changed({ kind, id, event: 'complete' });
    }
  }

  private compare(watched: Watched, rows: readonly StateRow[]): void {
    const before = this.seen.get(watched);
    const now: Fingerprints = new Map(rows.flatMap((row) => (row.id === null ? [] : [[row.id, String(row.state)]])));
    this.seen.set(watched, now);
    if (!before) return;
    for (const [id, state] of now) {
      const old = before.get(id);
      if (old === undefined) this.live.changed({ kind: watched.kind, id, event: watched.appeared });
      else if (old !== state) this.live.changed({ kind: watched.kind, id, event: watched.changed });
    }
    if (watched.vanished === null) return;
    for (const id of before.keys()) {
      if (!now.has(id)) this.live.changed({ kind: watched.kind, id, event: watched.vanished });
    }
  }
}
