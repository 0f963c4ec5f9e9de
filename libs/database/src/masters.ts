import { FencedError, OperationalError, UnexpectedError } from '@millrace/domain';
import type { Database, Queryable, Transaction } from './sql.js';

/** One life of a master: claims and ownerships refer to it, and are worth nothing once its lease has run out or its epoch moved on. */
export interface Incarnation {
  readonly masterId: number;
  readonly epoch: number;
}

export type MasterRole = 'scheduler' | 'engine' | 'ui';
export type MasterState = 'active' | 'draining' | 'stopped';

export interface Registration {
  readonly name: string;
  readonly role: MasterRole;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly leaseMs: number;
  /** Whether a process of this host is still there: a master that died on our own host need not be waited for. */
  readonly isAlive: (pid: number) => boolean;
}

/** True in SQL for a claim's or ownership's master `m` that still holds its lease under the epoch in `epochColumn`. */
export function aliveSql(db: Queryable, epochColumn: string): string {
  return `(m.epoch = ${epochColumn} AND m.state <> 'stopped' AND m.lease_until_ms > ${db.dialect.nowMs})`;
}

export class MasterStore {
  constructor(private readonly db: Database) {}

  /**
   * Begins a new incarnation of the named master.
   * @throws OperationalError `master-name-in-use` while another process holds the name's lease: try again when it has run out.
   */
  register(master: Registration): Promise<Incarnation> {
    return this.db.transaction(async (tx) => {
      const now = tx.dialect.nowMs;
      const row = await tx.get<{
        id: number;
        epoch: number;
        host: string;
        pid: number;
        state: MasterState;
        leftMs: number;
      }>(
        `SELECT id, epoch, host, pid, state, lease_until_ms - ${now} AS leftMs FROM masters WHERE name = ?${tx.dialect.forUpdate}`,
        [master.name],
      );
      if (!row) {
        const { insertId } = await tx.run(
          `INSERT INTO masters (name, role, host, pid, version, epoch, state, started_at_ms, last_active_at_ms, lease_until_ms, lease_ms)
           VALUES (?, ?, ?, ?, ?, 1, 'active', ${now}, ${now}, ${now} + ?, ?)`,
          [master.name, master.role, master.host, master.pid, master.version, master.leaseMs, master.leaseMs],
        );
        await addJournal(tx, insertId);
        return { masterId: insertId, epoch: 1 };
      }
      const elsewhere = row.host !== master.host || (row.pid !== master.pid && master.isAlive(row.pid));
      if (row.state !== 'stopped' && row.leftMs > 0 && elsewhere) {
        throw new OperationalError(
          'master-name-in-use',
          `another process (pid ${row.pid} on ${row.host}) is master '${master.name}' for ${row.leftMs} ms more; give this one another name or stop that one`,
          { name: master.name, leftMs: row.leftMs },
        );
      }
      await tx.defer(
        `UPDATE masters SET role = ?, host = ?, pid = ?, version = ?, epoch = epoch + 1, state = 'active', started_at_ms = ${now},
           last_active_at_ms = ${now}, lease_until_ms = ${now} + ?, lease_ms = ? WHERE id = ?`,
        [master.role, master.host, master.pid, master.version, master.leaseMs, master.leaseMs, row.id],
      );
      // A master of the release before has none.
      await addJournal(tx, row.id);
      return { masterId: row.id, epoch: row.epoch + 1 };
    });
  }

  /** Renews the lease, also one that ran out while nobody took over. False: another incarnation began; this one is over. */
  async renew(me: Incarnation, leaseMs: number): Promise<boolean> {
    const now = this.db.dialect.nowMs;
    const { affected } = await this.db.run(
      `UPDATE masters SET lease_until_ms = ${now} + ?, last_active_at_ms = ${now} WHERE id = ? AND epoch = ? AND state <> 'stopped'`,
      [leaseMs, me.masterId, me.epoch],
    );
    return affected === 1;
  }

  /** Gives the lease up, so that others need not wait for its end. */
  async stop(me: Incarnation): Promise<void> {
    await this.db.run(`UPDATE masters SET state = 'stopped', lease_until_ms = 0 WHERE id = ? AND epoch = ?`, [
      me.masterId,
      me.epoch,
    ]);
  }

  async setState(me: Incarnation, state: MasterState): Promise<void> {
    await this.db.run(`UPDATE masters SET state = ? WHERE id = ? AND epoch = ?`, [state, me.masterId, me.epoch]);
  }
}

function addJournal(tx: Transaction, masterId: number): Promise<void> {
  return tx.defer(`${tx.dialect.insertIgnore} INTO journals (master_id, master_epoch, group_number) VALUES (?, 0, 0)`, [
    masterId,
  ]);
}

/** Makes sure that our own lease still stands. @throws FencedError */
export async function assertLeased(tx: Transaction, me: Incarnation): Promise<void> {
  const row = await tx.get(`SELECT m.id FROM masters m WHERE m.id = ? AND ${aliveSql(tx, '?')}`, [
    me.masterId,
    me.epoch,
  ]);
  if (!row) throw new FencedError(`the lease of master ${me.masterId}`, { ...me });
}

/** A scheduler, poller or reporter that is active on one master at a time (I4). */
export interface Ownership {
  readonly name: string;
  readonly epoch: number;
}

export class OwnershipStore {
  constructor(private readonly db: Database) {}

  /**
   * Takes `name` if nobody alive has it, and from another master only when `mayTakeOver`. Null: somebody else's. Calling it again while
   * owning it returns the same epoch and costs one read.
   */
  async acquire(name: string, me: Incarnation, mayTakeOver: boolean): Promise<Ownership | null> {
    const seen = await readOwner(this.db, name, '');
    if (seen && isMine(seen, me)) return { name, epoch: seen.epoch };
    return this.db.transaction(async (tx) => {
      const { nowMs, forUpdate, insertIgnore } = tx.dialect;
      await tx.defer(
        `${insertIgnore} INTO ownerships (name, master_id, master_epoch, epoch, since_ms) VALUES (?, 0, 0, 0, ${nowMs})`,
        [name],
      );
      const row = await readOwner(tx, name, forUpdate);
      if (!row) throw new UnexpectedError('ownership-vanished', `ownership '${name}' vanished`, { name });
      if (isMine(row, me)) return { name, epoch: row.epoch };
      const ownEarlierLife = row.masterId === me.masterId && row.masterEpoch < me.epoch;
      if (row.masterId !== 0 && !ownEarlierLife) {
        const owner = await tx.get(`SELECT m.id FROM masters m WHERE m.id = ? AND m.state = 'stopped'`, [row.masterId]);
        if (!owner && !mayTakeOver) return null;
      }
      const alive = await tx.get(`SELECT m.id FROM masters m WHERE m.id = ? AND ${aliveSql(tx, '?')}`, [
        row.masterId,
        row.masterEpoch,
      ]);
      if (alive) return null;
      await assertLeased(tx, me);
      await tx.defer(
        `UPDATE ownerships SET master_id = ?, master_epoch = ?, epoch = epoch + 1, since_ms = ${nowMs} WHERE name = ?`,
        [me.masterId, me.epoch, name],
      );
      return { name, epoch: row.epoch + 1 };
    });
  }
}

interface OwnerRow {
  readonly masterId: number;
  readonly masterEpoch: number;
  readonly epoch: number;
}

function readOwner(db: Queryable, name: string, lock: string): Promise<OwnerRow | undefined> {
  return db.get<OwnerRow>(
    `SELECT master_id AS masterId, master_epoch AS masterEpoch, epoch FROM ownerships WHERE name = ?${lock}`,
    [name],
  );
}

function isMine(row: OwnerRow, me: Incarnation): boolean {
  return row.masterId === me.masterId && row.masterEpoch === me.epoch;
}

/** First statement of every transaction that acts as the owner. @throws FencedError when somebody else took over. */
export async function assertOwner(tx: Transaction, owner: Ownership): Promise<void> {
  const row = await tx.get<{ epoch: number }>(`SELECT epoch FROM ownerships WHERE name = ?${tx.dialect.forUpdate}`, [
    owner.name,
  ]);
  if (row?.epoch !== owner.epoch) throw new FencedError(`'${owner.name}'`, { ...owner });
}

/** A master by its name, dead or alive; `builds` are those that it has. Null: no master ever had that name. */
export async function masterNamed(
  db: Queryable,
  name: string,
): Promise<(Incarnation & { readonly role: MasterRole; readonly state: MasterState; readonly builds: number }) | null> {
  const row = await db.get<Incarnation & { role: MasterRole; state: MasterState; alive: number; builds: number }>(
    `SELECT m.id AS masterId, m.epoch, m.role, m.state, ${aliveSql(db, 'm.epoch')} AS alive,
            (SELECT COUNT(*) FROM claims c WHERE c.master_id = m.id AND c.master_epoch = m.epoch) AS builds
     FROM masters m WHERE m.name = ?`,
    [name],
  );
  if (!row) return null;
  const { alive, ...master } = row;
  return { ...master, state: alive === 1 ? row.state : 'stopped' };
}

/** Masters whose lease stands, by the database's clock. */
export async function listActiveMasters(
  db: Queryable,
): Promise<{ masterId: number; name: string; role: MasterRole }[]> {
  return db.all(
    `SELECT id AS masterId, name, role FROM masters WHERE state <> 'stopped' AND lease_until_ms > ${db.dialect.nowMs} ORDER BY id`,
  );
}
