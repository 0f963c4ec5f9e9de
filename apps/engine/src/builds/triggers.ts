import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { schedulerKind } from '@millrace/config';
import { buildsetCreated, hints } from '@millrace/contracts';
import { type BuildKey, type CallKept, type ChildPlan, type TriggeredBuildset, TriggerStore } from '@millrace/database';
import { printable, propertiesFrom, type Result, UserError } from '@millrace/domain';
import { type EngineSettings, Hints, LOG, type Logger, Loop, SETTINGS } from '@millrace/master';
import { EngineConfiguration } from '../configuration/engine-configuration.js';
import { checkAsked, checkChain, TRIGGER_LIMITS } from '../core/triggering.js';
import type { TriggerCall } from '../runner/runner.js';

/** A step's call with everything that it needs to be carried out. */
export interface PlannedCall {
  readonly call: TriggerCall;
  readonly argsHash: string;
  readonly plans: readonly ChildPlan[];
}

interface Wait {
  readonly buildsetIds: readonly number[];
  readonly resolve: (results: ReadonlyMap<number, Result>) => void;
}

/** Other builds that the builds of this engine start and wait for. */
@Injectable()
export class Triggers implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly waits = new Set<Wait>();
  private readonly loop: Loop;

  constructor(
    private readonly store: TriggerStore,
    private readonly configuration: EngineConfiguration,
    private readonly hints: Hints,
    @Inject(SETTINGS) private readonly settings: EngineSettings,
    @Inject(LOG) log: Logger,
  ) {
    this.loop = new Loop({ name: 'triggers', everyMs: settings.pollIntervalMs, log, round: () => this.look() });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.loop.stop();
  }

  /**
   * Decides what a call is to make.
   * @throws UserError `bad-trigger`, `not-found`, `not-callable`, `trigger-cycle`, `trigger-too-deep`, …
   */
  async plan(buildId: number, call: TriggerCall, argsHash: string): Promise<PlannedCall> {
    checkAsked(call);
    const plans = call.schedulers.map((asked) => this.planOf(asked, call));
    const started = plans.flatMap(({ builderIds }) => builderIds);
    if (started.length > TRIGGER_LIMITS.requests)
      throw new UserError(
        'bad-trigger',
        `the schedulers start ${started.length} builds: at most ${TRIGGER_LIMITS.requests} are allowed`,
        { field: 'schedulers' },
      );
    checkChain(
      await this.store.ancestry(buildId, TRIGGER_LIMITS.depth),
      started.map((builderId) => ({ builderId })),
    );
    return { call, argsHash, plans };
  }

  private planOf({ name, properties }: TriggerCall['schedulers'][number], call: TriggerCall): ChildPlan {
    const { config, ids } = this.configuration.current;
    const scheduler = config.schedulers.find((candidate) => candidate.name === name);
    if (!scheduler)
      throw new UserError(
        'not-found',
        `no scheduler '${printable(name, 190)}'; there are: ${config.schedulers.map((one) => one.name).join(', ')}`,
        { field: 'schedulers' },
      );
    const { on, keepsCalls } = schedulerKind(scheduler.kind);
    if (!on.call)
      throw new UserError('not-callable', `scheduler '${name}' is of a kind that nobody can call`, {
        field: 'schedulers',
      });
    const asked = {
      builders: null,
      reason: scheduler.reason || `The scheduler '${name}' was triggered by a build`,
      sourceStamps: call.sourceStamps,
      properties: propertiesFrom(properties, 'Trigger'),
      priority: call.priority,
    };
    const { builders, cause: _cause, ...planned } = on.call(scheduler, { ...asked, id: '' });
    return {
      ...planned,
      ...(keepsCalls && { keeps: { ...asked, sourceStamps: planned.sourceStamps } }),
      schedulerId: ids.schedulers.get(name)!,
      schedulerName: name,
      builderIds: builders.map((builder) => ids.builders.get(builder)!),
      // A scheduler without a priority of its own leaves it to the build that triggers it.
      priority: call.priority ?? (scheduler.priority === 0 ? null : planned.priority),
    };
  }

  /**
   * Makes the builds of a call, or has it kept, once however often it is repeated.
   * @throws FencedError
   */
  async make(key: BuildKey, { call, argsHash, plans }: PlannedCall): Promise<(TriggeredBuildset | CallKept)[]> {
    const made = await this.store.trigger(key, {
      ...{ step: call.stepNumber, ordinal: call.ordinal, argsHash },
      ...{ waits: call.waitForFinish, relationship: call.relationship, plans },
    });
    for (const buildset of made)
      if ('keptBySchedulerId' in buildset) this.hints.publish(hints.scheduler(buildset.keptBySchedulerId));
      else if (buildset.isNew) for (const hint of buildsetCreated(buildset)) this.hints.publish(hint);
    return made;
  }

  /** Returns the address of a build request, as Buildbot's pages have it. */
  addressOf(requestId: number): string {
    return `${this.settings.publicUrl}/#/buildrequests/${requestId}`;
  }

  /** Waits until all these buildsets are complete, whoever builds them. Returns null once `signal` is aborted. */
  async finished(buildsetIds: readonly number[], signal: AbortSignal): Promise<ReadonlyMap<number, Result> | null> {
    const subscriptions = buildsetIds.map((id) =>
      this.hints.subscribe(hints.buildset(id, 'complete').topic, () => this.loop.nudge()),
    );
    let wait: Wait | undefined;
    try {
      return await new Promise((resolve) => {
        if (signal.aborted) resolve(null);
        signal.addEventListener('abort', () => resolve(null), { once: true });
        this.waits.add((wait = { buildsetIds, resolve }));
        this.loop.nudge();
      });
    } finally {
      if (wait) this.waits.delete(wait);
      for (const unsubscribe of subscriptions) unsubscribe();
    }
  }

  /** Looks at everything that is waited for, in one query. */
  private async look(): Promise<void> {
    const waits = [...this.waits];
    if (waits.length === 0) return;
    const results = await this.store.resultsOf([...new Set(waits.flatMap(({ buildsetIds }) => buildsetIds))]);
    for (const { buildsetIds, resolve } of waits) if (buildsetIds.every((id) => results.has(id))) resolve(results);
  }
}
