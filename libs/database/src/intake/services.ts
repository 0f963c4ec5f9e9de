import { byCodebase, Result, type SourceStamp } from '@millrace/domain';
import { assertOwner, type Ownership } from '../ownerships.js';
import { type Database, placeholders } from '../sql.js';
import { setState, stateOf } from './changes.js';

/** A request that is not complete. */
export interface OpenRequestRow {
  readonly requestId: number;
  readonly builderId: number;
}

/** An open request that was made for a change of this branch. */
export interface OlderRequestRow extends OpenRequestRow {
  readonly branch: string | null;
}

/** A request that ended with a failure or an exception, while its buildset is not complete. */
export interface FailedRequestRow extends OpenRequestRow {
  readonly buildsetId: number;
  readonly completeAtMs: number;
}

/** Up to where a service has decided. */
export interface ServiceCursors {
  /** `seq` of changes. */
  readonly changes: number;
  /** By the database's clock: failures until then have been decided about. */
  readonly failuresMs: number;
}

/** Newest changes whose requests are looked for: those of a branch, or those of all branches of a project. */
const OLDER_CHANGES = { same: 200, all: 1000 };
/** A failure becomes visible at most this long after its time, but for a transaction that hangs. */
const LATE_MS = 30_000;
/** Most failures of one statement. */
const FAILURES_READ = 500;
/** Most requests of a removed builder that are read at once. */
const REMOVED_READ = 1000;
const FAILURES: readonly Result[] = [Result.FAILURE, Result.EXCEPTION];
/** A condition: nobody has asked the engine to stop the build of request `r` yet. */
const NOT_STOPPING = `NOT EXISTS (SELECT 1 FROM claims k JOIN master_commands o ON o.subject_id = k.build_id
  WHERE k.request_id = r.id AND o.kind = 'stop-build' AND o.done_at_ms IS NULL)`;

/** Positions of services, and what they decide about. Prepared SQL, which names the order of its joins. */
export class ServiceStore {
  constructor(private readonly db: Database) {}

  /** Returns the cursors of a service. One that is new begins with what happens from now on. */
  async cursors(owner: Ownership): Promise<ServiceCursors> {
    const found = await stateOf<number>(this.db, owner.name);
    const [changes, failuresMs] = [found.get('changes'), found.get('failures')];
    if (changes !== undefined && failuresMs !== undefined) return { changes, failuresMs };
    const now = (await this.db.get<ServiceCursors>(
      `SELECT value AS changes, ${this.db.dialect.nowMs} AS failuresMs FROM counters WHERE name = 'change-seq'`,
    ))!;
    await this.move(owner, now);
    return now;
  }

  /** @throws FencedError when another master is the owner */
  move(owner: Ownership, cursors: Partial<ServiceCursors>): Promise<void> {
    return this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      if (cursors.changes !== undefined) await setState(tx, owner.name, 'changes', cursors.changes);
      if (cursors.failuresMs !== undefined) await setState(tx, owner.name, 'failures', cursors.failuresMs);
    });
  }

  /**
   * Returns the open requests of buildsets that were made for older changes only, of the change's branch or of all branches of its
   * repository. They are found by the newest of these changes, so that it does not depend on how many requests wait, nor on how long the
   * history is.
   */
  olderRequests(
    change: SourceStamp & { readonly changeId: number },
    { branches }: { readonly branches: 'same' | 'all' },
  ): Promise<OlderRequestRow[]> {
    const { branch, repository, project, codebase, changeId } = change;
    const source = branches === 'all' ? { project } : { branch };
    const [[column, value]] = Object.entries(source) as [[string, string | null]];
    return this.db.all<OlderRequestRow>(
      `SELECT DISTINCT r.id AS requestId, r.builder_id AS builderId, c.branch
       FROM (SELECT id FROM changes WHERE ${value === null ? `${column} IS NULL` : `${column} = ?`} AND id < ?
             ORDER BY id DESC LIMIT ${OLDER_CHANGES[branches]}) older
       LEFT JOIN changes c ON c.id = older.id LEFT JOIN buildset_changes b ON b.change_id = older.id
       LEFT JOIN build_requests r ON r.buildset_id = b.buildset_id
       WHERE c.repository = ? AND c.project = ? AND c.codebase = ? AND r.id IS NOT NULL AND r.complete_at_ms IS NULL
         AND ${NOT_STOPPING}
         AND NOT EXISTS (SELECT 1 FROM buildset_changes n WHERE n.buildset_id = r.buildset_id AND n.change_id >= ?)`,
      [...(value === null ? [] : [value]), changeId, repository, project, codebase, changeId],
    );
  }

  /**
   * Returns the failures in unfinished buildsets since the cursor, and from shortly before it: some become visible late.
   * @returns `nowMs`: where the cursor belongs when they have been decided about, null as long as it is near enough
   */
  async failures({ failuresMs }: Pick<ServiceCursors, 'failuresMs'>): Promise<{
    readonly failures: readonly FailedRequestRow[];
    readonly nowMs: number | null;
  }> {
    const { nowMs } = (await this.db.get<{ nowMs: number }>(`SELECT ${this.db.dialect.nowMs} AS nowMs`))!;
    const failures: FailedRequestRow[] = [];
    // When the clock was set back, the cursor lies ahead of it.
    let after = { completeAtMs: Math.min(failuresMs, nowMs) - LATE_MS, requestId: 0 };
    for (;;) {
      const page = await this.db.all<FailedRequestRow>(
        `SELECT r.id AS requestId, r.builder_id AS builderId, r.buildset_id AS buildsetId, r.complete_at_ms AS completeAtMs
         FROM build_requests r LEFT JOIN buildsets s ON s.id = r.buildset_id
         WHERE r.complete_at_ms >= ? AND (r.complete_at_ms > ? OR r.id > ?) AND r.results IN ${placeholders(FAILURES.length)}
           AND s.complete_at_ms IS NULL ORDER BY r.complete_at_ms, r.id LIMIT ${FAILURES_READ}`,
        [after.completeAtMs, after.completeAtMs, after.requestId, ...FAILURES],
      );
      failures.push(...page);
      if (page.length < FAILURES_READ) break;
      after = page.at(-1)!;
    }
    return { failures, nowMs: Math.abs(nowMs - failuresMs) > LATE_MS ? nowMs : null };
  }

  /** Returns the open requests of a buildset. */
  openRequests(buildsetId: number): Promise<OpenRequestRow[]> {
    return this.db.all<OpenRequestRow>(
      `SELECT r.id AS requestId, r.builder_id AS builderId FROM build_requests r
       WHERE r.buildset_id = ? AND r.complete_at_ms IS NULL AND ${NOT_STOPPING}`,
      [buildsetId],
    );
  }

  /**
   * Returns waiting requests of builders that no engine has in its configuration, living or not.
   * @param known builders that have been configured and may only not have reached an engine yet
   */
  async requestsWithoutBuilder(known: ReadonlySet<number>): Promise<(OpenRequestRow & { readonly builder: string })[]> {
    const rows = await this.db.all<{ builderId: number; builder: string }>(
      `SELECT q.builder_id AS builderId, b.name AS builder
       FROM (SELECT DISTINCT builder_id FROM queue) q LEFT JOIN builders b ON b.id = q.builder_id
       WHERE NOT EXISTS (SELECT 1 FROM builder_masters m WHERE m.builder_id = q.builder_id)`,
    );
    const requests: (OpenRequestRow & { readonly builder: string })[] = [];
    for (const { builderId, builder } of rows.filter((row) => !known.has(row.builderId))) {
      const waiting = await this.db.all<OpenRequestRow>(
        `SELECT request_id AS requestId, builder_id AS builderId FROM queue WHERE builder_id = ?
         ORDER BY queue_rank, request_id LIMIT ${REMOVED_READ}`,
        [builderId],
      );
      requests.push(...waiting.map((row) => ({ ...row, builder })));
    }
    return requests;
  }

  async sourceStamps(buildsetId: number): Promise<SourceStamp[]> {
    const stamps = await this.db.all<SourceStamp>(
      `SELECT s.branch, s.revision, s.repository, s.project, s.codebase
       FROM buildset_source_stamps b JOIN source_stamps s ON s.id = b.source_stamp_id WHERE b.buildset_id = ?`,
      [buildsetId],
    );
    return byCodebase(stamps);
  }
}
