import type { Incarnation } from './masters.js';
import { type Database, placeholders, type SqlValue } from './sql.js';

/** The properties of a session that its connection determines. */
export interface SessionKind {
  /** Whether the worker goes on with its commands while it has no engine (I9). */
  readonly resumes?: boolean;
  /** `msgpack` or `pb`. */
  readonly protocol?: string;
  readonly address?: string | null;
}

export interface SessionStart {
  readonly workerId: number;
  readonly me: Incarnation;
  readonly info: Readonly<Record<string, unknown>>;
  readonly kind: SessionKind;
}

export interface SessionEnd {
  readonly workerId: number;
  readonly sessionEpoch: number;
}

/** Longest information of a worker, as JSON. Lists of workers contain that of all workers. */
export const MOST_INFO_CHARACTERS = 32 << 10;

/** Returns the information as JSON. When it is too long, a note is stored instead; callers know the limit. */
function infoText(info: SessionStart['info']): string {
  const text = JSON.stringify(info);
  if (text.length <= MOST_INFO_CHARACTERS) return text;
  return JSON.stringify({ left_out: `${text.length} characters, because ${MOST_INFO_CHARACTERS} are the most` });
}

/** Columns that are set in a worker's row when its session begins. */
const COLUMNS: Readonly<Record<string, (start: SessionStart) => SqlValue>> = {
  info: (start) => infoText(start.info),
  resumes: ({ kind }) => kind.resumes ?? false,
  protocol: ({ kind }) => kind.protocol ?? null,
  address: ({ kind }) => kind.address ?? null,
};

/** Whether two sessions can begin in the same statement. */
export function canBeginTogether(one: SessionStart, other: SessionStart): boolean {
  return one.workerId !== other.workerId && one.me.masterId === other.me.masterId && one.me.epoch === other.me.epoch;
}

/**
 * Begins sessions of different workers with the same master, in one transaction. SQL, because one statement sets different values for each.
 * @returns their epochs, in the same order
 */
export function beginSessions(db: Database, starts: readonly SessionStart[]): Promise<number[]> {
  const { me } = starts[0]!;
  const ids = starts.map(({ workerId }) => workerId);
  const cases = Object.keys(COLUMNS).map((column) => `${column} = CASE id${' WHEN ? THEN ?'.repeat(ids.length)} END`);
  const values = Object.values(COLUMNS).flatMap((value) => starts.flatMap((start) => [start.workerId, value(start)]));
  return db.transaction(async (tx) => {
    const now = tx.dialect.nowMs;
    await tx.defer(
      `UPDATE workers SET session_epoch = session_epoch + 1, master_id = ?, master_epoch = ?, connected_since_ms = ${now},
         last_seen_at_ms = ${now}, missing_at_ms = NULL, ${cases.join(', ')} WHERE id IN ${placeholders(ids.length)}`,
      [me.masterId, me.epoch, ...values, ...ids],
    );
    const rows = await tx.all<{ id: number; epoch: number }>(
      `SELECT id, session_epoch AS epoch FROM workers WHERE id IN ${placeholders(ids.length)}`,
      ids,
    );
    const epochs = new Map(rows.map(({ id, epoch }) => [id, epoch]));
    return ids.map((id) => epochs.get(id)!);
  });
}

/** Ends sessions. Those that a newer one has replaced are left unchanged. */
export async function endSessions(db: Database, ends: readonly SessionEnd[]): Promise<void> {
  await db.run(
    `UPDATE workers SET master_id = NULL, master_epoch = NULL, connected_since_ms = NULL, last_seen_at_ms = ${db.dialect.nowMs}
     WHERE ${ends.map(() => '(id = ? AND session_epoch = ?)').join(' OR ')}`,
    ends.flatMap(({ workerId, sessionEpoch }) => [workerId, sessionEpoch]),
  );
}
