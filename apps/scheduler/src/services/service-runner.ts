import type { ServiceKind } from '@millrace/config';
import { type CompiledService, requestCancelled } from '@millrace/contracts';
import {
  type BuildActionStore,
  type Change,
  type IntakeStore,
  type OpenRequestRow,
  type Ownership,
  ownershipName,
  type ServiceStore,
} from '@millrace/database';
import { messageOf, OperationalError } from '@millrace/domain';
import { type Heard, OwnedLoop, type OwnedLoopPorts } from '../owned-loop.js';
import type { CallbackCaller } from '../schedulers/judge.js';
import { BRANCH_KEY_FAILED, BranchKeys } from './branch-keys.js';

/** Most changes that are decided about before the cursor moves. */
const BATCH = 100;

export interface ServicePorts extends OwnedLoopPorts {
  readonly services: ServiceStore;
  readonly intake: IntakeStore;
  readonly actions: BuildActionStore;
}

export interface ServiceOptions {
  readonly service: CompiledService;
  readonly kind: ServiceKind;
  /** Ids of builders by name. */
  readonly builderIds: ReadonlyMap<string, number>;
  /** Calls callbacks of the configuration. */
  readonly call: CallbackCaller;
  /** Longest time until a lost hint is noticed; null for never. */
  readonly everyMs: number | null;
}

/**
 * Passes causes to a service, and cancels what it decides. It is active on one master at a time, from a durable cursor. The cursor moves
 * after the cancelling: a cause may come again, and then finds nothing left to cancel. Nothing here depends on the kind of service.
 */
export class ServiceRunner {
  private readonly loop: OwnedLoop;
  private readonly builderNames: ReadonlyMap<number, string>;
  /** Null when a branch is the same as itself only. */
  private readonly branchKeys: BranchKeys | null;

  constructor(
    private readonly options: ServiceOptions,
    private readonly ports: ServicePorts,
  ) {
    const { service, kind, everyMs, builderIds, call } = options;
    const branchKey = kind.branchKey?.(service) ?? null;
    this.branchKeys = branchKey === null ? null : new BranchKeys(branchKey, call);
    this.builderNames = new Map([...builderIds].map(([name, id]) => [id, name]));
    const heard: Heard = kind.on.change
      ? { prefix: 'changes' }
      : { prefix: 'buildrequests', matters: (topic) => topic.endsWith('.complete') };
    this.loop = new OwnedLoop(
      {
        name: `service:${service.name}`,
        owns: ownershipName.service(service.name),
        hears: [heard],
        everyMs,
        round: (owner, signal) => this.round(owner, signal),
      },
      ports,
    );
  }

  start(): void {
    this.loop.start();
  }

  /** Stops and waits for the current round. */
  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async round(owner: Ownership, signal: AbortSignal): Promise<void> {
    const { change, failure, removed } = this.options.kind.on;
    if (change) await this.followChanges(owner, signal);
    if (failure) await this.followFailures(owner, signal);
    if (removed) await this.lookForRemoved(signal);
  }

  private async followChanges(owner: Ownership, signal: AbortSignal): Promise<void> {
    const { service, kind } = this.options;
    const { services, intake } = this.ports;
    while (!signal.aborted) {
      const cursors = await services.cursors(owner);
      const changes = await intake.changesAfter(cursors.changes, BATCH);
      if (changes.length === 0) return;
      for (const change of changes) {
        await this.cancel(kind.on.change!(service, { change, older: this.named(await this.older(change)) }));
      }
      await services.move(owner, { changes: changes.at(-1)!.seq });
    }
  }

  /** Returns the open requests for older changes of the same branch. */
  private async older(change: Change): Promise<readonly OpenRequestRow[]> {
    const { services, log } = this.ports;
    if (this.branchKeys === null) return services.olderRequests(change, { branches: 'same' });
    const older = await services.olderRequests(change, { branches: 'all' });
    try {
      return await this.branchKeys.ofSame(change, older);
    } catch (error) {
      if (!(error instanceof OperationalError && error.code === BRANCH_KEY_FAILED)) throw error;
      // Nothing is cancelled for a change whose branch nobody knows. The next one is looked at all the same.
      const fields = { service: this.options.service.name, changeId: change.changeId, err: error };
      log.warn(fields, `change ${change.changeId} cancels nothing: ${messageOf(error)}`);
      return [];
    }
  }

  private async followFailures(owner: Ownership, signal: AbortSignal): Promise<void> {
    const { service, kind } = this.options;
    const { services } = this.ports;
    const { failures, nowMs } = await services.failures(await services.cursors(owner));
    for (const { buildsetId, ...row } of failures) {
      if (signal.aborted) return;
      const [failed] = this.named([row]);
      const rest = this.named(await services.openRequests(buildsetId));
      if (!failed || rest.length === 0) continue;
      const sourceStamps = await services.sourceStamps(buildsetId);
      await this.cancel(kind.on.failure!(service, { failed, sourceStamps, rest }));
    }
    if (nowMs !== null) await services.move(owner, { failuresMs: nowMs });
  }

  /** Cancels what waits for removed builders. A builder of this configuration is none, even if no engine has read it yet. */
  private async lookForRemoved(signal: AbortSignal): Promise<void> {
    const { service, kind } = this.options;
    const known = new Set(this.builderNames.keys());
    while (!signal.aborted) {
      const waiting = await this.ports.services.requestsWithoutBuilder(known);
      if (waiting.length === 0) return;
      await this.cancel(kind.on.removed!(service, waiting));
    }
  }

  private named(rows: readonly OpenRequestRow[]): { readonly requestId: number; readonly builder: string }[] {
    return rows.flatMap(({ requestId, builderId }) => {
      const builder = this.builderNames.get(builderId);
      return builder === undefined ? [] : [{ requestId, builder }];
    });
  }

  private async cancel(
    cancellations: readonly { readonly requestId: number; readonly reason: string }[],
  ): Promise<void> {
    for (const { requestId, reason } of cancellations) {
      const cancelled = await this.ports.actions.cancelRequest(requestId, reason);
      for (const hint of requestCancelled(cancelled)) this.ports.hints.publish(hint);
    }
  }
}
