import { IsNull } from 'typeorm';
import { MasterCommandEntity } from '../entities/masters.js';
import { ClaimEntity } from '../entities/requests.js';
import type { Database, Transaction } from '../sql.js';

const COMMANDS_AT_ONCE = 100;

/** A row that asks a master to do something (a message is only a hint that it is there). */
export interface MasterCommand {
  readonly id: number;
  /** `stop-build` (subject: the build), `reconfig` (reads its configuration again), `drain` (finishes what it has and leaves). */
  readonly kind: 'stop-build' | 'reconfig' | 'drain';
  readonly subjectId: number;
  readonly args: { readonly reason?: string };
}

/** What masters are asked to do, and what came of it. */
export class CommandStore {
  constructor(private readonly db: Database) {}

  /** Open commands for a master, oldest first. */
  async openCommands(masterId: number): Promise<MasterCommand[]> {
    const commands = await this.db.repository(MasterCommandEntity);
    const open = await commands.find({
      where: { doneAtMs: IsNull(), masterId },
      order: { id: 'ASC' },
      take: COMMANDS_AT_ONCE,
    });
    return open.map(({ id, kind, subjectId, args }) => ({
      id,
      kind,
      subjectId,
      args: JSON.parse(args) as MasterCommand['args'],
    }));
  }

  /** Asks a master to read its configuration again. @returns the command, to wait for with `commandResult` */
  requestReconfig(masterId: number): Promise<number> {
    return this.db.transaction((tx) => command(tx, masterId, 'reconfig', 0, {}));
  }

  /** Asks a master to take nothing new, finish what it has, and end. @returns the command, to wait for with `commandResult` */
  requestDrain(masterId: number): Promise<number> {
    return this.db.transaction((tx) => command(tx, masterId, 'drain', 0, {}));
  }

  /** Null while it is not done. */
  async commandResult(commandId: number): Promise<string | null> {
    const found = await (await this.db.repository(MasterCommandEntity)).findOneBy({ id: commandId });
    return found?.doneAtMs == null ? null : (found.result ?? '');
  }

  async finishCommand(id: number, result: string): Promise<void> {
    const commands = await this.db.repository(MasterCommandEntity);
    await commands.update({ id, doneAtMs: IsNull() }, { doneAtMs: () => this.db.dialect.nowMs, result });
  }

  /**
   * For an engine that was asked to stop a build that it does not run: the build may wait for its worker, be on its way here, or have moved
   * on, and the wish with it. False: it is over.
   */
  passStopOn(stop: MasterCommand): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const claim = await (await tx.repository(ClaimEntity)).findOneBy({ buildId: stop.subjectId });
      if (!claim) return false;
      await (await tx.repository(MasterCommandEntity)).update({ id: stop.id }, { masterId: claim.masterId });
      return true;
    });
  }
}

/** Asks a master for something. @returns the command's id */
export async function command(
  tx: Transaction,
  masterId: number,
  kind: MasterCommand['kind'],
  subjectId: number,
  args: object,
): Promise<number> {
  const commands = await tx.repository(MasterCommandEntity);
  const { identifiers } = await commands.insert({
    masterId,
    kind,
    subjectId,
    args: JSON.stringify(args),
    createdAtMs: () => tx.dialect.nowMs,
  });
  return (identifiers[0] as { id: number }).id;
}
