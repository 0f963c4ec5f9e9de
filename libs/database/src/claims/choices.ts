import type { Properties, SourceStamp } from '@millrace/domain';
import type { Incarnation } from '../masters.js';
import { placeholders, type Database, type Queryable } from '../sql.js';
import { requestsOf } from './requests.js';

/** A queued request with what decides about it. */
export interface RequestToChoose {
  readonly requestId: number;
  readonly submittedAtMs: number;
  readonly reason: string;
  readonly properties: Properties;
  /** In the order of their codebases. */
  readonly sourceStamps: readonly SourceStamp[];
}

/** What a callback said about a builder's next request. */
export interface CallbackWait {
  readonly callback: string;
  readonly text: string;
}

/** Time for which it counts what a callback said. Engines ask more often as long as the builder has to wait. */
const COUNTS_MS = 30_000;

/** Reads for callbacks that choose, and records what they say. Builders without callbacks send none of its statements. */
export class ChoiceStore {
  constructor(private readonly db: Database) {}

  /** Returns requests by id. */
  async requests(ids: readonly number[]): Promise<ReadonlyMap<number, RequestToChoose>> {
    if (ids.length === 0) return new Map();
    const rows = await this.db.all<Pick<RequestToChoose, 'requestId' | 'submittedAtMs' | 'reason'>>(
      `SELECT r.id AS requestId, r.submitted_at_ms AS submittedAtMs, s.reason
       FROM build_requests r JOIN buildsets s ON s.id = r.buildset_id WHERE r.id IN ${placeholders(ids.length)}`,
      ids,
    );
    const known = await requestsOf(this.db, ids);
    return new Map(
      rows.map((row) => {
        const { properties, sourceStamps } = known.get(row.requestId)!;
        return [row.requestId, { ...row, properties, sourceStamps }];
      }),
    );
  }

  /** Records what a callback of the builder said here last; null when it has nothing to say any more. */
  async record({ masterId }: Incarnation, builderId: number, wait: CallbackWait | null): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.defer(`DELETE FROM callback_waits WHERE builder_id = ? AND master_id = ?`, [builderId, masterId]);
      if (wait === null) return;
      await tx.defer(
        `INSERT INTO callback_waits (builder_id, master_id, callback, text, asked_at_ms) VALUES (?, ?, ?, ?, ${tx.dialect.nowMs})`,
        [builderId, masterId, wait.callback, wait.text],
      );
    });
  }
}

/** Returns what a callback of the builder said last, at any engine; null when that counts no longer. */
export async function callbackWaitOf(db: Queryable, builderId: number): Promise<CallbackWait | null> {
  const { nowMs } = db.dialect;
  const row = await db.get<CallbackWait>(
    `SELECT callback, text FROM callback_waits WHERE builder_id = ? AND asked_at_ms > ${nowMs} - ${COUNTS_MS} AND asked_at_ms <= ${nowMs}
     ORDER BY asked_at_ms DESC LIMIT 1`,
    [builderId],
  );
  return row ?? null;
}
