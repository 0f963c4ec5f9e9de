import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { hints } from '@millrace/contracts';
import {
  AdoptionStore,
  type BuildEnd,
  type ClaimedBuild,
  ClaimStore,
  CommandStore,
  type Database,
  incompleteText,
  type Incarnation,
  IntakeStore,
  Journal,
  type RecordedBuild,
  sealLogs,
  type StopBuild,
  type WorkersClaim,
} from '@millrace/database';
import { messageOf, needsOf, OperationalError, Result } from '@millrace/domain';
import { DATABASE, Hints, LOG, type Logger, ME, OnCommand } from '@millrace/master';
import { BLOBS } from '../blobs/blobs.module.js';
import type { Blobs } from '../blobs/folder-blobs.js';
import { announceEnd } from '../claiming/reaper.js';
import { type BuildSetup, EngineConfiguration } from '../configuration/engine-configuration.js';
import { readAdded } from '../core/added-steps.js';
import { whyNotResumable } from '../core/resuming.js';
import { shortState, STEP_LIMITS } from '../core/step-limits.js';
import {
  type BuildJob,
  type BuildOutcome,
  type FinishedStep,
  RunnerPool,
  type RunningBuild,
} from '../runner/runner.js';
import type { AttachedWorker } from '../workers/attached-worker.js';
import type { BuildsOfWorkers } from '../workers/sessions.js';
import { EngineBuildServices, type Replay, resumes } from './build-services.js';
import { EngineSignals } from './engine-signals.js';
import { checkedAccesses, StepLocks } from './step-locks.js';
import { Triggers } from './triggers.js';

/** How long a build waits for other builds with its thread. Most of what is quicker than that is quicker than beginning the step again. */
const SLEEP_AFTER_MS = 2_000;
/** How long after a failure a build that wakes looks again what is recorded. */
const RECALL_AGAIN_MS = 500;

interface Entry {
  readonly build: ClaimedBuild;
  readonly worker: AttachedWorker;
  readonly services: EngineBuildServices;
  /** Null when the build begins here. */
  readonly finishedSteps: readonly FinishedStep[] | null;
  running: RunningBuild | null;
  stopReason: string | null;
  /** The state of a build whose record is incomplete. */
  broken: string | null;
  ended: Promise<void>;
}

/** The builds of this engine, from claim to end. */
@Injectable()
export class RunningBuilds implements BuildsOfWorkers, OnModuleDestroy {
  private readonly entries = new Map<number, Entry>();
  private draining = false;
  readonly stats = { adopted: 0, parked: 0 };
  private sealing: Promise<void> = Promise.resolve();

  constructor(
    private readonly journal: Journal,
    private readonly pool: RunnerPool,
    private readonly configuration: EngineConfiguration,
    private readonly signals: EngineSignals,
    private readonly intake: IntakeStore,
    private readonly claims: ClaimStore,
    private readonly commands: CommandStore,
    private readonly adoptions: AdoptionStore,
    private readonly triggers: Triggers,
    private readonly hints: Hints,
    private readonly stepLocks: StepLocks,
    @Inject(BLOBS) private readonly blobs: Blobs,
    @Inject(DATABASE) private readonly db: Database,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  /** Number of builds that wait for other builds without a thread. */
  get asleep(): number {
    return [...this.entries.values()].filter(({ services }) => services.isAsleep).length;
  }

  isRunning(buildId: number): boolean {
    return this.entries.has(buildId);
  }

  held(): number[] {
    return [...this.entries.values()].filter(({ services }) => !services.isParked).map(({ build }) => build.buildId);
  }

  lose(buildId: number): void {
    void this.fencedOff(buildId);
  }

  /**
   * Runs a claimed build with the configuration under which it was claimed. If the builder has changed since, the build is given back and
   * claimed again, under the new configuration or elsewhere.
   */
  begin(build: ClaimedBuild, worker: AttachedWorker, fingerprint: string): void {
    const setup = this.configuration.setupOf(build.builderId);
    if (setup?.builder.fingerprint === fingerprint) void this.goOn(build, worker, setup, null);
    else this.refuse(build, worker, 'its builder was configured anew');
  }

  private goOn(
    build: ClaimedBuild,
    worker: AttachedWorker,
    setup: BuildSetup,
    recorded: RecordedBuild | null,
    stopReason: string | null = null,
  ): Promise<void> {
    const services = new EngineBuildServices({
      build,
      worker,
      journal: this.journal,
      blobs: this.blobs,
      locks: this.stepLocks,
      needsOf: (accesses) => needsOf(checkedAccesses(accesses, setup.locks), (name) => setup.locks.get(name)!, worker),
      triggers: this.triggers,
      replay: recorded && replayOf(recorded),
      publish: (hint) => this.hints.publish(hint),
      onFenced: () => this.lose(build.buildId),
      onBroken: (error) => this.broken(entry, error),
      onWorkerAway: () => this.park(entry),
      sleepAfterMs: SLEEP_AFTER_MS,
      onAsleep: () => entry.running?.drop('it waits for other builds'),
    });
    const finishedSteps = recorded && recorded.steps.length > 0 ? finishedStepsOf(recorded) : null;
    const entry: Entry = {
      build,
      worker,
      services,
      finishedSteps,
      running: null,
      stopReason,
      broken: null,
      ended: Promise.resolve(),
    };
    this.entries.set(build.buildId, entry);
    return (entry.ended = this.run(entry, setup));
  }

  /**
   * Goes on with the builds that a worker brings along from its earlier sessions, on this engine or another (I9). Those that cannot go on
   * are retried. The worker is told to end and forget everything else.
   */
  async adopt(worker: AttachedWorker): Promise<void> {
    if (!resumes(worker)) return await this.endLeftOvers(worker);
    const { info } = worker.connection;
    const held = new Set(info.runningCommands);
    const before = [...this.entries.values()].filter((entry) => entry.worker.workerId === worker.workerId);
    for (const entry of before) this.park(entry);
    await Promise.all(before.filter((entry) => entry.services.isParked).map((entry) => entry.ended));
    for (const claim of await this.adoptions.ofWorker(worker.workerId)) {
      if (this.entries.has(claim.buildId)) continue;
      for (const id of await this.adoptOne(worker, claim, held)) held.delete(id);
    }
    await Promise.all([...held].map((id) => worker.connection.forget(id)));
  }

  /**
   * Ends commands that earlier sessions left running. A worker that cannot resume may go on with what it ran before its connection was
   * lost (`docs/protocols.md#connecting`), and the next attempt, in the same folder, must not meet it. The worker gets no builds before
   * that.
   */
  private async endLeftOvers({ workerId, connection }: AttachedWorker): Promise<void> {
    const left = await this.adoptions.leftRunning(workerId);
    await Promise.all(left.map((id) => connection.interrupt(id, 'nobody waits for it')));
  }

  /**
   * Adopts one build.
   * @returns the ids of the commands that go on
   */
  private async adoptOne(worker: AttachedWorker, claim: WorkersClaim, held: ReadonlySet<string>): Promise<string[]> {
    const { me, log } = this;
    const setup = this.configuration.setupOf(claim.builderId);
    const recorded = await this.adoptions.adopt(me, claim, worker.workerId, worker.sessionEpoch);
    if (!recorded) return [];
    const { build } = recorded;
    const reason = whyNotResumable(recorded, { fingerprint: setup?.builder.fingerprint ?? null, held });
    if (reason !== null || setup === null) {
      log.info({ buildId: build.buildId, worker: worker.name, reason }, 'a build of an earlier session is tried again');
      const end = { results: Result.RETRY, stateString: `retry: ${reason}` };
      announceEnd(this.hints, await this.claims.end(build, end));
      return [];
    }
    log.info({ buildId: build.buildId, worker: worker.name, from: claim.masterId }, 'build adopted');
    this.stats.adopted += 1;
    await this.journal.recall(build.buildId);
    worker.goesOnWith(build.buildId, build.builderId);
    void this.goOn(build, worker, setup, recorded);
    this.hints.publish(hints.build(build.buildId, 'update'));
    // A stop command may have been sent to the former engine.
    this.hints.publish(hints.command(me.masterId));
    return recorded.commands.filter(({ outcome }) => outcome === null).map(({ uuid }) => uuid);
  }

  /**
   * Handles the loss of a worker's connection. Builds that can go on without it wait for its return; the others end as their commands do.
   */
  workerAway(worker: AttachedWorker): void {
    if (!resumes(worker)) return;
    for (const entry of this.entries.values()) if (entry.worker === worker) this.park(entry);
  }

  private park(entry: Entry): void {
    if (!entry.services.isResumable || entry.services.isParked) return;
    entry.services.park();
    entry.running?.drop('its worker is away');
  }

  /**
   * Stops a build.
   * @returns false when the build is not (or no longer) run here
   */
  private stop(buildId: number, reason: string): boolean {
    const entry = this.entries.get(buildId);
    if (!entry || entry.services.isParked) return false;
    if (entry.stopReason === null) {
      entry.stopReason = reason;
      interrupt(entry, reason);
    }
    return true;
  }

  /** Returns null while the build is being stopped; it answers the command when it ends. */
  @OnCommand('stop-build')
  async stopBuild(stop: StopBuild): Promise<string | null> {
    if (this.stop(stop.buildId, stop.reason)) return null;
    return (await this.commands.passStopOn(stop)) ? null : 'the build has ended';
  }

  /** Gives back a claimed build that cannot be run here. */
  private refuse(build: ClaimedBuild, worker: AttachedWorker, reason: string): void {
    const log = this.log.child({ buildId: build.buildId, worker: worker.name });
    log.info({ reason }, 'a claimed build is given back');
    this.claims.end(build, { results: Result.RETRY, stateString: `retry: ${reason}` }).then(
      (ended) => announceEnd(this.hints, ended),
      // The reaper finds a claim that we hold and do not run.
      (error: unknown) => log.warn({ err: error }, `giving it back failed: ${messageOf(error)}`),
    );
    worker.release(build.buildId);
    this.signals.slotFreed.next();
  }

  /** Resolves when no build is left. `onEach` is called whenever one has ended. No new ones must begin. */
  async allEnded(onEach: () => void): Promise<void> {
    while (this.entries.size > 0) {
      await Promise.race([...this.entries.values()].map((entry) => entry.ended));
      onEach();
    }
  }

  /**
   * Parks or ends all builds of an engine that stops: builds that can go on at another engine are left to their workers, everything else is
   * interrupted and given back.
   */
  async onModuleDestroy(): Promise<void> {
    const reason = 'the engine is stopping';
    this.draining = true;
    const entries = [...this.entries.values()];
    for (const entry of entries) {
      if (entry.stopReason === null && resumes(entry.worker)) this.park(entry);
      if (!entry.services.isParked) interrupt(entry, reason);
    }
    await Promise.all(entries.map((entry) => entry.ended));
    await this.sealing;
  }

  private async run(entry: Entry, setup: BuildSetup): Promise<void> {
    const { build, worker, services } = entry;
    const log = this.log.child({ buildId: build.buildId, builder: setup.builder.name, number: build.number });
    log.info({ worker: worker.name, attempt: build.attempt }, 'build started');
    let end: BuildEnd;
    try {
      const job = await this.job(entry, setup);
      if (services.isParked) return await this.parked(entry);
      entry.running = this.pool.run(job, services);
      if (entry.stopReason !== null && job.stopReason === undefined) entry.running.stop(entry.stopReason);
      const outcome = await entry.running.outcome;
      const woken = services.isAsleep ? await this.whenAwake(entry) : null;
      if (services.isParked) return await this.parked(entry);
      if (woken) return await this.goOn(woken.build, worker, setup, woken, entry.stopReason);
      end = this.verdict(entry, services.isAsleep ? INTERRUPTED : outcome);
    } catch (error) {
      log.error({ err: error }, `the build could not be run: ${messageOf(error)}`);
      end = { results: Result.EXCEPTION, stateString: `exception: ${messageOf(error)}` };
    }
    await services.interruptAll('the build is over');
    worker.release(build.buildId);
    const finished = services.finish({ kind: 'build-finished', end });
    this.signals.slotFreed.next();
    try {
      const committed = await finished;
      if (committed?.ended) {
        announceEnd(this.hints, committed.ended);
        if (committed.isFragmented) void this.seal(build.buildId);
      } else log.info('the build was no longer ours when it ended');
    } catch (error) {
      log.error({ err: error }, `the end of the build could not be written: ${messageOf(error)}`);
    }
    this.entries.delete(build.buildId);
    log.info({ results: end.results, state: end.stateString }, 'build finished');
  }

  /**
   * Waits until a build without a thread needs one again.
   * @returns what is recorded about it; null when it does not go on here
   */
  private async whenAwake(entry: Entry): Promise<RecordedBuild | null> {
    const { services, build } = entry;
    await services.untilAwake();
    const isOver = (): boolean =>
      services.isParked || entry.broken !== null || (this.draining && entry.stopReason === null);
    while (!isOver()) {
      try {
        const recorded = await this.adoptions.recall(build);
        return isOver() ? null : recorded;
      } catch (error) {
        if (!(error instanceof OperationalError)) throw error;
        this.log.warn({ buildId: build.buildId, err: error }, `a build cannot wake up yet: ${messageOf(error)}`);
        await delay(RECALL_AGAIN_MS);
      }
    }
    return null;
  }

  /** Records a parked build. The claim stays ours until another engine adopts it or the reaper gives it back. */
  private async parked(entry: Entry): Promise<void> {
    const { buildId } = entry.build;
    this.stats.parked += 1;
    try {
      const isOurs = await entry.services.recordParked();
      this.log.info({ buildId, worker: entry.worker.name, isOurs }, 'the build waits for its worker');
    } catch (error) {
      this.log.error({ buildId, err: error }, `that a build waits was not written: ${messageOf(error)}`);
    }
    this.entries.delete(buildId);
  }

  /**
   * Merges the chunks of a build's logs. Nobody waits for it, and it is done one build at a time, so that it takes nothing from running
   * builds.
   */
  private seal(buildId: number): Promise<void> {
    this.sealing = this.sealing
      .then(() => sealLogs(this.db, buildId))
      .then(
        () => undefined,
        (error: unknown) =>
          this.log.warn({ buildId, err: error }, `small log chunks were not merged: ${messageOf(error)}`),
      );
    return this.sealing;
  }

  private verdict(entry: Entry, outcome: BuildOutcome): BuildEnd {
    const { unresumable } = entry.services;
    if (entry.broken !== null) return { results: Result.EXCEPTION, stateString: entry.broken };
    if (unresumable !== null) return { results: Result.RETRY, stateString: `retry: ${unresumable}` };
    if (outcome.kind === 'died') return deathOf(outcome);
    const { results } = outcome;
    const stateString = shortState(outcome.stateString, STEP_LIMITS.buildStateCharacters);
    // An engine that stops is no reason for a build to fail.
    if (this.draining && entry.stopReason === null && results === Result.CANCELLED) {
      return { results: Result.RETRY, stateString: 'retry: the engine was stopped' };
    }
    if (results === Result.CANCELLED && entry.stopReason !== null) {
      return { results, stateString: `cancelled (${entry.stopReason})` };
    }
    return { results, stateString };
  }

  private async job(entry: Entry, setup: BuildSetup): Promise<BuildJob> {
    const { build, worker, finishedSteps } = entry;
    const { info } = worker.connection;
    // Requests for changes and others are never collapsed into each other, so a request without any of its own has none.
    const changes = build.hasChanges ? await this.intake.changesOfRequest(build.requestId) : [];
    const { stopReason } = entry;
    return {
      buildId: build.buildId,
      buildUuid: build.uuid,
      requestId: build.requestId,
      number: build.number,
      builderName: setup.builder.name,
      configFile: setup.configFile,
      fingerprint: setup.fingerprint,
      properties: build.properties,
      sourceStamps: build.sourceStamps,
      changes: changes.map(({ changeId, whenMs, seq: _seq, ...change }) => ({ ...change, id: changeId, when: whenMs })),
      worker: {
        name: worker.name,
        basedir: info.basedir,
        system: info.system,
        environ: { ...info.environ },
        env: worker.env,
      },
      builddir: setup.builder.builddir,
      ...(finishedSteps && { finishedSteps }),
      ...(finishedSteps && stopReason !== null && { stopReason }),
    };
  }

  /** Makes a build with an incomplete record end as an exception, so that it does not look successful. */
  private broken(entry: Entry, error: unknown): void {
    this.log.error({ buildId: entry.build.buildId, err: error }, `not recorded: ${messageOf(error)}`);
    entry.broken ??= incompleteText(error);
    interrupt(entry, 'it cannot be recorded');
  }

  private async fencedOff(buildId: number): Promise<void> {
    const entry = this.entries.get(buildId);
    if (!entry) return;
    this.log.warn({ buildId }, 'the build is no longer ours: stopping it');
    await entry.services.forgetAll();
    entry.running?.drop('another engine has taken over');
  }
}

/** How a build ends that was interrupted in its sleep. */
const INTERRUPTED: BuildOutcome = { kind: 'finished', results: Result.CANCELLED, stateString: 'cancelled' };

function interrupt({ services, running }: Entry, reason: string): void {
  if (services.isAsleep) services.wake();
  else running?.stop(reason);
}

function finishedStepsOf({ steps }: RecordedBuild): FinishedStep[] {
  return steps.flatMap(({ number, name, results, stateString, added }) =>
    results === null ? [] : [{ number, name, results, stateString, added: readAdded(added) }],
  );
}

function replayOf({ steps, commands, logs }: RecordedBuild): Replay | null {
  const open = steps.find(({ results }) => results === null);
  if (!open) return null;
  return {
    stepNumber: open.number,
    stepName: open.name,
    commands: new Map(commands.map((command) => [command.ordinal, command])),
    logs: logs.map(({ name }) => name),
    textLines: new Map(logs.filter(({ type }) => type === 't').map(({ name, lines }) => [name, lines])),
  };
}

function deathOf(outcome: Extract<BuildOutcome, { kind: 'died' }>): BuildEnd {
  // A step that ends its own thread would do so every time.
  if (outcome.fault === 'step') return { results: Result.EXCEPTION, stateString: `exception: ${outcome.reason}` };
  return { results: Result.RETRY, stateString: `retry: ${outcome.reason}`, death: true };
}
