import { LessThanOrEqual } from 'typeorm';
import { AuditEntity } from '../entities/audit.js';
import { type Database, databaseNowMs } from '../sql.js';

/** Most characters of parameters, targets and errors. */
const MOST = { params: 4_000, target: 190, error: 1_000, action: 64, address: 64 } as const;
/** Most rows that one statement removes. */
const AT_ONCE = 1_000;

/** Something that somebody does. */
export interface Deed {
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
  begun(deed: Deed): Promise<number> {
    return this.add(deed, 'begun', null);
  }

  async ended(id: number, outcome: 'done' | 'failed', error: string | null = null): Promise<void> {
    const entries = await this.db.repository(AuditEntity);
    await entries.update({ id }, { outcome, error: error && error.slice(0, MOST.error) });
  }

  async refused(deed: Deed, error: string): Promise<void> {
    await this.add(deed, 'refused', error);
  }

  async done(deed: Deed): Promise<void> {
    await this.add(deed, 'done', null);
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

  private async add(deed: Deed, outcome: AuditEntity['outcome'], error: string | null): Promise<number> {
    const entries = await this.db.repository(AuditEntity);
    const { identifiers } = await entries.insert({
      ...deed,
      ...{ outcome, error: error && error.slice(0, MOST.error), params: shortened(deed.params) },
      address: deed.address.slice(0, MOST.address),
      action: deed.action.slice(0, MOST.action),
      target: deed.target.slice(0, MOST.target),
      atMs: () => this.db.dialect.nowMs,
    });
    return (identifiers[0] as { id: number }).id;
  }
}

/** Returns parameters as JSON. Of long ones only the beginning is kept, as a text. */
function shortened(params: object): string {
  const json = JSON.stringify(params);
  return json.length <= MOST.params ? json : JSON.stringify({ beginning: json.slice(0, MOST.params / 2) });
}
