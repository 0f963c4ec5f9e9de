import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { type Call, type PlannedBuildset, schedulerKind } from '@millrace/config';
import { type CompiledConfig, type CompiledScheduler, hints } from '@millrace/contracts';
import { AuditStore, type CallKept, type CreatedBuildset, DeliveryStore, type Wanted } from '@millrace/database';
import { messageOf, printable, propertiesFrom, type Sight, UserError, type Uuid } from '@millrace/domain';
import { Hints, LOG, type Logger, type SchedulerSettings, SETTINGS } from '@millrace/master';
import { SchedulerConfiguration } from '../configuration/scheduler-configuration.js';
import { announceBuildset } from '../schedulers/announce.js';
import { withIds } from '../schedulers/scheduler-runner.js';
import type { TriggerCaller } from './trigger-caller.js';
import type { TriggerRequest } from './trigger-request.js';
import { TriggerGuard } from './trigger.guard.js';

/** The answer to a trigger. Its links work at once, before any engine has seen the request, and for ever (I6). */
export interface TriggerAnswer {
  /** Null where the scheduler keeps the call, and builds later. */
  readonly buildset: { readonly id: number; readonly uuid: Uuid } | null;
  readonly requests: readonly {
    readonly id: number;
    readonly uuid: Uuid;
    readonly builder: string;
    readonly link: string;
  }[];
  /** When a call that is kept is built, in seconds since 1970, unless another one comes; null when the scheduler is new. */
  readonly buildsAt?: number | null;
  /** True when this answer was given before to the same Idempotency-Key. */
  readonly repeated: boolean;
}

/** Who asks, from where, and under which key. */
export interface TriggerCall {
  readonly caller: TriggerCaller;
  readonly address: string;
  readonly idempotencyKey: string | null;
}

/** Turns a request from outside into a buildset. */
@Injectable()
export class TriggerService {
  constructor(
    private readonly configuration: SchedulerConfiguration,
    private readonly deliveries: DeliveryStore,
    private readonly hints: Hints,
    private readonly guard: TriggerGuard,
    private readonly audit: AuditStore,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  async trigger(request: TriggerRequest, { caller, address, idempotencyKey }: TriggerCall): Promise<TriggerAnswer> {
    if (idempotencyKey !== null && (idempotencyKey === '' || idempotencyKey.length > 190)) {
      throw new UserError('bad-key', `Idempotency-Key has ${idempotencyKey.length} characters: expected 1 to 190`);
    }
    const sight = this.guard.sightOf(caller);
    if (caller.kind === 'operator') return this.deliver(request, sight, idempotencyKey);
    const record = recordOf(request, caller, address);
    try {
      this.demand(caller, request, sight);
    } catch (error) {
      if (record && error instanceof UserError) await this.audit.refused(record, error.message);
      throw error;
    }
    // It is recorded before it is done, so that nothing is done without a record.
    const auditId = record && (await this.audit.begun(record));
    const answer = await this.deliver(request, sight, idempotencyKey).catch(async (error: unknown) => {
      if (auditId !== null) await this.ended(auditId, 'failed', messageOf(error));
      throw error;
    });
    if (auditId !== null) await this.ended(auditId, 'done', null);
    return answer;
  }

  private async deliver(
    request: TriggerRequest,
    sight: Sight | null,
    idempotencyKey: string | null,
  ): Promise<TriggerAnswer> {
    const { answer, repeated } = await this.deliveries.deliver(
      idempotencyKey === null ? null : { scope: 'trigger', key: idempotencyKey, body: canonical(request) },
      () => this.wanted(request, sight),
    );
    if ('keptBySchedulerId' in answer) {
      if (!repeated) this.hints.publish(hints.scheduler(answer.keptBySchedulerId));
      return keptAnswer(answer, repeated);
    }
    if (!repeated) announceBuildset(this.hints, answer);
    return this.answer(answer, { repeated, sight });
  }

  /** What is committed is committed, whether or not this can be recorded: then the entry stays as begun. */
  private async ended(auditId: number, outcome: 'done' | 'failed', error: string | null): Promise<void> {
    try {
      await this.audit.ended(auditId, outcome, error);
    } catch (failure) {
      this.log.warn({ err: failure, auditId, outcome }, `the end of a trigger is not recorded: ${messageOf(failure)}`);
    }
  }

  private demand(caller: TriggerCaller, request: TriggerRequest, sight: Sight | null): void {
    if (!this.guard.asksForPlaces(caller)) return this.guard.demand(caller, []);
    const { scheduler, planned } = this.plan(request, sight);
    const { config } = this.configuration.current;
    const projects = new Map(config.builders.map(({ name, project }) => [name, project]));
    const branches = new Set(planned.sourceStamps.map(({ branch }) => branch));
    const places = planned.builders.flatMap((builder) => {
      const project = projects.get(builder) ?? null;
      const at = { scheduler: scheduler.name, builder, ...(project !== null && { project }) };
      return [...branches].map((branch) => ({ ...at, ...(branch !== null && { branch }) }));
    });
    this.guard.demand(caller, places.length > 0 ? places : [{ scheduler: scheduler.name }]);
  }

  private wanted(request: TriggerRequest, sight: Sight | null): Wanted {
    const { ids } = this.configuration.current;
    const { scheduler, call, planned, keepsCalls } = this.plan(request, sight);
    const of = { schedulerId: ids.schedulers.get(scheduler.name)!, schedulerName: scheduler.name };
    // Who does not see all builders starts those that are seen, also later.
    const builders = sight === null ? call.builders : planned.builders;
    return keepsCalls
      ? { ...of, keeps: { ...call, builders, sourceStamps: planned.sourceStamps, parent: null } }
      : { ...withIds(planned, ids.builders), ...of };
  }

  private plan(request: TriggerRequest, sight: Sight | null): Plan {
    const scheduler = findScheduler(schedulersSeen(this.configuration.current.config, sight), request.scheduler);
    const { on, keepsCalls = false } = schedulerKind(scheduler.kind);
    if (!on.call)
      throw new UserError('not-callable', `scheduler '${scheduler.name}' is of a kind that nobody can call`, {
        field: 'scheduler',
      });
    const call: Call = {
      id: randomUUID(),
      builders: request.builders ?? null,
      reason: request.reason ?? null,
      sourceStamps: (request.sourceStamps ?? (request.sourceStamp ? [request.sourceStamp] : [])).map((stamp) => ({
        branch: stamp.branch ?? null,
        revision: stamp.revision ?? null,
        repository: stamp.repository ?? '',
        project: stamp.project ?? '',
        codebase: stamp.codebase ?? '',
      })),
      properties: propertiesFrom(request.properties ?? {}, 'Trigger'),
      priority: request.priority ?? null,
    };
    return { scheduler, call, planned: on.call(scheduler, call), keepsCalls };
  }

  /** The first answer may have been somebody's who sees more. */
  private answer(
    created: CreatedBuildset,
    { repeated, sight }: { readonly repeated: boolean; readonly sight: Sight | null },
  ): TriggerAnswer {
    const names = new Map([...this.configuration.current.ids.builders].map(([name, id]) => [id, name]));
    return {
      buildset: { id: created.buildsetId, uuid: created.uuid },
      requests: created.requests.flatMap(({ requestId, uuid, builderId }) => {
        const builder = names.get(builderId) ?? String(builderId);
        if (sight && !sight.seesBuilderNamed(builder)) return [];
        return [{ id: requestId, uuid, builder, link: `${this.settings.publicUrl}/requests/${uuid}` }];
      }),
      repeated,
    };
  }
}

/** What a request comes to. */
interface Plan {
  readonly scheduler: CompiledScheduler;
  readonly call: Call;
  readonly planned: PlannedBuildset;
  readonly keepsCalls: boolean;
}

function keptAnswer({ buildsAtMs }: CallKept, repeated: boolean): TriggerAnswer {
  return { buildset: null, requests: [], buildsAt: buildsAtMs === null ? null : buildsAtMs / 1000, repeated };
}

/** Returns what is recorded of somebody with a token of their own; null for others, who have no name. */
function recordOf(
  request: TriggerRequest,
  caller: TriggerCaller,
  address: string,
): Parameters<AuditStore['begun']>[0] | null {
  if (caller.kind !== 'token') return null;
  const { account, tokenId } = caller;
  const target = `schedulers/${printable(request.scheduler, 150)}`;
  return { username: account.username, via: 'token', tokenId, address, action: 'trigger', target, params: request };
}

/** Returns the schedulers as somebody sees them: those with builders that are seen, and these builders only. */
function schedulersSeen({ schedulers }: CompiledConfig, sight: Sight | null): readonly CompiledScheduler[] {
  if (sight === null) return schedulers;
  return schedulers.flatMap((scheduler) => {
    const builders = scheduler.builders.filter((name) => sight.seesBuilderNamed(name));
    return builders.length > 0 ? [{ ...scheduler, builders }] : [];
  });
}

function findScheduler(schedulers: readonly CompiledScheduler[], name: string): CompiledScheduler {
  const scheduler = schedulers.find((candidate) => candidate.name === name);
  if (scheduler) return scheduler;
  const known = schedulers.map((candidate) => candidate.name).join(', ');
  throw new UserError('not-found', `no scheduler '${printable(name, 190)}'; there are: ${known}`, {
    field: 'scheduler',
  });
}

/** Returns a canonical form: bodies that differ only in the order of keys or white space are the same request. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
