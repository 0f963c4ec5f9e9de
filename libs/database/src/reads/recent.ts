import { databaseNowMs, type Queryable } from '../sql.js';

/** Tables that only grow: rows with ids beyond the highest one seen are new. */
const GROWING = {
  changes: 'changes',
  deliveries: 'hook_deliveries',
  buildsets: 'buildsets',
  buildrequests: 'build_requests',
  builds: 'builds',
} as const;

/** Tables with rows that may end without ever having run: a cancelled request, a buildset. */
const ENDING = { buildrequests: 'build_requests', buildsets: 'buildsets' } as const;

/**
 * Statements that select `id` (or null), `state` and, if known, `isOver` of all rows that can still change: running ones, starting from the
 * claims, and small tables.
 */
const CHANGING = {
  builds: `SELECT b.id, b.state_string AS state FROM claims c LEFT JOIN builds b ON b.id = c.build_id`,
  buildrequests: `SELECT request_id AS id, epoch AS state FROM claims`,
  steps: `SELECT s.id, CONCAT(s.state_string, '/', COALESCE(s.results, -1)) AS state, s.results IS NOT NULL AS isOver
    FROM claims c LEFT JOIN steps s ON s.build_id = c.build_id`,
  logs: `SELECT l.id, CONCAT(l.num_lines, '') AS state, l.complete AS isOver
    FROM claims c LEFT JOIN logs l ON l.build_id = c.build_id`,
  test_result_sets: `SELECT t.id, CONCAT(t.complete, '') AS state, t.complete AS isOver
    FROM claims c LEFT JOIN test_result_sets t ON t.build_id = c.build_id`,
  workers: `SELECT id, CONCAT(session_epoch, '/', COALESCE(master_id, 0), '/', paused, '/', graceful, '/', max_builds, '/',
      COALESCE(missing_at_ms, 0), '/', COALESCE(quarantined_until_ms, 0), '/', COALESCE(pause_reason, '')) AS state FROM workers`,
  masters: `SELECT id, CONCAT(epoch, '/', state, '/', COALESCE(revision_id, 0)) AS state FROM masters`,
  builders: `SELECT id, CONCAT(tags, '/', COALESCE(latest_build_id, 0)) AS state FROM builders`,
  schedulers: `SELECT id, CONCAT(enabled, '/', COALESCE(backlog_seq, 0), '/', COALESCE(backlog_count, 0)) AS state FROM schedulers`,
} as const;

/** Resources, by their plural, whose new rows can be found. */
export type GrowingResource = keyof typeof GROWING;
/** Resources, by their plural, whose ends can be found. */
export type EndingResource = keyof typeof ENDING;
/** Resources, by their plural, whose changes can be found. */
export type ChangingResource = keyof typeof CHANGING;

/** The state of a row for comparisons: equal states mean equal rows. */
export interface RowState {
  readonly state: string;
  /** True when the row does not change any more. */
  readonly isOver: boolean;
}

/** A completed row, and when it was completed. */
export interface EndedRow {
  readonly id: number;
  readonly atMs: number;
}

/**
 * Reads of new, ended and running rows, to be compared with an earlier look. Each read costs the same whatever the history is. SQL: a
 * repository would read complete rows to compare a few columns.
 */
export class RecentReads {
  constructor(private readonly db: Queryable) {}

  /** Returns the highest id; 0 without rows. */
  async newest(resource: GrowingResource): Promise<number> {
    const row = await this.db.get<{ id: number | null }>(`SELECT MAX(id) AS id FROM ${GROWING[resource]}`);
    return row?.id ?? 0;
  }

  /** Returns the time by the clock that sets the times of ends. */
  nowMs(): Promise<number> {
    return databaseNowMs(this.db);
  }

  /** Returns when the last row ended, up to now; 0 without one. */
  async lastEndMs(resource: EndingResource): Promise<number> {
    const row = await this.db.get<{ at: number | null }>(
      `SELECT MAX(complete_at_ms) AS at FROM ${ENDING[resource]} WHERE complete_at_ms <= ${this.db.dialect.nowMs}`,
    );
    return row?.at ?? 0;
  }

  /** Returns rows that ended after a time and up to now, first to last, at most `limit`. */
  endedAfter(resource: EndingResource, afterMs: number, limit: number): Promise<EndedRow[]> {
    return this.db.all<EndedRow>(
      `SELECT id, complete_at_ms AS atMs FROM ${ENDING[resource]} WHERE complete_at_ms > ? AND complete_at_ms <= ${this.db.dialect.nowMs}
       ORDER BY complete_at_ms LIMIT ?`,
      [afterMs, limit],
    );
  }

  /** Returns the rows that can change, by id. A row that is missing since the last time does not run any more. */
  async states(resource: ChangingResource): Promise<Map<number, RowState>> {
    const rows = await this.db.all<{ id: number | null; state: string | number | null; isOver?: number }>(
      CHANGING[resource],
    );
    return new Map(
      rows.flatMap(({ id, state, isOver }) =>
        id === null ? [] : [[id, { state: String(state), isOver: isOver === 1 }] as const],
      ),
    );
  }
}
