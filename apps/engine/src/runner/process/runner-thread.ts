import { Worker } from 'node:worker_threads';
import { type ConfigSnapshot, cpuMsOf, giveWayToAll } from '@millrace/config';
import { checkJsonLimits, messageOf, Result } from '@millrace/domain';
import { Busyness } from '../../core/busyness.js';
import { STEP_LIMITS } from '../../core/step-limits.js';
import { stepStateString } from '../../core/step-sequence.js';
import type { BuildJob, BuildOutcome } from '../protocol/build-services.js';
import { Heartbeat } from '../protocol/heartbeat.js';
import {
  type FromThread,
  type Generation,
  type ServiceCall,
  type ServiceReply,
  type RunnerLimits,
  type SentError,
  type ToThread,
  toSent,
} from '../protocol/messages.js';
import type { ThreadData } from '../thread/thread.js';

/** Events of a thread, for its pool. */
export interface ThreadEvents {
  ready(snapshot: ConfigSnapshot): void;
  /** The thread never became ready. */
  failed(error: SentError): void;
  call(buildId: number, call: ServiceCall): void;
  /** `isUsable`: the thread can take another build. */
  done(buildId: number, outcome: BuildOutcome, isUsable: boolean): void;
}

const MB = 1024 * 1024;
/**
 * Most memory for young objects, a third of which is in use. A thread that reaches its limit gets 16 MB more from Node, to end in. All young
 * objects may become old ones meanwhile, and V8 ends the whole process when they do not fit.
 */
const YOUNG_MB = 16;
/** First number of calls that this side makes in place of a thread that cannot any more. The thread counts from 0. */
const OWN_CALLS = 1_000_000_000;

/** One worker thread, seen from the runner's main thread, which runs no code of the user's. */
export class RunnerThread {
  job: BuildJob | null = null;
  step: { readonly number: number; readonly name: string } | null = null;
  readonly heartbeat = new Heartbeat();
  private readonly worker: Worker;
  private isReady = false;
  private threadId: number | null = null;
  private readonly busyness = new Busyness();
  private hasGivenWay = false;
  private stopReason: string | null = null;
  private endReason: string | null = null;

  constructor(
    readonly generation: Generation,
    private readonly limits: RunnerLimits,
    private readonly events: ThreadEvents,
  ) {
    const workerData: ThreadData = { generation, heartbeat: this.heartbeat.memory };
    this.worker = new Worker(new URL('../thread/thread.js', import.meta.url), {
      workerData,
      name: 'build',
      env: generation.env,
      resourceLimits: { maxOldGenerationSizeMb: limits.threadMemoryMb, maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.worker.on('message', (message: FromThread) => this.receive(message));
    this.worker.on('error', (error: unknown) => (this.endReason ??= this.reasonFor(error)));
    this.worker.on('exit', (code) => this.ended(code));
  }

  run(job: BuildJob): void {
    this.job = job;
    this.heartbeat.beat(0);
    this.post({ kind: 'run', job });
  }

  reply(reply: ServiceReply): void {
    this.post(reply);
  }

  stop(reason: string): void {
    this.stopReason = reason;
    this.post({ kind: 'stop', reason });
    const stopped = this.job;
    // A thread whose loop turns stops by itself, however long its commands take. One that burns CPU has to be ended. By then it may be at
    // another build, which nobody asked to stop.
    setTimeout(() => {
      if (this.job && this.job === stopped && this.heartbeat.ageMs >= this.limits.stopGraceMs) this.end('');
    }, this.limits.stopGraceMs + 200).unref();
  }

  /**
   * Lowers the thread's priority when its step keeps a core busy, until its build has ended and the thread with it. Called while the
   * thread's loop stands still.
   */
  giveWayIfBusy(): void {
    if (this.hasGivenWay || this.threadId === null) return;
    const cpuMs = cpuMsOf(this.threadId);
    if (cpuMs === null || !this.busyness.isBusy({ sinceMs: this.heartbeat.lastBeatMs, cpuMs })) return;
    this.hasGivenWay = true;
    giveWayToAll(this.threadId);
  }

  /** Ends the thread at once. Its build dies of `reason`, or is cancelled when it is being stopped. */
  end(reason: string): void {
    this.endReason ??= reason;
    void this.worker.terminate();
  }

  private post(message: ToThread): void {
    this.worker.postMessage(message);
  }

  /** Passes a call on. A call that is too large for the engine is refused here, because every process on the way would have to read it. */
  private call(buildId: number, call: ServiceCall): void {
    try {
      const { callDepth: maxDepth, callValues: maxValues, callCharacters: maxCharacters } = STEP_LIMITS;
      checkJsonLimits(
        call.args,
        { maxDepth, maxValues, maxCharacters },
        `what ${this.step?.name ?? 'a step'} asks for`,
      );
    } catch (error) {
      return this.reply({ kind: 'reply', call: call.call, error: toSent(error) });
    }
    this.events.call(buildId, call);
  }

  private receive(message: FromThread): void {
    switch (message.kind) {
      case 'ready':
        this.isReady = true;
        this.threadId = message.threadId;
        this.events.ready(message.snapshot);
        break;
      case 'load-failed':
        this.endReason = message.error.message;
        this.events.failed(message.error);
        break;
      case 'step':
        this.step = message.step;
        break;
      case 'call':
        if (this.job) this.call(this.job.buildId, message);
        break;
      case 'done':
        this.finish(message.outcome, !this.hasGivenWay);
        if (this.hasGivenWay) this.end('it had given way');
        break;
    }
  }

  private finish(outcome: BuildOutcome, isUsable: boolean): void {
    if (!this.job) return;
    const { buildId } = this.job;
    this.job = null;
    this.step = null;
    this.stopReason = null;
    this.events.done(buildId, outcome, isUsable);
  }

  private ended(code: number): void {
    if (!this.isReady) {
      const message = this.endReason ?? `the configuration ended its thread while it was loaded (exit code ${code})`;
      this.events.failed({ code: null, message, stack: null, problems: null });
      return;
    }
    const step = this.step;
    if (this.stopReason !== null && this.job && step) {
      const finish = {
        number: step.number,
        results: Result.CANCELLED,
        stateString: stepStateString(null, Result.CANCELLED),
        hidden: false,
      };
      this.events.call(this.job.buildId, { kind: 'call', call: OWN_CALLS, method: 'finishStep', args: [finish] });
      this.finish({ kind: 'finished', results: Result.CANCELLED, stateString: `cancelled '${step.name}'` }, false);
      return;
    }
    const where = step ? `step '${step.name}'` : 'the build';
    const reason = this.endReason ?? `${where} called process.exit(${code})`;
    this.finish({ kind: 'died', fault: 'step', reason, step: step?.name ?? null }, false);
    this.events.done(-1, { kind: 'died', fault: 'step', reason, step: null }, false);
  }

  private reasonFor(error: unknown): string {
    const where = this.step ? `step '${this.step.name}'` : 'the build';
    if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return `${where} ran out of memory (the limit is ${this.limits.threadMemoryMb} MB)`;
    }
    return `${where} threw out of band: ${messageOf(error)}`;
  }

  /** Whether memory outside of the heap, which V8's own limit does not cover, is too large. */
  get isOverMemory(): boolean {
    return this.heartbeat.externalBytes > this.limits.threadMemoryMb * MB;
  }
}
