import type { RevisionDifferenceResource, RevisionResource } from '@millrace/contracts';
import {
  countsOf,
  type JsonValue,
  type RevisionCounts,
  type RevisionDifference,
  revisionDifferences,
  UserError,
} from '@millrace/domain';
import { readHistory, seconds } from './reads/history.js';
import type { HistoryTable } from './reads/plan.js';
import { type Page, type ResourceQuery, shapeOf } from './reads/query.js';
import type { Queryable } from './sql.js';

export const REVISIONS: HistoryTable = {
  shape: shapeOf<RevisionResource>({
    plural: 'revisions',
    id: 'revisionid',
    fields: { changed: 'json?', created_at: 'time', fingerprint: 'string', masters: 'strings', revisionid: 'int' },
  }),
  from: { table: 'revisions r' },
  id: 'r.id',
  leads: null,
  columns: { revisionid: { sql: 'r.id' }, fingerprint: { sql: 'r.fingerprint' } },
  orderAliases: { created_at: 'revisionid' },
  cheap: [],
  paths: [
    { given: ['revisionid'], order: null },
    { given: ['fingerprint'], order: null },
    { given: [], order: 'revisionid' },
  ],
};

export const REVISION_DIFFERENCE_SHAPE = shapeOf<RevisionDifferenceResource>({
  plural: 'differences',
  id: 'section',
  fields: {
    added: 'strings',
    changed: 'json',
    counts: 'json',
    lines: 'strings',
    removed: 'strings',
    section: 'string',
  },
});

const COLUMNS = `r.id, r.fingerprint, r.created_at_ms AS createdAtMs, r.changed`;

interface RevisionRow {
  readonly id: number;
  readonly fingerprint: string;
  readonly createdAtMs: number;
  readonly changed: string | null;
}

/** What is returned of a section at most. */
const SHOWN = { names: 500, changed: 200, lines: 50, characters: 300 } as const;

/** A stored configuration. */
export interface StoredRevision {
  readonly revisionId: number;
  readonly fingerprint: string;
  readonly createdAtMs: number;
  /** Names of the masters that have it in force, or had it when they were last seen. */
  readonly masters: readonly string[];
}

/** Shortest beginning of a fingerprint that names a revision. */
const SHORTEST = 4;

/** Stored configurations, which are never deleted. */
export class RevisionReads {
  constructor(private readonly db: Queryable) {}

  /** Returns the newest revisions, newest first. */
  async newest(limit: number): Promise<StoredRevision[]> {
    const rows = await this.db.all<Omit<StoredRevision, 'masters'>>(
      `SELECT id AS revisionId, fingerprint, created_at_ms AS createdAtMs FROM revisions ORDER BY id DESC LIMIT ${Math.trunc(limit)}`,
    );
    const masters = await this.mastersByRevision();
    return rows.map((row) => ({ ...row, masters: masters.get(row.revisionId) ?? [] }));
  }

  /**
   * Returns the contents of the revision whose fingerprint begins so.
   * @throws UserError `not-found`, `ambiguous`, `bad-revision`
   */
  async body(beginning: string): Promise<JsonValue> {
    const fingerprint = await this.fingerprint(beginning);
    const row = await this.db.get<{ body: string }>(`SELECT body FROM revisions WHERE fingerprint = ?`, [fingerprint]);
    return JSON.parse(row!.body) as JsonValue;
  }

  /**
   * Returns the fingerprint that begins so.
   * @throws UserError `not-found`, `ambiguous`, `bad-revision`
   */
  async fingerprint(beginning: string): Promise<string> {
    if (beginning.length < SHORTEST || !/^[0-9a-f]{1,64}$/.test(beginning))
      throw new UserError(
        'bad-revision',
        `'${beginning.slice(0, 70)}' is no revision: give ${SHORTEST} to 64 digits of its fingerprint`,
        { revision: beginning.slice(0, 70) },
      );
    const rows = await this.db.all<{ fingerprint: string }>(
      `SELECT fingerprint FROM revisions WHERE fingerprint LIKE ? LIMIT 2`,
      [`${beginning}%`],
    );
    if (rows.length === 0)
      throw new UserError('not-found', `no revision begins with '${beginning}'`, { revision: beginning });
    if (rows.length > 1)
      throw new UserError('ambiguous', `several revisions begin with '${beginning}': give more digits`, {
        revision: beginning,
      });
    return rows[0]!.fingerprint;
  }

  async list(query: ResourceQuery): Promise<Page<RevisionResource>> {
    const masters = await this.mastersByRevision();
    return readHistory<RevisionRow, RevisionResource>(this.db, REVISIONS, COLUMNS, query, (row) =>
      toView(row, masters),
    );
  }

  async one(id: number): Promise<RevisionResource | null> {
    const row = await this.db.get<RevisionRow>(`SELECT ${COLUMNS} FROM revisions r WHERE r.id = ?`, [id]);
    return row ? toView(row, await this.mastersByRevision()) : null;
  }

  /**
   * Returns what is different in a revision, by section.
   * @param from the other one; by default the one before it, and nothing for the first one
   * @returns null when there is no such revision
   */
  async differences(id: number, from?: number): Promise<RevisionDifferenceResource[] | null> {
    const before = from ?? (await this.before(id));
    if (before === null) return (await this.one(id)) && [];
    const rows = await this.db.all<{ id: number; body: string }>(`SELECT id, body FROM revisions WHERE id IN (?, ?)`, [
      id,
      before,
    ]);
    const bodies = new Map(rows.map((row) => [row.id, JSON.parse(row.body) as JsonValue]));
    const [old, now] = [bodies.get(before), bodies.get(id)];
    return old === undefined || now === undefined ? null : revisionDifferences(old, now).map(toDifference);
  }

  private async before(id: number): Promise<number | null> {
    const row = await this.db.get<{ id: number }>(`SELECT id FROM revisions WHERE id < ? ORDER BY id DESC LIMIT 1`, [
      id,
    ]);
    return row?.id ?? null;
  }

  private async mastersByRevision(): Promise<ReadonlyMap<number, readonly string[]>> {
    const rows = await this.db.all<{ name: string; revisionId: number }>(
      `SELECT name, revision_id AS revisionId FROM masters WHERE revision_id IS NOT NULL ORDER BY name`,
    );
    const byRevision = new Map<number, string[]>();
    for (const { name, revisionId } of rows) byRevision.set(revisionId, [...(byRevision.get(revisionId) ?? []), name]);
    return byRevision;
  }
}

function toView(row: RevisionRow, masters: ReadonlyMap<number, readonly string[]>): RevisionResource {
  return {
    changed: row.changed === null ? null : (JSON.parse(row.changed) as RevisionCounts),
    created_at: seconds(row.createdAtMs),
    fingerprint: row.fingerprint,
    masters: masters.get(row.id) ?? [],
    revisionid: row.id,
  };
}

function toDifference(difference: RevisionDifference): RevisionDifferenceResource {
  const { section, added, removed, changed, lines } = difference;
  return {
    section,
    counts: countsOf([difference])[section]!,
    added: added.slice(0, SHOWN.names),
    removed: removed.slice(0, SHOWN.names),
    changed: changed.slice(0, SHOWN.changed).map((one) => ({ name: one.name, lines: shownLines(one.lines) })),
    lines: shownLines(lines),
  };
}

function shownLines<Line extends string>(lines: readonly Line[]): Line[] {
  return lines
    .slice(0, SHOWN.lines)
    .map((line) => (line.length > SHOWN.characters ? `${line.slice(0, SHOWN.characters)}…` : line) as Line);
}
