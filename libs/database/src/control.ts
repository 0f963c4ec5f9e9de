import { randomUUID } from 'node:crypto';
import { checkAddresses, type Properties, Result, type SourceStamp, UserError } from '@millrace/domain';
import { completeRequest, createBuildset, type CreatedBuildset } from './buildsets.js';
import { IsNull, type QueryDeepPartialEntity } from 'typeorm';
import { BuildEntity } from './entities/builds.js';
import { SourceStampEntity } from './entities/changes.js';
import { MasterCommandEntity } from './entities/masters.js';
import {
  BuildRequestEntity,
  BuildsetChangeEntity,
  BuildsetEntity,
  BuildsetSourceStampEntity,
  ClaimEntity,
  QueueEntity,
} from './entities/requests.js';
import { WorkerEntity } from './entities/workers.js';
import { NO_FAILURES } from './fleet.js';
import { enableScheduler, settleBacklog } from './intake/backlog.js';
import type { Database, Transaction } from './sql.js';

const COMMANDS_AT_ONCE = 100;

export interface Force {
  readonly schedulerId: number;
  readonly schedulerName: string;
  readonly builderIds: readonly number[];
  readonly reason: string;
  readonly owner: string;
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
  readonly priority: number;
}

export type Cancelled =
  /** It was still queued, and is complete now. */
  | { readonly outcome: 'cancelled'; readonly builderId: number; readonly completedBuildsetId: number | null }
  /** An engine has been asked to stop the build. */
  | { readonly outcome: 'stopping'; readonly masterId: number }
  | { readonly outcome: 'already-complete' };

/** A row that asks a master to do something (a message is only a hint that it is there). */
export interface MasterCommand {
  readonly id: number;
  /** `stop-build` (subject: the build), `reconfig` (reads its configuration again), `drain` (finishes what it has and leaves). */
  readonly kind: 'stop-build' | 'reconfig' | 'drain';
  readonly subjectId: number;
  readonly args: { readonly reason?: string };
}

/** What people do to what runs: force, rebuild, stop, cancel, pause. */
export class ControlStore {
  constructor(private readonly db: Database) {}

  /** @throws UserError `bad-source-stamps`, `secret-in-address` */
  force(force: Force): Promise<CreatedBuildset> {
    return this.db.transaction(async (tx) => {
      force.sourceStamps.forEach(checkAddresses);
      const created = await createBuildset(tx, {
        schedulerId: force.schedulerId,
        schedulerName: force.schedulerName,
        cause: `force:${randomUUID()}`,
        reason: `A build was forced by '${force.owner}': ${force.reason}`,
        sourceStamps: force.sourceStamps,
        properties: force.properties,
        builderIds: force.builderIds,
        priority: force.priority,
      });
      return created!;
    });
  }

  /** Builds the same source with the same properties again. @throws UserError `not-found` */
  rebuild(buildId: number): Promise<CreatedBuildset> {
    return this.db.transaction(async (tx) => {
      const build = await (await tx.repository(BuildEntity)).findOneBy({ id: buildId });
      if (!build) throw notFound('build', buildId);
      const { buildsetId } = build;
      const buildset = await (await tx.repository(BuildsetEntity)).findOneByOrFail({ id: buildsetId });
      const request = await (await tx.repository(BuildRequestEntity)).findOneByOrFail({ id: build.requestId });
      const stamps = await (
        await tx.repository(SourceStampEntity)
      )
        .createQueryBuilder('s')
        .innerJoin(BuildsetSourceStampEntity, 'b', 'b.sourceStampId = s.id')
        .where('b.buildsetId = :buildsetId', { buildsetId })
        .getMany();
      const changes = await (await tx.repository(BuildsetChangeEntity)).findBy({ buildsetId });
      const created = await createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'rebuild',
        cause: `rebuild:${randomUUID()}`,
        reason: 'rebuild',
        sourceStamps: stamps,
        changeIds: changes.map((change) => change.changeId),
        properties: JSON.parse(buildset.properties) as Properties,
        builderIds: [build.builderId],
        priority: request.priority,
        rebuiltBuildId: buildset.rebuiltBuildId ?? buildId,
      });
      return created!;
    });
  }

  /** Asks the engine that has the build to stop it; the command is done when the build has ended. @returns that engine, or null when the build is over. */
  stopBuild(buildId: number, reason: string): Promise<{ masterId: number } | null> {
    return this.db.transaction(async (tx) => {
      const claim = await (await tx.repository(ClaimEntity)).findOneBy({ buildId });
      if (claim) {
        await command(tx, claim.masterId, 'stop-build', buildId, { reason });
        return { masterId: claim.masterId };
      }
      if (!(await (await tx.repository(BuildEntity)).existsBy({ id: buildId }))) throw notFound('build', buildId);
      return null;
    });
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

  cancelRequest(requestId: number, reason: string): Promise<Cancelled> {
    return this.db.transaction(async (tx) => {
      // Engines claim by deleting the queue row too: whoever deletes it decides.
      const { affected } = await (await tx.repository(QueueEntity)).delete({ requestId });
      const request = await (await tx.repository(BuildRequestEntity)).findOneBy({ id: requestId });
      if (!request) throw notFound('build request', requestId);
      const { builderId, buildsetId } = request;
      if (affected === 1) {
        const completedBuildsetId = await completeRequest(tx, { requestId, buildsetId }, Result.CANCELLED, reason);
        return { outcome: 'cancelled', builderId, completedBuildsetId };
      }
      const claim = await (await tx.repository(ClaimEntity)).findOneBy({ requestId });
      if (!claim) return { outcome: 'already-complete' };
      await command(tx, claim.masterId, 'stop-build', claim.buildId, { reason });
      return { outcome: 'stopping', masterId: claim.masterId };
    });
  }

  /** False when the request is no longer queued. */
  setPriority(requestId: number, priority: number): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const requests = await tx.repository(BuildRequestEntity);
      const { affected } = await requests.update({ id: requestId, completeAtMs: IsNull() }, { priority });
      if (affected === 0 && !(await requests.existsBy({ id: requestId }))) {
        throw notFound('build request', requestId);
      }
      const queued = await (await tx.repository(QueueEntity)).update({ requestId }, { queueRank: -priority });
      return queued.affected === 1;
    });
  }

  pauseWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, { paused: true, pauseReason: reason });
  }

  /** Whatever held the worker back is over: a pause, a shutdown that has not come yet, a quarantine. */
  unpauseWorker(workerId: number): Promise<void> {
    return this.worker(workerId, {
      paused: false,
      pauseReason: null,
      graceful: false,
      shutdownReason: null,
      ...NO_FAILURES,
    });
  }

  /** No more builds, and it is told to shut down when it is idle, on whichever engine it is then. */
  stopWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, { graceful: true, shutdownReason: reason });
  }

  /** Ends the session that it has now, and what it builds. */
  killWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, { killEpoch: () => 'session_epoch', shutdownReason: reason });
  }

  private async worker(workerId: number, change: QueryDeepPartialEntity<WorkerEntity>): Promise<void> {
    const { affected } = await (await this.db.repository(WorkerEntity)).update({ id: workerId }, change);
    if (affected === 0) throw notFound('worker', workerId);
  }

  /** What comes while it is switched off it does not look at, but by choice (`settleBacklog`). @throws UserError `not-found` */
  async enableScheduler(schedulerId: number, enabled: boolean): Promise<void> {
    await this.db.transaction((tx) => enableScheduler(tx, schedulerId, enabled));
  }

  /** Has a scheduler decide about what it has not looked at, or forgets it. @throws UserError `not-found`, `disabled`, `no-backlog` */
  async settleBacklog(schedulerId: number, how: 'take' | 'drop'): Promise<void> {
    await this.db.transaction((tx) => settleBacklog(tx, schedulerId, how));
  }

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
}

async function command(
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

function notFound(what: string, id: number): UserError {
  return new UserError('not-found', `no ${what} ${id}`, { id });
}
