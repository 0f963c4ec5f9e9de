import { randomUUID } from 'node:crypto';
import { checkAddresses, type Properties, type SourceStamp } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, deferBuildset } from '../buildsets.js';
import { IsNull } from 'typeorm';
import { BuildEntity } from '../entities/builds.js';
import {
  BuildRequestEntity,
  BuildsetChangeEntity,
  BuildsetEntity,
  ClaimEntity,
  QueueEntity,
} from '../entities/requests.js';
import { enableScheduler, settleBacklog } from '../intake/backlog.js';
import { recordIn, type RecordedDeed } from '../accounts/audit.js';
import { BUILT_STAMP, builtStamp, type BuiltStampRow } from '../source-stamps.js';
import type { Database } from '../sql.js';
import { type Cancelled, cancelRequestIn } from './cancelling.js';
import { command } from './commands.js';
import { notFound } from './not-found.js';

export interface Force {
  readonly schedulerId: number;
  readonly schedulerName: string;
  readonly builderIds: readonly number[];
  readonly reason: string;
  readonly owner: string;
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
  readonly priority: number;
  /** Recorded in the same transaction. */
  readonly deed: RecordedDeed;
}

/** People's actions on builds, requests and schedulers: force, rebuild, stop, cancel, enable. */
export class BuildActionStore {
  constructor(private readonly db: Database) {}

  /**
   * Makes a buildset for a force scheduler.
   * @throws UserError `bad-source-stamps`, `bad-patch`, `secret-in-address`
   */
  async force(force: Force): Promise<CreatedBuildset> {
    const created = await this.db.transaction(async (tx) => {
      force.sourceStamps.forEach(checkAddresses);
      await recordIn(tx, force.deed);
      return await deferBuildset(tx, {
        schedulerId: force.schedulerId,
        schedulerName: force.schedulerName,
        cause: `force:${randomUUID()}`,
        reason: `A build was forced by '${force.owner}': ${force.reason}`,
        sourceStamps: force.sourceStamps,
        properties: force.properties,
        builderIds: force.builderIds,
        priority: force.priority,
      });
    });
    return created!();
  }

  /**
   * Builds the same source with the same properties again. What the build triggered is triggered anew; with `failed`, only what was not good.
   * @throws UserError `not-found`
   */
  rebuild(buildId: number, what: 'all' | 'failed' = 'all'): Promise<CreatedBuildset> {
    return this.db.transaction(async (tx) => {
      const build = await (await tx.repository(BuildEntity)).findOneBy({ id: buildId });
      if (!build) throw notFound('build', buildId);
      const { buildsetId } = build;
      const buildset = await (await tx.repository(BuildsetEntity)).findOneByOrFail({ id: buildsetId });
      const request = await (await tx.repository(BuildRequestEntity)).findOneByOrFail({ id: build.requestId });
      const stamps = await tx.all<BuiltStampRow>(
        `SELECT ${BUILT_STAMP.columns} FROM buildset_source_stamps b JOIN source_stamps s ON s.id = b.source_stamp_id
         ${BUILT_STAMP.join} WHERE b.buildset_id = ?`,
        [buildsetId],
      );
      const changes = await (await tx.repository(BuildsetChangeEntity)).findBy({ buildsetId });
      const created = await createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'rebuild',
        cause: `rebuild:${randomUUID()}`,
        reason: what === 'failed' ? 'rebuild of what failed' : 'rebuild',
        sourceStamps: stamps.map(builtStamp),
        changeIds: changes.map((change) => change.changeId),
        properties: JSON.parse(buildset.properties) as Properties,
        builderIds: [build.builderId],
        priority: request.priority,
        rebuiltBuildId: buildset.rebuiltBuildId ?? buildId,
        repeatsBuildId: what === 'failed' ? buildId : null,
        ...(buildset.parentBuildId !== null && {
          parent: { buildId: buildset.parentBuildId, relationship: buildset.parentRelationship ?? '', waits: false },
        }),
      });
      return created!;
    });
  }

  /**
   * Asks the engine that has the build to stop it. The command is done when the build has ended.
   * @returns that engine, or null when the build is over
   */
  stopBuild(buildId: number, reason: string): Promise<{ masterId: number } | null> {
    return this.db.transaction(async (tx) => {
      const claim = await (await tx.repository(ClaimEntity)).findOneBy({ buildId });
      if (claim) {
        await command(tx, claim.masterId, { kind: 'stop-build', buildId, reason });
        return { masterId: claim.masterId };
      }
      if (!(await (await tx.repository(BuildEntity)).existsBy({ id: buildId }))) throw notFound('build', buildId);
      return null;
    });
  }

  cancelRequest(requestId: number, reason: string): Promise<Cancelled> {
    return this.db.transaction(async (tx) => {
      const request = await (await tx.repository(BuildRequestEntity)).findOneBy({ id: requestId });
      if (!request) throw notFound('build request', requestId);
      const { builderId, buildsetId } = request;
      return cancelRequestIn(tx, { requestId, builderId, buildsetId }, reason);
    });
  }

  /** Sets a request's priority. Returns false when it is no longer queued. */
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

  /**
   * Enables or disables a scheduler. It does not look at changes that came while it was disabled, except on request (`settleBacklog`).
   * @throws UserError `not-found`
   */
  async enableScheduler(schedulerId: number, enabled: boolean): Promise<void> {
    await this.db.transaction((tx) => enableScheduler(tx, schedulerId, enabled));
  }

  /**
   * Makes a scheduler decide about its backlog, or forgets it.
   * @throws UserError `not-found`, `disabled`, `no-backlog`
   */
  async settleBacklog(schedulerId: number, how: 'take' | 'drop'): Promise<void> {
    await this.db.transaction((tx) => settleBacklog(tx, schedulerId, how));
  }
}
