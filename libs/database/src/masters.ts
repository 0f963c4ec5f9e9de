import { FencedError, OperationalError } from '@millrace/domain';
import { Not } from 'typeorm';
import { ClaimEntity } from './entities/requests.js';
import { JournalEntity, MasterEntity } from './entities/masters.js';
import { locking } from './repositories.js';
import type { Database, Queryable, Transaction } from './sql.js';

/** One life of a master. Claims and ownerships refer to it, and are invalid once its lease has run out or the epoch has changed. */
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
  /** Whether a process of this host still exists. A master that died on our own host need not be waited for. */
  readonly isAlive: (pid: number) => boolean;
}

/** Returns a SQL condition that is true for a living master: one whose lease is valid. */
export function leasedSql(db: Queryable, master: string): string {
  return `(${master}.state <> 'stopped' AND ${master}.lease_until_ms > ${db.dialect.nowMs})`;
}

/**
 * Returns a SQL condition that is true when master `m` is still in the life that a claim, ownership or session refers to by `epochColumn`.
 */
export function aliveSql(db: Queryable, epochColumn: string): string {
  return `(m.epoch = ${epochColumn} AND ${leasedSql(db, 'm')})`;
}

export class MasterStore {
  constructor(private readonly db: Database) {}

  /**
   * Begins a new incarnation of the named master.
   * @throws OperationalError `master-name-in-use` while another process holds the name's lease: try again when it has run out
   */
  register(master: Registration): Promise<Incarnation> {
    return this.db.transaction(async (tx) => {
      const now = tx.dialect.nowMs;
      const masters = await tx.repository(MasterEntity);
      const found = await locking(masters.createQueryBuilder('m'), tx)
        .addSelect(`m.lease_until_ms - ${now}`, 'leftMs')
        .where('m.name = :name', { name: master.name })
        .getRawAndEntities<{ leftMs: number }>();
      const row = found.entities[0];
      const life = {
        role: master.role,
        host: master.host,
        pid: master.pid,
        version: master.version,
        state: 'active' as const,
        startedAtMs: () => now,
        lastActiveAtMs: () => now,
        leaseUntilMs: () => `${now} + :leaseMs`,
        leaseMs: master.leaseMs,
      };
      if (!row) {
        const { identifiers } = await masters
          .createQueryBuilder()
          .insert()
          .values({ ...life, name: master.name, epoch: 1 })
          .setParameter('leaseMs', master.leaseMs)
          .execute();
        const { id } = identifiers[0] as { id: number };
        await addJournal(tx, id);
        return { masterId: id, epoch: 1 };
      }
      const { leftMs } = found.raw[0]!;
      const elsewhere = row.host !== master.host || (row.pid !== master.pid && master.isAlive(row.pid));
      if (row.state !== 'stopped' && leftMs > 0 && elsewhere) {
        throw new OperationalError(
          'master-name-in-use',
          `another process (pid ${row.pid} on ${row.host}) is master '${master.name}' for ${leftMs} ms more; give this one another name or stop that one`,
          { name: master.name, leftMs },
        );
      }
      await masters
        .createQueryBuilder()
        .update()
        .set({ ...life, epoch: () => 'epoch + 1' })
        .where({ id: row.id })
        .setParameter('leaseMs', master.leaseMs)
        .execute();
      // A master that ran the previous release has none.
      await addJournal(tx, row.id);
      return { masterId: row.id, epoch: row.epoch + 1 };
    });
  }

  /**
   * Renews the lease, also one that has run out if nobody took over. Returns false when another incarnation has begun; this one is over.
   */
  async renew(me: Incarnation, leaseMs: number): Promise<boolean> {
    const now = this.db.dialect.nowMs;
    const masters = await this.db.repository(MasterEntity);
    const { affected } = await masters
      .createQueryBuilder()
      .update()
      .set({ leaseUntilMs: () => `${now} + :leaseMs`, lastActiveAtMs: () => now })
      .where({ ...lifeOf(me), state: Not('stopped') })
      .setParameter('leaseMs', leaseMs)
      .execute();
    return affected === 1;
  }

  /**
   * Returns the database's clock, and whether a lease ends later than one that begins now, which means that the clock has been set back.
   */
  async clock(): Promise<{ readonly nowMs: number; readonly hasOverlong: boolean }> {
    const { nowMs } = this.db.dialect;
    const row = await this.db.get<{ nowMs: number; overlong: number }>(
      `SELECT ${nowMs} AS nowMs, (SELECT COUNT(*) FROM masters WHERE lease_until_ms > ${nowMs} + lease_ms) AS overlong`,
    );
    return { nowMs: row!.nowMs, hasOverlong: row!.overlong > 0 };
  }

  /** Cuts every lease to the length of one that begins now. Living masters renew theirs; those of dead masters run out. */
  async cutLeases(): Promise<void> {
    const { nowMs } = this.db.dialect;
    await this.db.run(
      `UPDATE masters SET lease_until_ms = ${nowMs} + lease_ms WHERE lease_until_ms > ${nowMs} + lease_ms`,
    );
  }

  /** Gives the lease up, so that others need not wait for its end. */
  async stop(me: Incarnation): Promise<void> {
    const masters = await this.db.repository(MasterEntity);
    await masters.update(lifeOf(me), { state: 'stopped', leaseUntilMs: 0 });
  }

  async setState(me: Incarnation, state: MasterState): Promise<void> {
    const masters = await this.db.repository(MasterEntity);
    await masters.update(lifeOf(me), { state });
  }
}

function lifeOf(me: Incarnation): { id: number; epoch: number } {
  return { id: me.masterId, epoch: me.epoch };
}

async function addJournal(tx: Transaction, masterId: number): Promise<void> {
  const journals = await tx.repository(JournalEntity);
  await journals
    .createQueryBuilder()
    .insert()
    .orIgnore()
    .values({ masterId, masterEpoch: 0, groupNumber: 0 })
    .updateEntity(false)
    .execute();
}

/**
 * Checks that our own lease is still valid.
 * @throws FencedError
 */
export async function assertLeased(tx: Transaction, me: Incarnation): Promise<void> {
  requireLease(me, await tx.all(leaseSql(tx), [me.masterId, me.epoch]));
}

/**
 * Reads whether our own lease is still valid, together with the next statement. SQL, because every claim does it.
 * @returns what then throws FencedError if it is not
 */
export async function deferLeaseCheck(tx: Transaction, me: Incarnation): Promise<() => void> {
  const rows = await tx.deferAll(leaseSql(tx), [me.masterId, me.epoch]);
  return () => requireLease(me, rows());
}

function leaseSql(tx: Transaction): string {
  return `SELECT m.id FROM masters m WHERE m.id = ? AND ${aliveSql(tx, '?')}`;
}

function requireLease(me: Incarnation, { length }: readonly unknown[]): void {
  if (length === 0) throw new FencedError(`the lease of master ${me.masterId}`, { ...me });
}

/** Returns a master by its name, dead or alive, with its number of `builds`. Returns null when no master ever had that name. */
export async function masterNamed(
  db: Queryable,
  name: string,
): Promise<(Incarnation & { readonly role: MasterRole; readonly state: MasterState; readonly builds: number }) | null> {
  const masters = await db.repository(MasterEntity);
  const { entities, raw } = await masters
    .createQueryBuilder('m')
    .addSelect(aliveSql(db, 'm.epoch'), 'alive')
    .where({ name })
    .getRawAndEntities<{ alive: number }>();
  const row = entities[0];
  if (!row) return null;
  const builds = await (await db.repository(ClaimEntity)).countBy({ masterId: row.id, masterEpoch: row.epoch });
  const state = raw[0]!.alive === 1 ? row.state : 'stopped';
  return { masterId: row.id, epoch: row.epoch, role: row.role, state, builds };
}

/** Returns the masters whose lease is valid by the database's clock. */
export async function listActiveMasters(
  db: Queryable,
): Promise<{ masterId: number; name: string; role: MasterRole }[]> {
  const masters = await db.repository(MasterEntity);
  const rows = await masters.createQueryBuilder('m').where(leasedSql(db, 'm')).orderBy('m.id').getMany();
  return rows.map(({ id, name, role }) => ({ masterId: id, name, role }));
}
