import { type CompiledBuilder, requestCompleted } from '@millrace/contracts';
import { type CollapseQuestion, type CollapseQuestionStore, type Ownership, ownershipName } from '@millrace/database';
import { type Asked, collapseAnswer, type CollapseAnswer } from '../core/collapse-answers.js';
import { type Heard, OwnedLoop, type OwnedLoopPorts } from '../owned-loop.js';
import type { CallbackCaller } from '../schedulers/judge.js';

/** Longest time for one pair of requests. */
const TIMEOUT_MS = 2000;
/** Time for which a callback that failed is not called. */
const LEFT_OUT_MS = 10_000;

export interface CollapsePorts extends OwnedLoopPorts {
  readonly questions: CollapseQuestionStore;
}

export interface CollapseOptions {
  /** Builders whose callback decides, by id. */
  readonly builders: ReadonlyMap<number, CompiledBuilder>;
  /** Calls callbacks of the configuration. */
  readonly call: CallbackCaller;
  /** Longest time until a lost hint is noticed; null for never. */
  readonly everyMs: number | null;
}

/**
 * Asks callbacks of the configuration which waiting requests are collapsed into newer ones. It is active on one master at a time. A question
 * is a row, which goes with its answer in one transaction: after the death of a master it is asked again.
 */
export class CollapseRunner {
  private readonly loop: OwnedLoop;
  /** Callbacks that failed, by handle. */
  private readonly failed = new Map<string, { readonly failed: string; readonly untilMs: number }>();

  constructor(
    private readonly options: CollapseOptions,
    private readonly ports: CollapsePorts,
  ) {
    const { builders, everyMs } = options;
    const heard: Heard = {
      prefix: 'buildrequests',
      matters: (topic, { builderid }) => topic.endsWith('.new') && builders.has(Number(builderid)),
    };
    this.loop = new OwnedLoop(
      {
        name: 'collapsing',
        owns: ownershipName.collapsing(),
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
    const { questions } = this.ports;
    await questions.forget();
    const { requestIds, hasMore } = await questions.open();
    for (const requestId of requestIds) {
      if (signal.aborted) return;
      await this.decide(owner, requestId);
    }
    if (hasMore) this.loop.nudge();
  }

  private async decide(owner: Ownership, requestId: number): Promise<void> {
    const { questions, hints, log } = this.ports;
    const question = await questions.question(requestId);
    const answer = question ? await this.answer(question) : { collapsing: [] };
    if ('failed' in answer) {
      const builder = question && this.options.builders.get(question.builderId)?.name;
      log.warn({ builder, requestId }, `nothing is collapsed into build request ${requestId}: ${answer.failed}`);
      await questions.fail(owner, requestId, answer.failed);
      return;
    }
    const collapsed = await questions.answer(owner, requestId, answer.collapsing);
    for (const one of collapsed) for (const hint of requestCompleted(one)) hints.publish(hint);
  }

  private async answer(question: CollapseQuestion): Promise<CollapseAnswer> {
    const builder = this.options.builders.get(question.builderId);
    const handle = builder?.collapseCallback;
    if (!builder || handle === undefined)
      return { failed: "the scheduler's configuration has no callback collapseRequests for this builder" };
    const { name, tags, properties } = builder;
    return collapseAnswer({ name, tags, properties }, question, async (value): Promise<Asked> => {
      const before = this.failed.get(handle);
      if (before && performance.now() < before.untilMs) return before;
      const asked = await this.options.call({ handle, value, timeoutMs: TIMEOUT_MS });
      if ('failed' in asked) this.failed.set(handle, { ...asked, untilMs: performance.now() + LEFT_OUT_MS });
      return asked;
    });
  }
}
