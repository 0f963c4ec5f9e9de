import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib';
import { FencedError, UserError } from '@millrace/domain';
import { command } from '../actions/commands.js';
import { isUniqueViolation } from '../open.js';
import { assertOwner, type Ownership, ownershipName } from '../ownerships.js';
import { chunked, type Database, placeholders, type Transaction } from '../sql.js';
import { type IncomingChange, insertChanges, type NewChange } from './changes.js';
import { bodyHashOf, checkSameBody } from './idempotency.js';

export interface NewHookDelivery {
  readonly hook: string;
  readonly dialect: string;
  /** The forge's id of the delivery. */
  readonly deliveryKey: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
  readonly body: Buffer;
  /** The user and the purpose of the API token that it came with; null without one. */
  readonly deliveredBy?: string | null;
  /** How long the body is kept. */
  readonly keepMs: number;
}

/** A delivery that has to be read. */
export interface WaitingDelivery {
  readonly deliveryId: number;
  readonly hook: string;
  readonly deliveryKey: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
  readonly body: string;
  /** In ms since 1970, by the database's clock. */
  readonly receivedAtMs: number;
  /** How often its changes were asked for again. */
  readonly generation: number;
}

/** What came of a delivery. `failed` is tried again by another release or revision. */
export type DeliveryOutcome =
  | { readonly kind: 'changes'; readonly changes: readonly NewChange[] }
  | { readonly kind: 'poll'; readonly sources: readonly string[] }
  | { readonly kind: 'ignored' | 'failed'; readonly reason: string };

/** A delivery, and what came of it. */
export interface ReadDelivery {
  readonly delivery: WaitingDelivery;
  readonly outcome: DeliveryOutcome;
}

export interface Settled {
  /** Ids of the changes that were made. */
  readonly changeIds: readonly number[];
  /** Ids of the masters that were asked to poll. */
  readonly askedMasterIds: readonly number[];
}

/** Most deliveries that are read together, and about the most bytes of their bodies. */
const READ_AT_ONCE = 50;
const BYTES_AT_ONCE = 4 << 20;
/** Most changes that one transaction makes: the order of changes is locked meanwhile. */
const CHANGES_AT_ONCE = 200;
const DROPPED_AT_ONCE = 100;

/** Largest body that is compressed on the spot: that takes less time than handing it to another thread and waiting for its turn. */
const ON_THE_SPOT_BYTES = 64 << 10;
const FAST = { level: constants.Z_BEST_SPEED };

/**
 * What forges delivered to hooks. A delivery is stored before it is answered, and read later by the master that owns its hook (I2, I4).
 * Prepared SQL: a forge waits for the commit.
 */
export class HookDeliveryStore {
  constructor(private readonly db: Database) {}

  /**
   * Stores a delivery. The same key with the same body is the same delivery.
   * @throws UserError `idempotency-conflict` for the same key with another body
   */
  async accept(delivery: NewHookDelivery): Promise<{ readonly deliveryId: number; readonly repeated: boolean }> {
    const { hook, dialect, deliveryKey, headers, query, body, keepMs, deliveredBy = null } = delivery;
    const hash = bodyHashOf(body);
    try {
      const { nowMs } = this.db.dialect;
      const { insertId } = await this.db.run(
        `INSERT INTO hook_deliveries (hook, dialect, delivery_key, body_hash, headers, query, body, body_bytes, body_until_ms,
           received_at_ms, state, attempts, generation, delivered_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ${nowMs} + ?, ${nowMs}, 'waiting', 0, 0, ?)`,
        [
          ...[hook, dialect, deliveryKey, hash, JSON.stringify(headers), query, await compressed(body), body.length],
          ...[keepMs, deliveredBy],
        ],
      );
      return { deliveryId: insertId, repeated: false };
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const earlier = await this.db.get<{ id: number; hash: string }>(
        `SELECT id, body_hash AS hash FROM hook_deliveries WHERE hook = ? AND delivery_key = ?`,
        [hook, deliveryKey],
      );
      if (!earlier) throw error;
      checkSameBody(earlier.hash, hash, { name: 'the delivery id', key: deliveryKey });
      return { deliveryId: earlier.id, repeated: true };
    }
  }

  /** Returns deliveries of a hook that wait to be read, oldest first. `hasMore`: there may be more than these. */
  async waiting(hook: string): Promise<{ readonly waiting: readonly WaitingDelivery[]; readonly hasMore: boolean }> {
    const first = await this.db.all<{ id: number; bytes: number }>(
      `SELECT id, body_bytes AS bytes FROM hook_deliveries WHERE hook = ? AND state = 'waiting' ORDER BY id LIMIT ${READ_AT_ONCE}`,
      [hook],
    );
    if (first.length === 0) return { waiting: [], hasMore: false };
    let sum = 0;
    const ids = first.filter((row, i) => (sum += row.bytes) <= BYTES_AT_ONCE || i === 0).map(({ id }) => id);
    const rows = await this.db.all<
      Omit<WaitingDelivery, 'headers' | 'body'> & { headers: string; body: Buffer; bytes: number }
    >(
      `SELECT id AS deliveryId, hook, delivery_key AS deliveryKey, headers, query, body, body_bytes AS bytes,
         received_at_ms AS receivedAtMs, generation
       FROM hook_deliveries WHERE id IN ${placeholders(ids.length)} AND state = 'waiting' ORDER BY id`,
      ids,
    );
    const waiting = await Promise.all(
      rows.map(async ({ headers, body, bytes, ...row }) => ({
        ...row,
        headers: JSON.parse(headers) as Record<string, string>,
        body: (await decompressed(body, bytes)).toString('utf8'),
      })),
    );
    return { waiting, hasMore: ids.length < first.length || first.length === READ_AT_ONCE };
  }

  /**
   * Stores what came of deliveries, with their changes, in one transaction, in order. Many changes are made in several: the last one of a
   * delivery settles it, and what is repeated after a failure is recognised by the changes' keys. When one of them cannot be stored nothing
   * of its transaction is: the others are then to be settled without it.
   *
   * @param readBy the release and revision that read them
   * @throws FencedError when another master is the owner, or when a delivery does not wait any more
   */
  async settle(owner: Ownership, read: readonly ReadDelivery[], readBy: string): Promise<Settled> {
    const changeIds: number[] = [];
    const askedMasterIds = new Set<number>();
    for (const parts of together(read.flatMap(partsOf))) {
      const settled = await this.db.transaction((tx) => settleIn(tx, owner, parts, readBy));
      changeIds.push(...settled.changeIds);
      for (const masterId of settled.askedMasterIds) askedMasterIds.add(masterId);
    }
    return { changeIds, askedMasterIds: [...askedMasterIds] };
  }

  /** Lets deliveries be read again that another release or revision could not read. */
  async retryFailed(owner: Ownership, hook: string, readBy: string): Promise<number> {
    return this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      const { affected } = await tx.run(
        `UPDATE hook_deliveries SET state = 'waiting'
         WHERE hook = ? AND state = 'failed' AND body IS NOT NULL AND (read_by IS NULL OR read_by <> ?)`,
        [hook, readBy],
      );
      return affected;
    });
  }

  /**
   * Lets a delivery be read again. Changes that it has made already are made again only with `again`.
   * @throws UserError `not-found`, `body-dropped` when the body is not kept any more
   */
  replay(deliveryId: number, { again }: { readonly again: boolean }): Promise<{ readonly hook: string }> {
    return this.db.transaction(async (tx) => {
      const row = await tx.get<{ hook: string; bodyUntilMs: number | null }>(
        `SELECT hook, body_until_ms AS bodyUntilMs FROM hook_deliveries WHERE id = ?${tx.dialect.forUpdate}`,
        [deliveryId],
      );
      if (!row) throw new UserError('not-found', `no delivery ${deliveryId}`, { id: deliveryId });
      if (row.bodyUntilMs === null)
        throw new UserError(
          'body-dropped',
          `delivery ${deliveryId} cannot be read again: its body is not kept any more; let the forge send it again`,
          { id: deliveryId },
        );
      await tx.run(`UPDATE hook_deliveries SET state = 'waiting', generation = generation + ? WHERE id = ?`, [
        again ? 1 : 0,
        deliveryId,
      ]);
      return { hook: row.hook };
    });
  }

  /**
   * Drops bodies whose time is over, some at a time.
   * @returns how many were dropped
   */
  dropBodies(): Promise<number> {
    return this.db.transaction(async (tx) => {
      const rows = await tx.all<{ id: number }>(
        `SELECT id FROM hook_deliveries WHERE body_until_ms <= ${tx.dialect.nowMs} ORDER BY body_until_ms
         LIMIT ${DROPPED_AT_ONCE}`,
      );
      if (rows.length === 0) return 0;
      const ids = rows.map(({ id }) => id);
      await tx.run(
        `UPDATE hook_deliveries SET reason = 'no scheduler had a hook of this name as long as the body was kept', state = 'failed'
         WHERE id IN ${placeholders(ids.length)} AND state = 'waiting'`,
        ids,
      );
      await tx.run(
        `UPDATE hook_deliveries SET body = NULL, body_until_ms = NULL WHERE id IN ${placeholders(ids.length)}`,
        ids,
      );
      return ids.length;
    });
  }
}

async function compressed(body: Buffer): Promise<Buffer> {
  return body.length <= ON_THE_SPOT_BYTES ? gzipSync(body, FAST) : promisify(gzip)(body, FAST);
}

async function decompressed(packed: Buffer, bytes: number): Promise<Buffer> {
  return bytes <= ON_THE_SPOT_BYTES ? gunzipSync(packed) : promisify(gunzip)(packed);
}

/** Some of a delivery's changes, and with the last of them what came of it. */
interface Part {
  readonly delivery: WaitingDelivery;
  readonly changes: readonly NewChange[];
  /** Null when more changes follow. */
  readonly outcome: DeliveryOutcome | null;
}

function partsOf({ delivery, outcome }: ReadDelivery): Part[] {
  const changes = outcome.kind === 'changes' ? chunked(outcome.changes, CHANGES_AT_ONCE) : [];
  if (changes.length === 0) return [{ delivery, changes: [], outcome }];
  return changes.map((some, i) => ({ delivery, changes: some, outcome: i === changes.length - 1 ? outcome : null }));
}

/** Returns the parts that go into one transaction, for each of these. */
function together(parts: readonly Part[]): Part[][] {
  const groups: Part[][] = [];
  let changes = Infinity;
  for (const part of parts) {
    changes += part.changes.length;
    if (changes > CHANGES_AT_ONCE) {
      groups.push([]);
      changes = part.changes.length;
    }
    groups.at(-1)!.push(part);
  }
  return groups;
}

async function settleIn(
  tx: Transaction,
  owner: Ownership,
  parts: readonly Part[],
  readBy: string,
): Promise<{ readonly changeIds: readonly number[]; readonly askedMasterIds: readonly number[] }> {
  await assertWaiting(
    tx,
    owner,
    parts.map(({ delivery }) => delivery),
  );
  const askedMasterIds: number[] = [];
  for (const { delivery, outcome } of parts) {
    if (outcome === null) continue;
    const polls = outcome.kind === 'poll' ? await askToPoll(tx, outcome.sources) : { askedMasterIds: [], unknown: [] };
    askedMasterIds.push(...polls.askedMasterIds);
    const { state, reason } = stateOf(outcome, polls.unknown);
    await tx.defer(
      `UPDATE hook_deliveries SET state = ?, reason = ?, read_by = ?, read_at_ms = ${tx.dialect.nowMs}, attempts = attempts + 1
       WHERE id = ?`,
      [state, reason, readBy, delivery.deliveryId],
    );
  }
  const changes = parts.flatMap(({ delivery: { deliveryId }, changes: some }) =>
    some.map((change): IncomingChange => ({ ...change, deliveryId })),
  );
  return { changeIds: await insertChanges(tx, changes), askedMasterIds };
}

/** @throws FencedError */
async function assertWaiting(tx: Transaction, owner: Ownership, deliveries: readonly WaitingDelivery[]): Promise<void> {
  await assertOwner(tx, owner);
  const rows = await tx.all<{ id: number; generation: number }>(
    `SELECT id, generation FROM hook_deliveries WHERE id IN ${placeholders(deliveries.length)} AND state = 'waiting'
     ORDER BY id${tx.dialect.forUpdate}`,
    deliveries.map(({ deliveryId }) => deliveryId),
  );
  const waiting = new Map(rows.map(({ id, generation }) => [id, generation]));
  for (const { deliveryId, generation } of deliveries)
    if (waiting.get(deliveryId) !== generation) throw new FencedError(`delivery ${deliveryId}`);
}

function stateOf(
  outcome: DeliveryOutcome,
  unknown: readonly string[],
): { readonly state: string; readonly reason: string | null } {
  if (outcome.kind === 'changes') return { state: 'done', reason: null };
  if (outcome.kind !== 'poll') return { state: outcome.kind, reason: outcome.reason };
  if (unknown.length === 0) return { state: 'done', reason: `asked to poll: ${outcome.sources.join(', ')}` };
  return { state: 'failed', reason: `nobody polls a change source of this name: ${unknown.join(', ')}` };
}

/** Asks the masters that own change sources to poll them. A master that takes one over polls it at once anyway. */
async function askToPoll(
  tx: Transaction,
  sources: readonly string[],
): Promise<{ readonly askedMasterIds: number[]; readonly unknown: string[] }> {
  const askedMasterIds: number[] = [];
  const unknown: string[] = [];
  for (const source of sources) {
    const owner = await tx.get<{ masterId: number }>(`SELECT master_id AS masterId FROM ownerships WHERE name = ?`, [
      ownershipName.poller(source),
    ]);
    if (owner) {
      await command(tx, owner.masterId, { kind: 'poll', source });
      askedMasterIds.push(owner.masterId);
    } else unknown.push(source);
  }
  return { askedMasterIds, unknown };
}
