import { Result, type Uuid, uuidFromBytes } from '@millrace/domain';
import { createBuildset, type CreatedBuildset, type NewBuildset } from './buildsets.js';
import { assertClaimed, type BuildKey } from './claims/fence.js';
import { type CallKept, keepCall, type KeptCall } from './intake/kept-calls.js';
import { repeatCall } from './repeating.js';
import { allIn, type Database, placeholders, type Queryable, type Transaction } from './sql.js';

/** A buildset that a step asks for. Without a priority it gets that of its parent's request. */
export type ChildPlan = Omit<NewBuildset, 'cause' | 'parent' | 'schedulerId' | 'priority'> & {
  readonly schedulerId: number;
  readonly priority: number | null;
  /** What the scheduler is to keep, where it builds later. Nothing is made then. */
  readonly keeps?: Omit<KeptCall, 'id' | 'parent'>;
};

/** One call of a step. `argsHash` tells the calls of two attempts apart. */
export interface Triggered {
  readonly step: number;
  readonly ordinal: number;
  readonly argsHash: string;
  readonly waits: boolean;
  readonly relationship: string;
  readonly plans: readonly ChildPlan[];
}

export interface TriggeredBuildset extends CreatedBuildset {
  /** False when the buildset was there already: made before the engine died, or by an earlier attempt. */
  readonly isNew: boolean;
}

export interface AncestorBuild {
  readonly buildId: number;
  readonly builderId: number;
  readonly builderName: string;
}

const ANCESTOR = `SELECT b.id AS buildId, b.builder_id AS builderId, r.name AS builderName, s.parent_build_id AS parentId
  FROM builds b JOIN builders r ON r.id = b.builder_id JOIN buildsets s ON s.id = b.buildset_id WHERE b.id = ?`;

/** Builds that start other builds, and wait for them. A wait is rows: nothing is lost with an engine. */
export class TriggerStore {
  constructor(private readonly db: Database) {}

  /** Returns the build, the build that triggered it, and so on; at most `limit` of them. */
  async ancestry(buildId: number, limit: number): Promise<AncestorBuild[]> {
    const found: AncestorBuild[] = [];
    let next: number | null = buildId;
    while (next !== null && found.length < limit) {
      const row: (AncestorBuild & { parentId: number | null }) | undefined = await this.db.get(ANCESTOR, [next]);
      if (!row) break;
      found.push({ buildId: row.buildId, builderId: row.builderId, builderName: row.builderName });
      next = row.parentId;
    }
    return found;
  }

  /**
   * Makes the buildsets of one call, in one transaction, or has it kept by schedulers that build later. Asked again it returns the same
   * ones. An attempt that makes the same call as an earlier one takes over its buildsets, unless they have failed meanwhile. A build that
   * repeats another one builds again what was not good among what that triggered by the same call.
   *
   * @throws FencedError, UserError `bad-source-stamps`
   */
  trigger(key: BuildKey, call: Triggered): Promise<(TriggeredBuildset | CallKept)[]> {
    return this.db.transaction(async (tx) => {
      await assertClaimed(tx, [key]);
      const request = await tx.get<{ priority: number; repeats: number | null }>(
        `SELECT priority, repeats_build_id AS repeats FROM build_requests WHERE id = ?`,
        [key.requestId],
      );
      const before = await earlierCall(tx, key, call);
      const made: (TriggeredBuildset | CallKept)[] = [];
      for (const [index, plan] of call.plans.entries()) {
        const cause = causeOf(key.buildId, call, index);
        if (plan.keeps) {
          const parent = { buildId: key.buildId, relationship: call.relationship };
          const priority = plan.priority ?? request!.priority;
          made.push(await keepCall(tx, plan.schedulerId, { ...plan.keeps, priority, id: cause, parent }));
          continue;
        }
        if (before !== null) await takeOver(tx, key, call, plan, { from: causeOf(before, call, index), to: cause });
        const created = await createBuildset(tx, {
          ...plan,
          cause,
          priority: plan.priority ?? request!.priority,
          parent: { buildId: key.buildId, relationship: call.relationship, waits: call.waits },
        });
        if (created === null) {
          made.push(await madeBefore(tx, plan.schedulerId, cause));
          continue;
        }
        const { repeats } = request!;
        const kept =
          repeats === null
            ? []
            : await repeatCall(
                tx,
                { ...call, buildId: repeats, schedulerId: plan.schedulerId, cause: causeOf(repeats, call, index) },
                created,
              );
        made.push({ ...created, collapsed: [...created.collapsed, ...kept], isNew: true });
      }
      return made;
    });
  }

  /** Returns the results of those buildsets that are complete. */
  async resultsOf(buildsetIds: readonly number[]): Promise<Map<number, Result>> {
    const found = new Map<number, Result>();
    const rows = await allIn<{ id: number; results: Result }>(
      this.db,
      buildsetIds,
      (isOneOf) => `SELECT id, results FROM buildsets WHERE id IN ${isOneOf} AND complete_at_ms IS NOT NULL`,
    );
    for (const { id, results } of rows) found.set(id, results);
    return found;
  }
}

function causeOf(buildId: number, { step, ordinal }: Triggered, index: number): string {
  return `trigger-step:${buildId}:${step}:${ordinal}:${index}`;
}

/** Returns the latest earlier attempt in which the step made the same call. */
async function earlierCall(
  tx: Queryable,
  key: BuildKey,
  { step, ordinal, argsHash }: Triggered,
): Promise<number | null> {
  const row = await tx.get<{ id: number }>(
    `SELECT b.id FROM builds b JOIN commands c ON c.build_id = b.id
     WHERE b.request_id = ? AND b.id < ? AND c.step_number = ? AND c.ordinal = ? AND c.args_hash = ? ORDER BY b.id DESC LIMIT 1`,
    [key.requestId, key.buildId, step, ordinal, argsHash],
  );
  return row?.id ?? null;
}

/** Makes a buildset of an earlier attempt one of this attempt. */
async function takeOver(
  tx: Transaction,
  key: BuildKey,
  { waits }: Triggered,
  { schedulerId }: ChildPlan,
  cause: { readonly from: string; readonly to: string },
): Promise<void> {
  const good = [Result.SUCCESS, Result.WARNINGS, Result.SKIPPED];
  await tx.run(
    `UPDATE buildsets SET cause = ?, parent_build_id = ? WHERE scheduler_id = ? AND cause = ?
       ${waits ? `AND (complete_at_ms IS NULL OR results IN ${placeholders(good.length)})` : ''}`,
    [cause.to, key.buildId, schedulerId, cause.from, ...(waits ? good : [])],
  );
}

async function madeBefore(tx: Queryable, schedulerId: number, cause: string): Promise<TriggeredBuildset> {
  const buildset = (await tx.get<{ id: number; uuid: Buffer }>(
    `SELECT id, uuid FROM buildsets WHERE scheduler_id = ? AND cause = ?`,
    [schedulerId, cause],
  ))!;
  const requests = await tx.all<{ requestId: number; uuid: Buffer; builderId: number }>(
    `SELECT id AS requestId, uuid, builder_id AS builderId FROM build_requests WHERE buildset_id = ? ORDER BY id`,
    [buildset.id],
  );
  const uuid: Uuid = uuidFromBytes(buildset.uuid);
  return {
    buildsetId: buildset.id,
    uuid,
    requests: requests.map((request) => ({ ...request, uuid: uuidFromBytes(request.uuid) })),
    collapsed: [],
    isNew: false,
  };
}
