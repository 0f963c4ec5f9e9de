import { FencedError, UnexpectedError } from '@millrace/domain';
import { MasterEntity, OwnershipEntity } from './entities/masters.js';
import { aliveSql, assertLeased, type Incarnation } from './masters.js';
import { locking } from './repositories.js';
import type { Database, Transaction } from './sql.js';

/** Name of what is active on one master at a time: a scheduler, a poller, a hook, a service, or the collapsing that asks callbacks. */
export type OwnershipName = `${'scheduler' | 'poller' | 'hook' | 'service'}:${string}` | 'collapsing';

export const ownershipName = {
  scheduler: (name: string): OwnershipName => `scheduler:${name}`,
  poller: (name: string): OwnershipName => `poller:${name}`,
  service: (name: string): OwnershipName => `service:${name}`,
  hook: (name: string): OwnershipName => `hook:${name}`,
  collapsing: (): OwnershipName => 'collapsing',
};

/** The right of one master to run a scheduler, poller, hook or service (I4). */
export interface Ownership {
  readonly name: OwnershipName;
  readonly epoch: number;
}

export class OwnershipStore {
  constructor(private readonly db: Database) {}

  /**
   * Acquires `name` if no living master has it, and from a dead one only when `mayTakeOver`. Returns null when it belongs to somebody else.
   * Calling it again while owning it returns the same epoch and costs one read.
   */
  async acquire(name: OwnershipName, me: Incarnation, mayTakeOver: boolean): Promise<Ownership | null> {
    const seen = await (await this.db.repository(OwnershipEntity)).findOneBy({ name });
    if (seen && isMine(seen, me)) return { name, epoch: seen.epoch };
    return this.db.transaction(async (tx) => {
      const { nowMs } = tx.dialect;
      const ownerships = await tx.repository(OwnershipEntity);
      const masters = await tx.repository(MasterEntity);
      if (!seen) {
        await assertLeased(tx, me);
        const mine = { name, masterId: me.masterId, masterEpoch: me.epoch, epoch: 1, sinceMs: () => nowMs };
        await ownerships.createQueryBuilder().insert().orIgnore().values(mine).updateEntity(false).execute();
      }
      // Another master may have inserted it first.
      const row = await locking(ownerships.createQueryBuilder('o').where({ name }), tx).getOne();
      if (!row) throw new UnexpectedError('ownership-vanished', `ownership '${name}' vanished`, { name });
      if (isMine(row, me)) return { name, epoch: row.epoch };
      const ownEarlierLife = row.masterId === me.masterId && row.masterEpoch < me.epoch;
      if (!ownEarlierLife && !mayTakeOver) {
        if (!(await masters.existsBy({ id: row.masterId, state: 'stopped' }))) return null;
      }
      const isAlive = await masters
        .createQueryBuilder('m')
        .where({ id: row.masterId })
        .andWhere(aliveSql(tx, ':epoch'), { epoch: row.masterEpoch })
        .getExists();
      if (isAlive) return null;
      await assertLeased(tx, me);
      await ownerships.update(
        { name },
        { masterId: me.masterId, masterEpoch: me.epoch, epoch: () => 'epoch + 1', sinceMs: () => nowMs },
      );
      return { name, epoch: row.epoch + 1 };
    });
  }
}

function isMine(row: OwnershipEntity, me: Incarnation): boolean {
  return row.masterId === me.masterId && row.masterEpoch === me.epoch;
}

/**
 * Checks an ownership. It is the first statement of every transaction that acts as the owner. SQL, because there are many of these in the
 * intake.
 * @throws FencedError when another master took over
 */
export async function assertOwner(tx: Transaction, owner: Ownership): Promise<void> {
  const row = await tx.get<{ epoch: number }>(`SELECT epoch FROM ownerships WHERE name = ?${tx.dialect.forUpdate}`, [
    owner.name,
  ]);
  if (row?.epoch !== owner.epoch) throw new FencedError(`'${owner.name}'`, { ...owner });
}
