import type { CompiledBuilder } from '@millrace/contracts';
import { type BuildEnd, type ClaimedBuild, IntakeStore, type Journal, sealLogs } from '@millrace/database';
import { messageOf, Result } from '@millrace/domain';
import type { Master } from '@millrace/master';
import type { Blobs } from '../blobs/folder-blobs.js';
import { announceEnd } from '../claiming/reaper.js';
import type { BuildJob, BuildOutcome, RunnerPool, RunningBuild } from '../runner/runner.js';
import type { AttachedWorker } from '../workers/attached-worker.js';
import { EngineBuildHost } from './build-host.js';

interface Entry {
  readonly build: ClaimedBuild;
  readonly worker: AttachedWorker;
  readonly host: EngineBuildHost;
  running: RunningBuild | null;
  stopReason: string | null;
  ended: Promise<void>;
}

/** What a build needs of the configuration it was claimed under. */
export interface BuildSetup {
  readonly builder: CompiledBuilder;
  readonly configFile: string;
  readonly fingerprint: string;
  readonly pool: RunnerPool;
}

/** The builds of this engine, from claim to end. */
export class RunningBuilds {
  private readonly entries = new Map<number, Entry>();
  private readonly intake: IntakeStore;
  private draining = false;
  private sealing: Promise<void> = Promise.resolve();

  constructor(
    private readonly master: Master,
    private readonly journal: Journal,
    private readonly blobs: Blobs,
    /** Called in the same turn as the last write of a build, so that the next claim rides along. */
    private readonly onSlotFree: () => void,
  ) {
    this.intake = new IntakeStore(master.db);
  }

  get size(): number {
    return this.entries.size;
  }

  isRunning(buildId: number): boolean {
    return this.entries.has(buildId);
  }

  begin(build: ClaimedBuild, worker: AttachedWorker, setup: BuildSetup): void {
    const host = new EngineBuildHost(
      build,
      build.uuid,
      worker,
      this.journal,
      this.blobs,
      (hint) => this.master.hints.publish(hint),
      () => void this.fencedOff(build.buildId),
    );
    const entry: Entry = { build, worker, host, running: null, stopReason: null, ended: Promise.resolve() };
    this.entries.set(build.buildId, entry);
    entry.ended = this.run(entry, setup);
  }

  /** @returns false when the build is not (or no longer) run here */
  stop(buildId: number, reason: string): boolean {
    const entry = this.entries.get(buildId);
    if (!entry) return false;
    entry.stopReason = reason;
    entry.running?.stop(reason);
    return true;
  }

  /** For an engine that goes away: interrupts everything and gives the requests back. */
  async giveBackAll(reason: string): Promise<void> {
    this.draining = true;
    const entries = [...this.entries.values()];
    for (const entry of entries) entry.running?.stop(reason);
    await Promise.all(entries.map((entry) => entry.ended));
    await this.sealing;
  }

  private async run(entry: Entry, setup: BuildSetup): Promise<void> {
    const { build, worker, host } = entry;
    const log = this.master.log.child({ buildId: build.buildId, builder: setup.builder.name, number: build.number });
    log.info({ worker: worker.name, attempt: build.attempt }, 'build started');
    let end: BuildEnd;
    try {
      const job = await this.job(build, worker, setup);
      entry.running = setup.pool.run(job, host);
      if (entry.stopReason !== null) entry.running.stop(entry.stopReason);
      end = this.verdict(entry, await entry.running.outcome);
    } catch (error) {
      log.error({ err: error }, `the build could not be run: ${messageOf(error)}`);
      end = { results: Result.EXCEPTION, stateString: `exception: ${messageOf(error)}` };
    }
    await host.interruptAll('the build is over');
    worker.release(build.buildId);
    const finished = host.finish({ kind: 'build-finished', end });
    this.onSlotFree();
    try {
      const committed = await finished;
      if (committed?.ended) announceEnd(this.master, committed.ended);
      else log.info('the build was no longer ours when it ended');
    } catch (error) {
      log.error({ err: error }, `the end of the build could not be written: ${messageOf(error)}`);
    }
    this.entries.delete(build.buildId);
    void this.seal(build.buildId);
    log.info({ results: end.results, state: end.stateString }, 'build finished');
  }

  /** Nobody waits for it, and one at a time, so that it takes nothing from builds that run. */
  private seal(buildId: number): Promise<void> {
    this.sealing = this.sealing
      .then(() => sealLogs(this.master.db, buildId))
      .then(
        () => undefined,
        (error: unknown) =>
          this.master.log.warn({ buildId, err: error }, `small log chunks were not merged: ${messageOf(error)}`),
      );
    return this.sealing;
  }

  private verdict(entry: Entry, outcome: BuildOutcome): BuildEnd {
    if (outcome.kind === 'died') return deathOf(outcome);
    const { results, stateString } = outcome;
    // An engine that stops is no reason for a build to fail.
    if (this.draining && entry.stopReason === null && results === Result.CANCELLED) {
      return { results: Result.RETRY, stateString: 'retry: the engine was stopped' };
    }
    if (results === Result.CANCELLED && entry.stopReason !== null) {
      return { results, stateString: `cancelled (${entry.stopReason})` };
    }
    return { results, stateString };
  }

  private async job(build: ClaimedBuild, worker: AttachedWorker, setup: BuildSetup): Promise<BuildJob> {
    const { info } = worker.connection;
    const changes = await this.intake.changesOfBuildset(build.buildsetId);
    return {
      buildId: build.buildId,
      buildUuid: build.uuid,
      requestId: build.requestId,
      number: build.number,
      builderName: setup.builder.name,
      configFile: setup.configFile,
      fingerprint: setup.fingerprint,
      properties: build.properties,
      sourceStamp: build.sourceStamp,
      changes: changes.map(({ changeId, whenMs, seq: _seq, ...change }) => ({ ...change, id: changeId, when: whenMs })),
      worker: { name: worker.name, basedir: info.basedir, system: info.system, environ: { ...info.environ } },
      builddir: setup.builder.builddir,
    };
  }

  private async fencedOff(buildId: number): Promise<void> {
    const entry = this.entries.get(buildId);
    if (!entry) return;
    this.master.log.warn({ buildId }, 'the build is no longer ours: stopping it');
    await entry.host.interruptAll('another engine has taken over');
    entry.running?.stop('another engine has taken over');
  }
}

function deathOf(outcome: Extract<BuildOutcome, { kind: 'died' }>): BuildEnd {
  // A step that ends its own thread would do so every time.
  if (outcome.fault === 'step') return { results: Result.EXCEPTION, stateString: `exception: ${outcome.reason}` };
  return { results: Result.RETRY, stateString: `retry: ${outcome.reason}`, death: true };
}
