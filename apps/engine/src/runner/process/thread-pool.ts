import { availableParallelism } from 'node:os';
import { Result } from '@millrace/domain';
import { threadsToStart } from '../../core/thread-starts.js';
import type { BuildJob } from '../protocol/build-services.js';
import { BEAT_MS } from '../protocol/heartbeat.js';
import type { FromRunner, Generation, ServiceReply, RunnerLimits, ToRunner } from '../protocol/messages.js';
import { RunnerThread } from './runner-thread.js';

const STALL_MS = 1_000;
/** Memory of the process itself, in addition to that of the threads. */
const OWN_MEMORY_MB = 256;
const MB = 1024 * 1024;
/** Most threads that start at a time. */
const MOST_STARTING = Math.max(2, availableParallelism());
/** Most idle threads that are kept for the next burst. */
const MAX_IDLE = 8;

/** The threads of a runner process by configuration fingerprint: building, warm and starting ones. */
export class ThreadPool {
  private current: Generation | null = null;
  private readonly generations = new Map<string, Generation>();
  private readonly building = new Map<number, RunnerThread>();
  private readonly waiting: { job: BuildJob; generation: Generation }[] = [];
  private idle: RunnerThread[] = [];
  private readonly starting = new Set<RunnerThread>();
  private readonly reportedMs = new Map<number, number>();
  private lastTick = performance.now();

  constructor(
    private readonly limits: RunnerLimits,
    private readonly send: (message: FromRunner) => void,
  ) {
    setInterval(() => this.watch(), BEAT_MS);
  }

  receive(message: ToRunner): void {
    switch (message.kind) {
      case 'generation':
        this.remember(message.generation);
        break;
      case 'load':
        this.load(this.generations.get(message.fingerprint)!);
        break;
      case 'run':
        this.waiting.push({ job: message.job, generation: this.generations.get(message.job.fingerprint)! });
        this.assign();
        break;
      case 'stop':
        this.stop(message.buildId, message.reason);
        break;
      case 'drop':
        this.drop(message.buildId, message.reason);
        break;
      case 'reply':
        this.building.get(message.buildId)?.reply(message.reply satisfies ServiceReply);
        break;
      case 'configure':
        break;
    }
  }

  /** Sets the configuration of new builds. Threads of another configuration end when their build does. */
  private load(generation: Generation): void {
    this.current = generation;
    const stale = this.idle.filter((thread) => thread.generation.fingerprint !== generation.fingerprint);
    this.idle = this.idle.filter((thread) => !stale.includes(thread));
    for (const thread of stale) thread.end('replaced');
    if (this.idle.length > 0) this.loaded(this.idle[0]!.generation);
    this.warm();
  }

  private remember(generation: Generation): void {
    const { fingerprint } = generation;
    if (generation.snapshot || !this.generations.has(fingerprint)) this.generations.set(fingerprint, generation);
  }

  private snapshotOf(fingerprint: string): Generation['snapshot'] {
    return this.generations.get(fingerprint)?.snapshot ?? null;
  }

  private loaded({ fingerprint }: Generation): void {
    const snapshot = this.snapshotOf(fingerprint);
    if (snapshot) this.send({ kind: 'loaded', fingerprint, snapshot });
  }

  private assign(): void {
    for (const entry of [...this.waiting]) {
      const { fingerprint } = entry.generation;
      const index = this.idle.findIndex((thread) => thread.generation.fingerprint === fingerprint);
      if (index < 0) continue;
      const [thread] = this.idle.splice(index, 1);
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      this.building.set(entry.job.buildId, thread!);
      thread!.run(entry.job);
    }
    this.warm();
  }

  /** Starts threads for the waiting jobs, and spare ones of the current configuration. */
  private warm(): void {
    const wanted = new Map<string, number>();
    const want = ({ fingerprint }: Generation, count: number) =>
      wanted.set(fingerprint, (wanted.get(fingerprint) ?? 0) + count);
    for (const { generation } of this.waiting) want(generation, 1);
    if (this.current) want(this.current, this.limits.warmThreads);
    const demands = [...wanted].map(([fingerprint, count]) => {
      const has = (thread: RunnerThread) => thread.generation.fingerprint === fingerprint;
      const idle = this.idle.filter(has).length;
      const starting = [...this.starting].filter(has).length;
      return { fingerprint, wanted: count, idle, starting, isCompiled: this.snapshotOf(fingerprint) !== null };
    });
    for (const fingerprint of threadsToStart(demands, MOST_STARTING))
      this.startThread(this.generations.get(fingerprint)!);
  }

  private startThread(wanted: Generation): void {
    const { fingerprint } = wanted;
    const generation: Generation = { ...wanted, snapshot: this.snapshotOf(fingerprint) };
    const thread: RunnerThread = new RunnerThread(generation, this.limits, {
      ready: (snapshot) => {
        this.starting.delete(thread);
        const isFirst = !this.snapshotOf(fingerprint);
        this.generations.set(fingerprint, { ...generation, snapshot });
        if (isFirst || this.current?.fingerprint === fingerprint) this.loaded(generation);
        this.idle.push(thread);
        this.assign();
      },
      failed: (error) => {
        if (!this.starting.delete(thread)) return;
        this.send({ kind: 'load-failed', fingerprint, error });
        for (const { job } of this.waiting.filter((entry) => entry.generation.fingerprint === fingerprint)) {
          this.dropWaiting(job.buildId);
          const reason = `the configuration could not be loaded: ${error.message}`;
          this.send({
            kind: 'done',
            buildId: job.buildId,
            outcome: { kind: 'died', fault: 'runner', reason, step: null },
          });
        }
        if (this.current?.fingerprint === fingerprint) this.current = null;
        this.warm();
      },
      call: (buildId, call) => this.send({ kind: 'call', buildId, call }),
      done: (buildId, outcome, isUsable) => {
        this.building.delete(buildId);
        this.reportedMs.delete(buildId);
        if (buildId >= 0) this.send({ kind: 'done', buildId, outcome });
        if (!isUsable) this.idle = this.idle.filter((other) => other !== thread);
        else if (this.current?.fingerprint === fingerprint && this.idle.length < MAX_IDLE) this.idle.push(thread);
        else if (!this.waiting.some((entry) => entry.generation.fingerprint === fingerprint))
          thread.end('no longer needed');
        else this.idle.push(thread);
        this.assign();
      },
    });
    this.starting.add(thread);
  }

  private dropWaiting(buildId: number): boolean {
    const index = this.waiting.findIndex(({ job }) => job.buildId === buildId);
    if (index >= 0) this.waiting.splice(index, 1);
    return index >= 0;
  }

  private stop(buildId: number, reason: string): void {
    const begun = this.waiting.find(({ job }) => job.buildId === buildId && job.finishedSteps);
    // What it had begun has to be ended, and its `alwaysRun` steps run.
    if (begun) begun.job = { stopReason: reason, ...begun.job };
    else if (this.dropWaiting(buildId)) {
      this.send({
        kind: 'done',
        buildId,
        outcome: { kind: 'finished', results: Result.CANCELLED, stateString: 'cancelled' },
      });
    } else this.building.get(buildId)?.stop(reason);
  }

  private drop(buildId: number, reason: string): void {
    if (this.dropWaiting(buildId)) {
      this.send({ kind: 'done', buildId, outcome: { kind: 'died', fault: 'runner', reason, step: null } });
    } else this.building.get(buildId)?.end(reason);
  }

  /** Finds threads whose loop stands still, and attributes that to the running step. */
  private watch(): void {
    const now = performance.now();
    const isLate = now - this.lastTick > BEAT_MS * 3; // This loop was held up itself, so the ages mean nothing.
    this.lastTick = now;
    if (isLate) return;
    this.guardMemory();
    for (const [buildId, thread] of this.building) {
      const ms = thread.heartbeat.ageMs;
      if (ms > BEAT_MS) thread.giveWayIfBusy();
      const reported = this.reportedMs.get(buildId) ?? STALL_MS / 2;
      if (ms <= STALL_MS) this.reportedMs.delete(buildId);
      else if (ms >= reported * 2) {
        this.reportedMs.set(buildId, ms);
        this.send({ kind: 'stall', buildId, step: thread.step?.name ?? null, ms });
      }
      if (thread.isOverMemory)
        thread.end(
          `step '${thread.step?.name ?? ''}' holds more memory than the limit of ${this.limits.threadMemoryMb} MB`,
        );
    }
  }

  /**
   * Ends a thread when the process has grown too large. A step that fills buffers without ever yielding reports nothing; it shows in the
   * size of the process, and as the thread that has stood still for longest.
   */
  private guardMemory(): void {
    const threads = this.building.size + this.idle.length + this.starting.size;
    const limitMb = OWN_MEMORY_MB + (threads + 1) * this.limits.threadMemoryMb;
    if (process.memoryUsage.rss() <= limitMb * MB) return;
    const [worst] = [...this.building.values()].sort((a, b) => b.heartbeat.ageMs - a.heartbeat.ageMs);
    if (!worst || worst.heartbeat.ageMs < BEAT_MS * 2) return;
    worst.end(`step '${worst.step?.name ?? ''}' holds more memory than the limit of ${this.limits.threadMemoryMb} MB`);
  }
}
