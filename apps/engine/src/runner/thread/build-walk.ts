import {
  type BuilderDefinition,
  checkAddedSteps,
  checkedLocks,
  type LockUse,
  type StepOutcome,
} from '@millrace/config';
import {
  afterStep,
  BUILD_BEGINS,
  type BuildProgress,
  DEFAULT_STEP_FLAGS,
  FencedError,
  isResult,
  messageOf,
  printable,
  Result,
  type StepFlags,
  UserError,
  worse,
} from '@millrace/domain';
import { type AddedSteps, type PlannedStep, StepPlan } from '../../core/added-steps.js';
import { BuildProperties } from '../../core/build-properties.js';
import { ERROR_LOG, isStepsFault, shortState } from '../../core/step-limits.js';
import { buildStateString, isStarted, settledResult, stepStateString } from '../../core/step-sequence.js';
import type { BuildServices, BuildJob, BuildOutcome, FinishedStep } from '../protocol/build-services.js';
import { renderContextOf, StepRun } from './step-run.js';

/** A stopped step that has no running command and still does not end is abandoned after this time. */
const ABANDON_AFTER_MS = 5_000;
/** Longest logged stack of a thrown value, which may be of any size. */
const MAX_STACK_CHARACTERS = 100_000;
const MAX_REASON_CHARACTERS = 500;

type Step = BuilderDefinition['factory'][number];

/** The locks that a step wants, or the error of its callback. */
type WantedLocks = { readonly locks: readonly LockUse[] } | { readonly failed: unknown };

/** Runs the steps of one build. All effects are calls to the engine. */
export class BuildWalk {
  private progress: BuildProgress = BUILD_BEGINS;
  private workerLost = false;
  private current: StepRun | null = null;
  private stopped: string | null = null;
  private fatal: unknown = null;
  private readonly finished: { results: Result; stateString: string }[] = [];
  private readonly properties: BuildProperties;
  private readonly plan: StepPlan<Step>;
  private readonly whenStopped = new AbortController();

  constructor(
    private readonly job: BuildJob,
    private readonly builder: BuilderDefinition,
    private readonly services: BuildServices,
    /** Called with the running step, so that a death or a stall can be attributed to it. */
    private readonly onStep: (step: { number: number; name: string } | null) => void,
    private readonly abandonAfterMs: number = ABANDON_AFTER_MS,
  ) {
    this.properties = new BuildProperties(job.properties);
    this.plan = new StepPlan<Step>(builder.factory);
  }

  stop(reason: string): void {
    this.stopped ??= reason;
    this.progress = { result: worse(this.progress.result, Result.CANCELLED), halted: true };
    this.current?.stop(reason);
    this.whenStopped.abort();
  }

  async run(): Promise<BuildOutcome> {
    return (await this.refusal()) ?? this.runSteps();
  }

  /** Returns the outcome of a build that is not to be done; null when it is. What an earlier engine has begun is to be done. */
  private async refusal(): Promise<BuildOutcome | null> {
    const { doBuildIf = true } = this.builder;
    if (doBuildIf === true || this.job.finishedSteps) return null;
    const skipped = { kind: 'finished', results: Result.SKIPPED, stateString: 'skipped by doBuildIf' } as const;
    if (doBuildIf === false) return skipped;
    // A callback that never answers must not keep a stopped build from ending.
    const stopped = new Promise<true>((resolve) =>
      this.whenStopped.signal.addEventListener('abort', () => resolve(true), { once: true }),
    );
    try {
      const asked = Promise.resolve(doBuildIf(renderContextOf(this.job, this.properties)));
      return (await Promise.race([asked, stopped])) ? null : skipped;
    } catch (error) {
      const stateString = printable(`exception doBuildIf failed: ${messageOf(error)}`, MAX_REASON_CHARACTERS);
      return { kind: 'finished', results: Result.EXCEPTION, stateString };
    }
  }

  private async runSteps(): Promise<BuildOutcome> {
    const finished = new Map((this.job.finishedSteps ?? []).map((step) => [step.number, step]));
    let number = 0;
    for (let planned = this.plan.next(); planned; planned = this.plan.next()) {
      const { step, name } = planned;
      const flags: StepFlags = { ...DEFAULT_STEP_FLAGS, ...step.flags };
      if (!isStarted({ progress: this.progress, workerLost: this.workerLost }, flags)) continue;
      try {
        const before = finished.get(number);
        const result = before ? this.recall(before, planned) : await this.runStep(planned, number);
        number += 1;
        this.progress = afterStep(this.progress, result, flags);
      } catch (error) {
        return { kind: 'died', fault: isStepsFault(error) ? 'step' : 'runner', reason: messageOf(error), step: name };
      } finally {
        this.current = null;
      }
    }
    const { result } = this.progress;
    return { kind: 'finished', results: result, stateString: buildStateString(result, this.finished) };
  }

  /** Restores a step that an earlier engine has finished. */
  private recall(step: FinishedStep, planned: PlannedStep<Step>): Result {
    const { name } = planned;
    if (step.name !== name) throw new Error(`step ${step.number} was '${step.name}' and is '${name}' now`);
    this.finished.push(step);
    const { added = [] } = step;
    this.plan.add(
      planned,
      added.map(({ after, data }) => ({ after, steps: this.stepsMadeBy(planned, data) })),
    );
    return step.results;
  }

  /**
   * Returns the steps that a step adds to the build.
   * @throws UserError `bad-steps`, `too-many-steps`
   */
  private stepsMadeBy(planned: PlannedStep<Step>, data: AddedSteps['data']): readonly Step[] {
    const { step, name } = planned;
    if (!step.makeSteps)
      throw new UserError('bad-steps', `step '${name}' has no makeSteps, which makes the steps that it adds`);
    const steps = checkAddedSteps(step.makeSteps(data));
    this.plan.admit(planned, steps.length);
    return steps;
  }

  /** Runs a step. Throws only if the build cannot go on at all. */
  private async runStep(planned: PlannedStep<Step>, number: number): Promise<Result> {
    const { step, name } = planned;
    const run = new StepRun({
      job: this.job,
      services: this.services,
      number,
      name,
      properties: this.properties,
      env: this.builder.env ?? {},
      makeSteps: (data) => this.stepsMadeBy(planned, data),
      track: (sent) => void sent.catch((error: unknown) => (this.fatal ??= error)),
    });
    this.current = run;
    this.onStep({ number, name });
    // Not before what is recorded has been recalled: a stopped build starts no steps.
    if (this.job.stopReason !== undefined && this.stopped === null) this.stop(this.job.stopReason);
    const hidden = step.hideStepIf === true;
    const { resumable = false } = step;
    const wanted = await this.locksOf(step, run);
    const locks = 'failed' in wanted ? [] : wanted.locks;
    this.send(this.services.startStep({ number, name, hidden, resumable, wantsLocks: locks.length > 0 }));
    const { result, stateString } = await this.outcomeOf(step, run, wanted);
    const isHidden = hidden || (await this.isHidden(step, result, run));
    await run.flush();
    this.throwIfFatal();
    const finish = { number, results: result, stateString: stepStateString(stateString, result), hidden: isHidden };
    this.finished.push(finish);
    const added = run.added.map(({ after, data }) => ({ after, data }));
    this.plan.add(planned, run.added);
    this.send(this.services.finishStep({ ...finish, ...(added.length > 0 && { added }) }));
    this.onStep(null);
    return result;
  }

  /** Returns the locks that a step wants, or why its callback failed. A callback that never answers does not keep a stopped build. */
  private async locksOf({ locks = [] }: Step, run: StepRun): Promise<WantedLocks> {
    if (typeof locks !== 'function') return { locks };
    if (run.isStopped) return { failed: new Error('the step was stopped before it had them') };
    try {
      const context = renderContextOf(this.job, this.properties);
      return { locks: checkedLocks(await this.orAbandoned(Promise.resolve(locks(context)), run)) };
    } catch (error) {
      return { failed: error };
    }
  }

  private async outcomeOf(
    step: Step,
    run: StepRun,
    wanted: WantedLocks,
  ): Promise<{ result: Result; stateString: string | null }> {
    let outcome: StepOutcome;
    try {
      if ('failed' in wanted) {
        run.shown = shortState(`locks failed: ${messageOf(wanted.failed)}`);
        throw wanted.failed;
      }
      if (!(await this.isWanted(step, run))) return { result: Result.SKIPPED, stateString: null };
      const { locks } = wanted;
      const refused = locks.length > 0 ? await run.takeLocks(locks) : null;
      outcome = refused ?? normalised(await this.orAbandoned(Promise.resolve(step.run(run.context)), run));
    } catch (error) {
      if (error instanceof FencedError) throw error;
      outcome = { result: Result.EXCEPTION };
      if (!run.isStopped && !run.workerLost) await run.log(ERROR_LOG).append(stackOf(error));
    }
    if (run.workerLost) this.workerLost = true;
    const result = settledResult({ result: outcome.result, stopped: run.isStopped, workerLost: run.workerLost });
    return {
      result,
      stateString: outcome.stateString === undefined ? run.shown : printable(String(outcome.stateString)),
    };
  }

  private async isWanted({ doStepIf = true }: Step, run: StepRun): Promise<boolean> {
    return typeof doStepIf === 'boolean' ? doStepIf : await doStepIf(run.context);
  }

  /** Whether a step is hidden. When the callback fails, the step is shown and the error is in its log. */
  private async isHidden({ hideStepIf = false }: Step, result: Result, run: StepRun): Promise<boolean> {
    if (typeof hideStepIf === 'boolean') return hideStepIf;
    try {
      return await hideStepIf(result, run.context);
    } catch (error) {
      if (error instanceof FencedError) throw error;
      await run.log(ERROR_LOG).append(`hideStepIf failed: ${stackOf(error)}`);
      return false;
    }
  }

  /** Waits for the step, but not for ever: user code that ignores its signal must not keep a stopped build from ending. */
  private async orAbandoned<T>(running: Promise<T>, run: StepRun): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const abandoned = new Promise<never>((_resolve, reject) => {
      const startTimer = () => {
        timer = setTimeout(() => (run.isBusy ? startTimer() : reject(new Error('did not stop'))), this.abandonAfterMs);
      };
      run.signal.addEventListener('abort', startTimer, { once: true });
    });
    try {
      return await Promise.race([running, abandoned]);
    } finally {
      clearTimeout(timer);
    }
  }

  private send(sent: Promise<void>): void {
    sent.catch((error: unknown) => (this.fatal ??= error));
  }

  private throwIfFatal(): void {
    if (this.fatal !== null) throw this.fatal instanceof Error ? this.fatal : new Error(messageOf(this.fatal));
  }
}

function normalised(outcome: Result | StepOutcome): StepOutcome {
  const result: unknown = typeof outcome === 'object' && outcome !== null ? outcome.result : outcome;
  if (!isResult(result))
    throw new TypeError(`a step has to return a result (such as Result.SUCCESS), not ${String(result)}`);
  return typeof outcome === 'object' ? outcome : { result };
}

function stackOf(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${text.slice(0, MAX_STACK_CHARACTERS)}\n`;
}
