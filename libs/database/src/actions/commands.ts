import { IsNull } from 'typeorm';
import { MasterCommandEntity } from '../entities/masters.js';
import { ClaimEntity } from '../entities/requests.js';
import type { Database, Transaction } from '../sql.js';

const COMMANDS_AT_ONCE = 100;

/** Something that a master is asked to do. */
export type Wish =
  | { readonly kind: 'stop-build'; readonly buildId: number; readonly reason: string }
  /** Read the configuration again. */
  | { readonly kind: 'reconfig' }
  /** Take nothing new, finish all running work, and end. */
  | { readonly kind: 'drain' }
  /** Poll a change source now. */
  | { readonly kind: 'poll'; readonly source: string };

/** A row with a request to a master (the message on the bus is only a hint that it exists). */
export type MasterCommand = Wish & { readonly id: number };
export type StopBuild = Extract<MasterCommand, { kind: 'stop-build' }>;
export type Poll = Extract<MasterCommand, { kind: 'poll' }>;

/** Commands to masters, and their results. */
export class CommandStore {
  constructor(private readonly db: Database) {}

  /** Returns the open commands of a master, oldest first. */
  async openCommands(masterId: number): Promise<MasterCommand[]> {
    const commands = await this.db.repository(MasterCommandEntity);
    const open = await commands.find({
      where: { doneAtMs: IsNull(), masterId },
      order: { id: 'ASC' },
      take: COMMANDS_AT_ONCE,
    });
    return open.map(commandOf);
  }

  /**
   * Asks a master to read its configuration again.
   * @returns the command's id, for waiting with `commandResult`
   */
  requestReconfig(masterId: number): Promise<number> {
    return this.db.transaction((tx) => command(tx, masterId, { kind: 'reconfig' }));
  }

  /**
   * Asks a master to take nothing new, finish all running work, and end.
   * @returns the command's id, for waiting with `commandResult`
   */
  requestDrain(masterId: number): Promise<number> {
    return this.db.transaction((tx) => command(tx, masterId, { kind: 'drain' }));
  }

  /** Returns a command's result; null while it is not done. */
  async commandResult(commandId: number): Promise<string | null> {
    const found = await (await this.db.repository(MasterCommandEntity)).findOneBy({ id: commandId });
    return found?.doneAtMs == null ? null : (found.result ?? '');
  }

  async finishCommand(id: number, result: string): Promise<void> {
    const commands = await this.db.repository(MasterCommandEntity);
    await commands.update({ id, doneAtMs: IsNull() }, { doneAtMs: () => this.db.dialect.nowMs, result });
  }

  /**
   * Passes on a stop command for a build that this engine does not run: the build may wait for its worker, be on its way here, or have
   * moved on, and the command moves with it. Returns false when the build is over.
   */
  passStopOn(stop: StopBuild): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const claim = await (await tx.repository(ClaimEntity)).findOneBy({ buildId: stop.buildId });
      if (!claim) return false;
      await (await tx.repository(MasterCommandEntity)).update({ id: stop.id }, { masterId: claim.masterId });
      return true;
    });
  }
}

/**
 * Adds a command to a master.
 * @returns the command's id
 */
export async function command(tx: Transaction, masterId: number, wish: Wish): Promise<number> {
  const commands = await tx.repository(MasterCommandEntity);
  const { identifiers } = await commands.insert({
    masterId,
    kind: wish.kind,
    subjectId: wish.kind === 'stop-build' ? wish.buildId : 0,
    args: JSON.stringify(argsOf(wish)),
    createdAtMs: () => tx.dialect.nowMs,
  });
  return (identifiers[0] as { id: number }).id;
}

function argsOf(wish: Wish): object {
  if (wish.kind === 'stop-build') return { reason: wish.reason };
  return wish.kind === 'poll' ? { source: wish.source } : {};
}

function commandOf({ id, kind, subjectId, args }: MasterCommandEntity): MasterCommand {
  if (kind === 'stop-build') return { id, kind, buildId: subjectId, reason: stopReason(args) };
  if (kind === 'poll') return { id, kind, source: (JSON.parse(args) as { source: string }).source };
  return { id, kind };
}

/** Returns the reason in the arguments of a stop command. */
export function stopReason(args: string): string {
  return (JSON.parse(args) as { reason?: string }).reason ?? 'no reason';
}
