import { LessThanOrEqual } from 'typeorm';
import { AuditEntity } from '../entities/audit.js';
import { type Database, databaseNowMs, type Dialect, type SqlValue, type Transaction } from '../sql.js';

/** Most characters of parameters, targets and errors. */
const MOST = { params: 4_000, target: 190, error: 1_000, action: 64, address: 64 } as const;
/** Most rows that one statement removes. */
const AT_ONCE = 1_000;

/** Something that somebody does. */
export interface RecordedDeed {
  readonly username: string | null;
  readonly via: AuditEntity['via'];
  readonly tokenId: number | null;
  readonly address: string;
  readonly action: string;
  readonly target: string;
  readonly params: object;
}

export interface AuditLimits {
  readonly keepMs: number;
  readonly mostRows: number;
}

/** Who did what, when and from where. */
export class AuditStore {
  constructor(private readonly db: Database) {}

  /**
   * Records something before it is done, so that nothing is done without a record.
   * @returns the number of the entry, for `ended`
   */
  begun(deed: RecordedDeed): Promise<number> {
    return this.add(deed, 'begun', null);
  }

  async ended(id: number, outcome: 'done' | 'failed', error: string | null = null): Promise<void> {
    await this.db.run(`UPDATE audit SET outcome = ?, error = ? WHERE id = ?`, [
      ...[outcome, error && error.slice(0, MOST.error), id],
    ]);
  }

  async refused(deed: RecordedDeed, error: string): Promise<void> {
    await this.add(deed, 'refused', error);
  }

  async done(deed: RecordedDeed): Promise<void> {
    await this.add(deed, 'done', null);
  }

  /** Records that something failed which records itself when it is done. */
  async failed(deed: RecordedDeed, error: string): Promise<void> {
    await this.add(deed, 'failed', error);
  }

  /**
   * Removes the entries that are too old or too many.
   * @returns how many there were
   */
  async prune({ keepMs, mostRows }: AuditLimits): Promise<number> {
    const oldestMs = (await databaseNowMs(this.db)) - keepMs;
    const newest = await this.db.get<{ id: number | null }>(`SELECT MAX(id) AS id FROM audit`);
    const tooMany = (newest?.id ?? 0) - mostRows;
    const entries = await this.db.repository(AuditEntity);
    let removed = 0;
    for (;;) {
      const oldest = await this.db.all<{ id: number; atMs: number }>(
        `SELECT id, at_ms AS atMs FROM audit ORDER BY id LIMIT ${AT_ONCE}`,
      );
      const last = oldest.filter(({ id, atMs }) => id <= tooMany || atMs <= oldestMs).at(-1);
      if (!last) return removed;
      removed += (await entries.delete({ id: LessThanOrEqual(last.id) })).affected ?? 0;
    }
  }

  private async add(deed: RecordedDeed, outcome: AuditEntity['outcome'], error: string | null): Promise<number> {
    const { insertId } = await this.db.run(...entry(this.db.dialect, deed, outcome, error));
    return insertId;
  }
}

/** Records something with the transaction that does it: neither is there without the other. */
export function recordIn(tx: Transaction, deed: RecordedDeed): Promise<void> {
  return tx.defer(...entry(tx.dialect, deed, 'done', null));
}

/** Returns the statement that adds an entry, and its values. */
function entry(
  dialect: Dialect,
  { username, via, tokenId, address, action, target, params }: RecordedDeed,
  outcome: AuditEntity['outcome'],
  error: string | null,
): [sql: string, params: SqlValue[]] {
  return [
    `INSERT INTO audit (at_ms, username, via, token_id, address, action, target, params, outcome, error)
     VALUES (${dialect.nowMs}, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      ...[username, via, tokenId, address.slice(0, MOST.address), action.slice(0, MOST.action)],
      ...[target.slice(0, MOST.target), shortened(params), outcome, error && error.slice(0, MOST.error)],
    ],
  ];
}

/** Returns parameters as JSON. Of long ones only the beginning is kept, as a text. */
function shortened(params: object): string {
  const json = JSON.stringify(params);
  return json.length <= MOST.params ? json : JSON.stringify({ beginning: json.slice(0, MOST.params / 2) });
}
