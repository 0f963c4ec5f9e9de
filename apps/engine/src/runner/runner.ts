import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ConfigSnapshot } from '@millrace/config';
import { FencedError, messageOf, OperationalError, printable, Result, UserError } from '@millrace/domain';
import {
  type BuildServices,
  type BuildJob,
  type BuildOutcome,
  HOST_METHODS,
  type ServiceMethod,
  type RunningBuild,
  UNANSWERED,
} from './protocol/build-services.js';
import { type NamedVariables, runnerProcessEnvironment, stepEnvironment } from '../core/runner-environment.js';
import {
  type FromRunner,
  fromSent,
  type Generation,
  type ServiceCall,
  toSent,
  type ToRunner,
} from './protocol/messages.js';

export type {
  BuildServices,
  BuildJob,
  BuildOutcome,
  CommandRequest,
  CommandResult,
  FinishedStep,
  LocksRequest,
  LocksResult,
  RunningBuild,
  StepState,
  TestResultsCall,
  TriggerCall,
} from './protocol/build-services.js';

export interface RunnerLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** A configuration as a runner loads it. */
export interface RunnerConfiguration {
  readonly configFile: string;
  readonly fingerprint: string;
  /** The `ConfigHost.snapshot`: the runner runs exactly what the engine has compiled even if the file has changed since. */
  readonly snapshot?: ConfigSnapshot;
  /** Variables that the configuration names. */
  readonly variables?: NamedVariables;
}

export interface RunnerPoolOptions extends RunnerConfiguration {
  /** Per build, for heap and buffers each. Default 512. */
  readonly threadMemoryMb?: number;
  /** Threads kept ready in addition to the building ones. Default 1. */
  readonly warmThreads?: number;
  readonly stopGraceMs?: number;
  readonly log: RunnerLog;
  /**
   * Called when the loop of a build's thread has stood still for `ms`, and again each time this doubles. `step` is the step that causes it.
   */
  readonly onStall?: (stall: { readonly buildId: number; readonly step: string | null; readonly ms: number }) => void;
}

export interface RunnerStats {
  readonly builds: number;
  readonly restarts: number;
  readonly isUp: boolean;
}

interface Build {
  readonly job: BuildJob;
  readonly services: BuildServices;
  readonly generation: Generation;
  readonly settle: (outcome: BuildOutcome) => void;
  /** Number of running commands by step. */
  readonly commands: Map<number, number>;
  /** True when the running process knows of the build. Otherwise the build waits for a process. */
  isSent: boolean;
  step: string | null;
}

const NO_VARIABLES: NamedVariables = { masters: [], steps: [] };
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 10_000;
/** A process that has lived this long counts as healthy again. */
const HEALTHY_MS = 10_000;

/**
 * The engine's side of the runner: starts the process, gives it builds, carries out their calls, and restarts it when it dies.
 * No code of the user's runs on this side.
 */
export class RunnerPool {
  private child: ChildProcess | null = null;
  private isUp = false;
  private closed = false;
  private generation: Generation;
  private readonly builds = new Map<number, Build>();
  private readonly loading = new Map<string, { resolve: () => void; reject: (error: Error) => void }[]>();
  /** The configurations that the running process was told about, by fingerprint. */
  private readonly known = new Map<string, 'by name' | 'with its files'>();
  private readonly snapshots = new Map<string, ConfigSnapshot>();
  private readonly environments = new Map<string, Readonly<Record<string, string>>>();
  private restarts = 0;
  private backoffMs = FIRST_BACKOFF_MS;
  private restartTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: RunnerPoolOptions) {
    const { configFile, fingerprint, snapshot = null, variables } = options;
    this.generation = { configFile, fingerprint, snapshot, env: this.environmentOf(fingerprint, variables) };
  }

  /**
   * Starts the process. Resolves when the first thread is warm.
   * @throws ConfigError `bad-config`
   */
  async start(): Promise<void> {
    const loaded = this.whenLoaded(this.generation.fingerprint);
    this.spawn();
    await loaded;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  stats(): RunnerStats {
    return { builds: this.builds.size, restarts: this.restarts, isUp: this.isUp };
  }

  /**
   * Runs a build, at once or as soon as the process is up again. The job's fingerprint is that of the current configuration or of an
   * earlier one.
   */
  run(job: BuildJob, services: BuildServices): RunningBuild {
    let settle!: (outcome: BuildOutcome) => void;
    const outcome = new Promise<BuildOutcome>((resolve) => (settle = resolve));
    const current = this.generation;
    const generation =
      job.fingerprint === current.fingerprint
        ? current
        : {
            configFile: job.configFile,
            fingerprint: job.fingerprint,
            snapshot: this.snapshots.get(job.fingerprint) ?? null,
            env: this.environments.get(job.fingerprint) ?? current.env,
          };
    const build: Build = { job, services, generation, settle, commands: new Map(), isSent: false, step: null };
    if (this.closed) settle({ kind: 'died', fault: 'runner', reason: 'the runner is closed', step: null });
    else {
      this.builds.set(job.buildId, build);
      this.give(build);
    }
    return { outcome, stop: (reason) => this.stop(build, reason), drop: (reason) => this.drop(build, reason) };
  }

  /**
   * Switches new builds to this configuration; running ones keep theirs. Resolves when a thread is warm for it. If it cannot be loaded
   * nothing is changed.
   * @throws ConfigError `bad-config`
   */
  async switchTo({ configFile, fingerprint, snapshot, variables }: RunnerConfiguration): Promise<void> {
    const before = this.generation;
    if (fingerprint === before.fingerprint) return;
    const next: Generation = {
      configFile,
      fingerprint,
      snapshot: snapshot ?? null,
      env: this.environments.get(fingerprint) ?? this.environmentOf(fingerprint, variables),
    };
    const loaded = this.whenLoaded(fingerprint);
    this.load(next);
    try {
      await loaded;
      this.generation = { ...next, snapshot: this.snapshots.get(fingerprint) ?? next.snapshot };
    } catch (error) {
      this.load(before);
      throw error;
    }
  }

  /** Ends the process and with it every remaining build. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.restartTimer);
    const child = this.child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    this.endAll('the engine has closed its runner');
  }

  private environmentOf(
    fingerprint: string,
    variables: NamedVariables = NO_VARIABLES,
  ): Readonly<Record<string, string>> {
    const env = stepEnvironment(process.env, variables);
    this.environments.set(fingerprint, env);
    return env;
  }

  private whenLoaded(fingerprint: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.loading.set(fingerprint, [...(this.loading.get(fingerprint) ?? []), { resolve, reject }]);
    });
  }

  private spawn(): void {
    const startedAt = performance.now();
    const child = fork(new URL('./process/main.js', import.meta.url), {
      env: runnerProcessEnvironment(process.env),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
    });
    this.child = child;
    this.isUp = true;
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.options.log.info('runner output', { line }));
    }
    child.on('message', (message: FromRunner) => this.receive(message));
    child.on('error', (error) => this.options.log.error('runner process failed', { error: messageOf(error) }));
    child.once('exit', (code, signal) =>
      this.exited(child, signal ?? `exit code ${code}`, performance.now() - startedAt),
    );
    const { threadMemoryMb = 512, warmThreads = 1, stopGraceMs = 5_000 } = this.options;
    this.post({ kind: 'configure', limits: { threadMemoryMb, warmThreads, stopGraceMs } });
    this.known.clear();
    this.load(this.generation);
    for (const build of this.builds.values()) this.give(build);
  }

  private exited(child: ChildProcess, how: string, livedMs: number): void {
    if (this.child !== child) return;
    this.isUp = false;
    this.child = null;
    if (this.closed) return;
    this.options.log.error('runner process ended', { how, builds: this.builds.size });
    this.endAll(`the process that runs builds ended (${how})`);
    for (const [fingerprint, waiting] of this.loading) {
      if (fingerprint === this.generation.fingerprint) continue; // The next process loads it again.
      this.loading.delete(fingerprint);
      for (const { reject } of waiting)
        reject(new OperationalError('runner-died', `the runner process ended (${how})`));
    }
    if (livedMs > HEALTHY_MS) this.backoffMs = FIRST_BACKOFF_MS;
    this.restartTimer = setTimeout(() => {
      this.restarts++;
      this.spawn();
    }, this.backoffMs);
    this.backoffMs = Math.min(this.backoffMs * 2, LONGEST_BACKOFF_MS);
  }

  /** Ends the builds that the process knew of. Those that still wait for one are not affected. */
  private endAll(reason: string): void {
    for (const build of this.builds.values()) {
      if (build.isSent || this.closed) this.finish(build, { kind: 'died', fault: 'runner', reason, step: build.step });
    }
  }

  private give(build: Build): void {
    if (!this.isUp) return;
    build.isSent = true;
    this.tell(build.generation);
    this.post({ kind: 'run', job: build.job });
  }

  private load(generation: Generation): void {
    this.tell(generation);
    this.post({ kind: 'load', fingerprint: generation.fingerprint });
  }

  /** Tells the process about a configuration, once: it is large, and every build names one. */
  private tell(generation: Generation): void {
    const { fingerprint, snapshot } = generation;
    const known = this.known.get(fingerprint);
    if (known === 'with its files' || (known && !snapshot)) return;
    this.known.set(fingerprint, snapshot ? 'with its files' : 'by name');
    this.post({ kind: 'generation', generation });
  }

  private stop(build: Build, reason: string): void {
    if (this.builds.get(build.job.buildId) !== build) return;
    if (build.isSent) this.post({ kind: 'stop', buildId: build.job.buildId, reason });
    else this.finish(build, { kind: 'finished', results: Result.CANCELLED, stateString: 'cancelled' });
  }

  /** Drops a build. Its thread reports when it has ended; until then nothing else may run under this build's id. */
  private drop(build: Build, reason: string): void {
    const { buildId } = build.job;
    if (this.builds.get(buildId) !== build) return;
    if (build.isSent) this.post({ kind: 'drop', buildId, reason });
    else this.finish(build, { kind: 'died', fault: 'runner', reason, step: null });
  }

  private post(message: ToRunner): void {
    if (!this.child?.connected) return; // The process's exit event will follow, and ends or resends what this message was about.
    this.child.send(message, (error) => {
      if (error) this.options.log.warn('message to the runner process lost', { error: messageOf(error) });
    });
  }

  private receive(message: FromRunner): void {
    switch (message.kind) {
      case 'loaded':
        this.snapshots.set(message.fingerprint, message.snapshot);
        if (this.generation.fingerprint === message.fingerprint)
          this.generation = { ...this.generation, snapshot: message.snapshot };
        for (const { resolve } of this.takeLoading(message.fingerprint)) resolve();
        break;
      case 'load-failed':
        this.options.log.error('configuration not loaded by the runner', { error: message.error.message });
        for (const { reject } of this.takeLoading(message.fingerprint)) reject(fromSent(message.error));
        break;
      case 'call':
        void this.call(message.buildId, message.call);
        break;
      case 'done': {
        const build = this.builds.get(message.buildId);
        if (build) this.finish(build, message.outcome);
        break;
      }
      case 'stall':
        this.options.log.warn('step keeps its thread busy', {
          buildId: message.buildId,
          step: message.step,
          ms: message.ms,
        });
        this.options.onStall?.({ buildId: message.buildId, step: message.step, ms: message.ms });
        break;
    }
  }

  private takeLoading(fingerprint: string) {
    const waiting = this.loading.get(fingerprint) ?? [];
    this.loading.delete(fingerprint);
    return waiting;
  }

  private async call(buildId: number, { call, method, args }: ServiceCall): Promise<void> {
    const build = this.builds.get(buildId);
    if (!build) return;
    const child = this.child;
    try {
      const value = await this.perform(build, method, args);
      if (this.child === child && !UNANSWERED.has(method))
        this.post({ kind: 'reply', buildId, reply: { kind: 'reply', call, value } });
    } catch (error) {
      const level = error instanceof FencedError ? 'info' : 'warn';
      this.options.log[level]('a call of a build was refused', { buildId, method, error: messageOf(error) });
      if (this.child === child)
        this.post({ kind: 'reply', buildId, reply: { kind: 'reply', call, error: toSent(error) } });
    }
  }

  /** Carries out a call. It runs up to the method synchronously, so that calls arrive in the order of the messages. */
  private async perform(build: Build, method: ServiceMethod, args: readonly unknown[]): Promise<unknown> {
    const { services, commands } = build;
    // A step can post any message to the engine.
    if (!HOST_METHODS.includes(method))
      throw new UserError('bad-call', `a build has no call '${printable(String(method), 100)}'`);
    const carryOut = services[method].bind(services) as (...args: readonly unknown[]) => Promise<unknown>;
    if (method === 'startStep') build.step = (args[0] as { name: string }).name;
    if (method === 'finishStep') build.step = null;
    if (method !== 'runCommand' && method !== 'takeLocks') return await carryOut(...args);
    const { stepNumber } = args[0] as { stepNumber: number };
    commands.set(stepNumber, (commands.get(stepNumber) ?? 0) + 1);
    try {
      return await carryOut(...args);
    } finally {
      const left = commands.get(stepNumber)! - 1;
      if (left > 0) commands.set(stepNumber, left);
      else commands.delete(stepNumber);
    }
  }

  private finish(build: Build, outcome: BuildOutcome): void {
    if (!this.builds.delete(build.job.buildId)) return;
    // Commands that nobody waits for any more must not keep the worker busy.
    const why = outcome.kind === 'died' ? outcome.reason : outcome.stateString;
    for (const stepNumber of build.commands.keys()) {
      build.services.interrupt(stepNumber, why).catch((error: unknown) => {
        this.options.log.warn('command of an ended build not interrupted', {
          buildId: build.job.buildId,
          error: messageOf(error),
        });
      });
    }
    build.settle(outcome);
  }
}
