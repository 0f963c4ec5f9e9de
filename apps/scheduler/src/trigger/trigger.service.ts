import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { schedulerKind } from '@millrace/config';
import type { CompiledConfig, CompiledScheduler } from '@millrace/contracts';
import { type CreatedBuildset, DeliveryStore, type NewBuildset } from '@millrace/database';
import { printable, propertiesFrom, UserError, type Uuid } from '@millrace/domain';
import { Hints, type SchedulerSettings, SETTINGS } from '@millrace/master';
import { SchedulerConfiguration } from '../configuration/scheduler-configuration.js';
import { announceBuildset } from '../schedulers/announce.js';
import { withIds } from '../schedulers/scheduler-runner.js';
import type { TriggerRequest } from './trigger-request.js';

/** The answer to a trigger. Its links work at once, before any engine has seen the request, and for ever (I6). */
export interface TriggerAnswer {
  readonly buildset: { readonly id: number; readonly uuid: Uuid };
  readonly requests: readonly {
    readonly id: number;
    readonly uuid: Uuid;
    readonly builder: string;
    readonly link: string;
  }[];
  /** True when this answer was given before to the same Idempotency-Key. */
  readonly repeated: boolean;
}

/** Turns a request from outside into a buildset. */
@Injectable()
export class TriggerService {
  constructor(
    private readonly configuration: SchedulerConfiguration,
    private readonly deliveries: DeliveryStore,
    private readonly hints: Hints,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  async trigger(request: TriggerRequest, idempotencyKey: string | null): Promise<TriggerAnswer> {
    if (idempotencyKey !== null && (idempotencyKey === '' || idempotencyKey.length > 190)) {
      throw new UserError('bad-key', `Idempotency-Key has ${idempotencyKey.length} characters: expected 1 to 190`);
    }
    const { answer, repeated } = await this.deliveries.deliver(
      idempotencyKey === null ? null : { scope: 'trigger', key: idempotencyKey, body: canonical(request) },
      () => this.buildset(request),
    );
    if (!repeated) announceBuildset(this.hints, answer);
    return this.answer(answer, repeated);
  }

  private buildset(request: TriggerRequest): NewBuildset {
    const { config, ids } = this.configuration.current;
    const scheduler = findScheduler(config, request.scheduler);
    const { call } = schedulerKind(scheduler.kind).on;
    if (!call)
      throw new UserError('not-callable', `scheduler '${scheduler.name}' is of a kind that nobody can call`, {
        field: 'scheduler',
      });
    const planned = call(scheduler, {
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
    });
    return {
      ...withIds(planned, ids.builders),
      schedulerId: ids.schedulers.get(scheduler.name)!,
      schedulerName: scheduler.name,
    };
  }

  private answer(created: CreatedBuildset, repeated: boolean): TriggerAnswer {
    const names = new Map([...this.configuration.current.ids.builders].map(([name, id]) => [id, name]));
    return {
      buildset: { id: created.buildsetId, uuid: created.uuid },
      requests: created.requests.map((request) => ({
        id: request.requestId,
        uuid: request.uuid,
        builder: names.get(request.builderId) ?? String(request.builderId),
        link: `${this.settings.publicUrl}/requests/${request.uuid}`,
      })),
      repeated,
    };
  }
}

function findScheduler(config: CompiledConfig, name: string): CompiledScheduler {
  const scheduler = config.schedulers.find((candidate) => candidate.name === name);
  if (scheduler) return scheduler;
  const known = config.schedulers.map((candidate) => candidate.name).join(', ');
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
