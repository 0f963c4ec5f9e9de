import { createHash, randomUUID } from 'node:crypto';
import type { LogKind, TriggerOutcome } from '@millrace/config';
import type { Hint } from '@millrace/contracts';
import type {
  BuildEntry,
  BuildKey,
  CallKept,
  Committed,
  Journal,
  RecordedCommand,
  TriggeredBuildset,
} from '@millrace/database';
import { countLines } from '@millrace/database';
import {
  FencedError,
  type LockNeed,
  messageOf,
  MillraceError,
  parseJson,
  type Properties,
  type Result,
  UserError,
  type Uuid,
} from '@millrace/domain';
import {
  type CommandName,
  type CommandOutcome,
  type CommandUpdate,
  cut,
  FEATURE_RESUME,
} from '@millrace/worker-protocol';
import type { Blobs } from '../blobs/folder-blobs.js';
import { ADDED_LIMITS } from '../core/added-steps.js';
import { dropLines, prefixLines, wholeLines } from '../core/log-text.js';
import { RecordLimits } from '../core/record-limits.js';
import { isTransfer, TRIGGER } from '../core/resuming.js';
import {
  BuildPropertiesLimit,
  ERROR_LOG,
  overStepLimit,
  shortState,
  STEP_LIMITS,
  StepLogs,
  StepUrls,
  UploadsLimit,
} from '../core/step-limits.js';
import type {
  BuildServices,
  CommandRequest,
  CommandResult,
  LocksRequest,
  LocksResult,
  TestResultsCall,
  TriggerCall,
} from '../runner/runner.js';
import type { AttachedWorker } from '../workers/attached-worker.js';
import { BuildWriter } from './build-writer.js';
import { Capture, type LogLines, logEntries, MOST_CAPTURED, textApart } from './command-output.js';
import type { StepLocks } from './step-locks.js';
import { type TransferSink, transferSink } from './transfers.js';
import type { PlannedCall, Triggers } from './triggers.js';

/** Most characters of a worker's messages about a transfer without a log. */
const MOST_SAID_APART = 4000;
/** The log that tells why a command failed, where the command has none of its own. */
const REASON_LOG = 'stdio';

const NO_RESULTS: ReadonlyMap<number, Result> = new Map();
/** Why a wait ends when its step is stopped. */
const STOPPED = 'stopped';

/** Limits of a recorded outcome. A list of files is its longest part. */
const RECORDED_LIMITS = { maxCharacters: 16 << 20, maxValues: 200_000 };
const LIMIT_CODES: ReadonlySet<string> = new Set(['worker-limit', 'step-limit', 'upload-too-large']);

/** A step that an earlier engine began. Its repeated calls are answered from this record as far as it goes. */
export interface Replay {
  readonly stepNumber: number;
  readonly stepName: string;
  /** Recorded commands by ordinal. */
  readonly commands: Map<number, RecordedCommand>;
  /** Number of stored lines of the step's own texts, by log. */
  readonly textLines: Map<string, number>;
  /** Names of all logs of the step. */
  readonly logs: readonly string[];
}

/** A command, from the writing of its intent on. One that is interrupted before it was sent is never sent. */
interface Running {
  readonly request: CommandRequest;
  /** The record of an earlier engine, when the worker has the command already. */
  readonly recorded: RecordedCommand | null;
  readonly capture: Capture | null;
  /** What the worker said is wrong with a transfer that has no log. It is shown when the transfer fails. */
  saidApart: string;
  interrupted: boolean;
  sent: boolean;
}

export interface BuildServicesOptions {
  readonly build: BuildKey & { readonly uuid: Uuid };
  readonly worker: AttachedWorker;
  readonly journal: Journal;
  readonly blobs: Blobs;
  readonly locks: Pick<StepLocks, 'take' | 'giveUp' | 'announce'>;
  /**
   * Returns the needs of a step's accesses to locks, as its thread sent them.
   * @throws UserError `bad-locks`
   */
  readonly needsOf: (accesses: LocksRequest['locks']) => LockNeed[];
  readonly triggers: Pick<Triggers, 'plan' | 'make' | 'addressOf' | 'finished'>;
  /** Null when the build begins here. */
  readonly replay: Replay | null;
  readonly publish: (hint: Hint) => void;
  readonly onFenced: () => void;
  /** Called when something could not be written and never will be. */
  readonly onBroken: (error: unknown) => void;
  /** Called when the connection was lost while a command ran that can go on without it. */
  readonly onWorkerAway: () => void;
  /** How long the build waits for other builds with its thread. */
  readonly sleepAfterMs: number;
  /** Called when the build needs no thread, until one of the builds that it waits for has ended (`untilAwake`). */
  readonly onAsleep: () => void;
}

/**
 * The engine's side of one build: it writes to the journal and sends to the worker what the runner asks for. The first write that is fenced
 * off ends everything here (I3).
 */
export class EngineBuildServices implements BuildServices {
  private readonly key: BuildKey;
  private readonly worker: AttachedWorker;
  private readonly writer: BuildWriter;
  private readonly replay: Replay | null;
  private readonly running = new Map<string, Running>();
  /** What steps wait for but commands: locks, and other builds. Aborting one ends its wait. */
  private readonly waiting = new Map<AbortController, { readonly step: number; readonly what: 'locks' | 'builds' }>();
  /** The calls that started other builds and are under way. */
  private readonly calls = new Set<Promise<unknown>>();
  private parked = false;
  /** Settles when the build needs a thread again. Null while it has one. */
  private awake: Promise<unknown> | null = null;
  private readonly properties = new BuildPropertiesLimit();
  private readonly uploads = new UploadsLimit();
  private readonly records = new RecordLimits();
  /** Logs by step. */
  private readonly logs = new Map<number, StepLogs>();
  private readonly urls = new Map<number, StepUrls>();
  /** The locks that steps have. */
  private readonly locked = new Map<number, readonly LockNeed[]>();
  /** Whether the running step may be run again from its beginning. */
  private resumable = true;
  /** Commands that an earlier engine began and that the replay has not requested (yet). They run on the worker all the same. */
  private readonly leftOver = new Set<Uuid>();
  /** Why the replay of a step failed: its commands differ from the recorded ones. */
  unresumable: string | null = null;

  constructor(private readonly options: BuildServicesOptions) {
    this.key = options.build;
    this.worker = options.worker;
    const { journal, publish, onFenced, onBroken } = options;
    const isGoing = () => !this.parked && !this.isAsleep && this.unresumable === null;
    this.writer = new BuildWriter({ key: this.key, journal, publish, onFenced, onBroken, isGoing });
    this.replay = options.replay;
    for (const { uuid, name, outcome } of options.replay?.commands.values() ?? [])
      if (outcome === null && name !== TRIGGER) this.leftOver.add(uuid);
  }

  get isResumable(): boolean {
    return this.resumable && !this.writer.isFenced;
  }

  get isParked(): boolean {
    return this.parked;
  }

  get isAsleep(): boolean {
    return this.awake !== null;
  }

  /** Stops writing, sending and acknowledging. Whoever goes on with the build receives everything again. */
  park(): void {
    this.parked = true;
    this.endWaiting();
  }

  /** Records that the build is parked, after everything that was written before. Returns false when the build was no longer ours. */
  async recordParked(): Promise<boolean> {
    return (await this.writer.last({ kind: 'build-parked' })) !== null;
  }

  async startStep(step: {
    number: number;
    name: string;
    hidden: boolean;
    resumable: boolean;
    wantsLocks?: boolean;
  }): Promise<void> {
    this.writer.assertGoing();
    this.resumable = step.resumable;
    if (step.number !== this.replay?.stepNumber)
      return this.writer.soon([
        ...(step.number === 0 ? [{ kind: 'worker-ready' } as const] : []),
        { kind: 'step-started', ...step },
      ]);
    if (step.name !== this.replay.stepName)
      this.giveUp(`step ${step.number} was '${this.replay.stepName}' and is '${step.name}' now`);
  }

  async takeLocks({ stepNumber: step, locks }: LocksRequest): Promise<LocksResult> {
    this.writer.assertGoing();
    const wish = { build: this.key, step, needs: this.options.needsOf(locks) };
    const waiting = new AbortController();
    this.waiting.set(waiting, { step, what: 'locks' });
    try {
      const outcome = await this.options.locks.take({
        ...wish,
        signal: waiting.signal,
        onWaiting: (text) => this.writer.soon([{ kind: 'step-changed', number: step, stateString: shortState(text) }]),
      });
      this.writer.assertGoing();
      if (outcome === null) {
        await this.options.locks.giveUp(wish);
        return { kind: 'stopped' };
      }
      const { waitedMs, ...answer } = outcome;
      if (answer.kind === 'taken') {
        this.locked.set(step, wish.needs);
        this.writer.soon([{ kind: 'step-locked', number: step, waitedMs }]);
      }
      return answer;
    } catch (error) {
      this.writer.failed(error);
      throw error;
    } finally {
      this.waiting.delete(waiting);
    }
  }

  private endWaiting(): void {
    for (const waiting of this.waiting.keys()) waiting.abort();
  }

  async runCommand(request: CommandRequest): Promise<CommandResult> {
    this.writer.assertGoing();
    if (this.running.size >= STEP_LIMITS.commands)
      throw overStepLimit(`'${request.name}' is one command too many at a time`, STEP_LIMITS.commands);
    const args = { ...request.args };
    const argsHash = hashOf([request.name, args]);
    const before = this.recordedOf(request, argsHash);
    // What was read is not recorded, so it is read again.
    if (before?.outcome && !request.read)
      return parseJson(before.outcome, RECORDED_LIMITS, 'a recorded outcome') as CommandResult;
    const recorded = before && !isTransfer(request.name) ? before : null;
    const uuid = recorded?.uuid ?? randomUUID();
    this.leftOver.delete(uuid);
    const { stepNumber: step, ordinal, name } = request;
    const capture = request.capture
      ? new Capture(Math.min(request.capture.maxBytes, MOST_CAPTURED), recorded?.captured ?? '')
      : null;
    const running: Running = { request, recorded, capture, saidApart: '', interrupted: false, sent: false };
    this.running.set(uuid, running);
    try {
      // The intent is committed before the command is sent, so that another engine that takes over knows what may be running.
      if (!before) await this.writer.now([{ kind: 'command-intended', step, ordinal, name, uuid, argsHash }]);
      else if (!recorded) await this.writer.now([{ kind: 'command-resent', step, ordinal, uuid }]);
      return await this.send(uuid, running, args);
    } finally {
      this.running.delete(uuid);
    }
  }

  async trigger(call: TriggerCall): Promise<TriggerOutcome> {
    const carriedOut = this.carryOut(call);
    this.calls.add(carriedOut);
    try {
      return await carriedOut;
    } finally {
      this.calls.delete(carriedOut);
    }
  }

  /** Resolves when the build needs a thread again, after everything that happened in its sleep is recorded. */
  async untilAwake(): Promise<void> {
    await this.awake;
    // The others are asked again by the thread to come.
    this.endWaiting();
  }

  /** Wakes the build: it need not wait for the other builds any more. */
  wake(): void {
    for (const waiting of this.waiting.keys()) waiting.abort(STOPPED);
  }

  /** Lets a build that waits for nothing but other builds sleep. Its step is run again then, so that has to be possible. */
  private sleepIfIdle(): void {
    const waitsForBuilds = [...this.waiting.values()].every(({ what }) => what === 'builds');
    if (!waitsForBuilds || this.running.size > 0 || !this.isResumable || this.parked || this.isAsleep) return;
    this.awake = Promise.race([...this.calls].map((call) => call.catch(() => undefined)));
    this.options.onAsleep();
  }

  private async carryOut(call: TriggerCall): Promise<TriggerOutcome> {
    this.writer.assertGoing();
    const { triggers } = this.options;
    const { stepNumber: step, ordinal, ...args } = call;
    const argsHash = hashOf(args);
    const before = this.recordedOf({ stepNumber: step, ordinal, name: TRIGGER }, argsHash);
    if (before?.outcome) return parseJson(before.outcome, RECORDED_LIMITS, 'a recorded outcome') as TriggerOutcome;
    const planned = await triggers.plan(this.key.buildId, call, argsHash);
    // The intent comes first: by it the next attempt finds out that this one has made the same builds.
    if (!before)
      await this.writer.now([{ kind: 'command-intended', step, ordinal, name: TRIGGER, uuid: randomUUID(), argsHash }]);
    const waiting = new AbortController();
    this.waiting.set(waiting, { step, what: 'builds' });
    let idle: NodeJS.Timeout | undefined;
    try {
      const made = await this.made(planned);
      await this.setStepState(step, {
        urls: made.flatMap((one, i) =>
          requestsOf(one).map(({ requestId }) => ({
            name: `${call.schedulers[i]!.name} #${requestId}`,
            url: triggers.addressOf(requestId),
          })),
        ),
      });
      const ids = made.flatMap((one) => ('buildsetId' in one ? [one.buildsetId] : []));
      if (call.waitForFinish) idle = setTimeout(() => this.sleepIfIdle(), this.options.sleepAfterMs);
      const results = call.waitForFinish ? await triggers.finished(ids, waiting.signal) : NO_RESULTS;
      clearTimeout(idle);
      // The attempt is over, or goes on elsewhere.
      if (results === null && waiting.signal.reason !== STOPPED) throw new FencedError(`build ${this.key.buildId}`);
      const outcome: TriggerOutcome = {
        triggered: made.map((one, i) => ({
          scheduler: call.schedulers[i]!.name,
          buildsetId: 'buildsetId' in one ? one.buildsetId : null,
          requestIds: requestsOf(one).map(({ requestId }) => requestId),
          results: ('buildsetId' in one ? results?.get(one.buildsetId) : null) ?? null,
        })),
        cancelled: results === null,
      };
      const ended = [
        { kind: 'command-finished', step, ordinal, outcome: JSON.stringify(outcome), ended: true },
      ] as const;
      // The thread to come reads it.
      if (this.isAsleep) await this.writer.write(ended);
      else this.writer.soon(ended);
      return outcome;
    } finally {
      clearTimeout(idle);
      this.waiting.delete(waiting);
    }
  }

  /** Makes the builds of a call. It is not the journal that does, but a build that is no longer ours ends here all the same. */
  private async made(planned: PlannedCall): Promise<(TriggeredBuildset | CallKept)[]> {
    try {
      return await this.options.triggers.make(this.key, planned);
    } catch (error) {
      if (error instanceof FencedError) this.writer.failed(error);
      throw error;
    }
  }

  /** Returns the record of the same command by an earlier engine; null when the build is past the recorded part. */
  private recordedOf(
    { stepNumber, ordinal, name }: Pick<CommandRequest, 'stepNumber' | 'ordinal' | 'name'>,
    argsHash: string,
  ): RecordedCommand | null {
    const { replay } = this;
    const recorded = replay?.stepNumber === stepNumber ? replay.commands.get(ordinal) : undefined;
    if (!recorded) return null;
    if (recorded.name !== name || recorded.argsHash !== argsHash)
      this.giveUp(`command ${ordinal} of step '${replay!.stepName}' was another one before`);
    return recorded;
  }

  private async send(uuid: string, running: Running, args: CommandRequest['args']): Promise<CommandResult> {
    const { request } = running;
    let transfer: TransferSink | null = null;
    try {
      transfer = await transferSink(this.options.blobs, this.options.build.uuid, request, this.uploads);
      if (running.interrupted && !running.recorded) {
        await transfer?.finish(false);
        const result = { rc: null, failure: null, failureReason: null, cancelled: true, workerLost: false };
        void this.recordEnd(running, result);
        return result;
      }
      running.sent = true;
      // The build need not wait until its outcome is recorded, only the worker, which keeps it until then.
      const result = new Promise<CommandResult>((resolve, reject) => {
        const sink = {
          updates: (batch: readonly CommandUpdate[], number: number | null) => this.updates(running, batch, number),
          completed: async (outcome: CommandOutcome) => {
            await transfer?.finish(outcome.rc === 0 && outcome.failure === null);
            if (this.parked) return await never();
            // What the worker said before is in the journal's queue, and committed first.
            const ended = toResult(outcome, running);
            const recorded = this.recordEnd(running, ended);
            const content = transfer?.content?.();
            resolve(content === undefined ? ended : { ...ended, content: content.toString('base64') });
            await recorded;
          },
          ...transfer?.sink,
        };
        const { connection } = this.worker;
        const command = running.recorded
          ? connection.resumeCommand(uuid, sink)
          : connection.startCommand(uuid, request.name as CommandName, args, sink);
        command.catch(reject);
        if (running.interrupted) connection.interrupt(uuid, 'stopped').catch(reject);
      });
      return await result;
    } catch (error) {
      // The step's request is not possible. Nothing was sent.
      if (!transfer && !running.sent && error instanceof UserError) throw error;
      await transfer?.finish(false);
      if (error instanceof FencedError) throw error;
      this.writer.assertGoing();
      if (running.recorded && error instanceof MillraceError && error.code === 'command-unknown')
        this.giveUp('its worker came back without it');
      const workerLost = error instanceof MillraceError && error.code === 'worker-lost';
      if (workerLost && this.isResumable && resumes(this.worker)) {
        this.options.onWorkerAway();
        this.writer.assertGoing();
      }
      const result = {
        rc: null,
        failure: messageOf(error),
        // A limit was exceeded. The step's state tells which.
        failureReason: error instanceof UserError && LIMIT_CODES.has(error.code) ? error.message : null,
        cancelled: running.interrupted,
        workerLost: workerLost && !running.interrupted,
      };
      void this.recordEnd(running, result);
      return result;
    }
  }

  async interrupt(stepNumber: number, why: string): Promise<void> {
    for (const [waiting, { step }] of this.waiting) if (step === stepNumber) waiting.abort(STOPPED);
    for (const [uuid, running] of this.running) {
      if (running.request.stepNumber === stepNumber) await this.interruptOne(uuid, running, why);
    }
  }

  /** Interrupts everything that runs on the worker for this build, for an attempt that has ended: the next one uses the same folder. */
  async interruptAll(why: string): Promise<void> {
    this.endWaiting();
    const leftOver = this.parked || this.writer.isFenced ? [] : [...this.leftOver];
    await Promise.allSettled([
      ...[...this.running].map(([uuid, running]) => this.interruptOne(uuid, running, why)),
      ...leftOver.map((uuid) => this.worker.connection.forget(uuid)),
    ]);
  }

  /** Makes the worker forget everything of this build, for an attempt that belongs to somebody else now. */
  async forgetAll(): Promise<void> {
    this.endWaiting();
    const sent = [...this.running].filter(([, running]) => running.sent);
    await Promise.allSettled(sent.map(([uuid]) => this.worker.connection.forget(uuid)));
  }

  private async interruptOne(uuid: string, running: Running, why: string): Promise<void> {
    if (this.parked) return;
    running.interrupted = true;
    if (running.sent) await this.worker.connection.interrupt(uuid, why);
  }

  async appendLog(stepNumber: number, log: string, kind: LogKind, text: string): Promise<void> {
    this.writer.assertGoing();
    this.withinLimits(() => {
      if (text.length > STEP_LIMITS.appendCharacters)
        throw overStepLimit(`${text.length} characters at once for the log '${log}'`, STEP_LIMITS.appendCharacters);
      this.logsOf(stepNumber).add(log);
    });
    const lines = this.newLines(stepNumber, log, wholeLines(text));
    if (lines === '') return;
    await this.writer.now([
      {
        kind: 'log-lines',
        step: stepNumber,
        log,
        type: kind === 'html' ? 'h' : 't',
        text: lines,
        lines: countLines(lines),
      },
    ]);
  }

  /** Returns the lines that an earlier engine has not stored. */
  private newLines(stepNumber: number, log: string, text: string): string {
    const { replay } = this;
    const stored = replay?.stepNumber === stepNumber ? (replay.textLines.get(log) ?? 0) : 0;
    if (stored === 0) return text;
    const count = countLines(text);
    replay!.textLines.set(log, Math.max(0, stored - count));
    return stored >= count ? '' : dropLines(text, stored);
  }

  async setStepState(
    stepNumber: number,
    state: { stateString?: string; urls?: { name: string; url: string }[] },
  ): Promise<void> {
    const { stateString, urls } = state;
    this.withinLimits(() => urls?.forEach((url) => this.urlsOf(stepNumber).add(url)));
    this.writer.soon([
      {
        kind: 'step-changed',
        number: stepNumber,
        ...(stateString !== undefined && { stateString: shortState(stateString) }),
        ...(urls && { urls }),
      },
    ]);
  }

  async finishStep({ added, ...step }: Parameters<BuildServices['finishStep']>[0]): Promise<void> {
    const addedSteps = added ? JSON.stringify(added) : null;
    this.withinLimits(() => {
      if (addedSteps !== null && addedSteps.length > 2 * ADDED_LIMITS.characters)
        throw overStepLimit(`${addedSteps.length} characters of added steps`, 2 * ADDED_LIMITS.characters);
    });
    const locks = this.locked.get(step.number);
    this.locked.delete(step.number);
    const entry = {
      ...step,
      stateString: shortState(step.stateString),
      hasLocks: locks !== undefined,
      added: addedSteps,
    };
    const entries = [{ kind: 'step-finished', ...entry }] as const;
    if (locks === undefined) return this.writer.soon(entries);
    // Somebody may wait for the locks.
    this.writer.unawaited(entries, () => this.options.locks.announce(locks));
  }

  async setProperties(properties: Properties): Promise<void> {
    this.withinLimits(() => this.properties.addAll(properties));
    this.writer.soon([{ kind: 'properties', properties }]);
  }

  async setBuildData({ name, source, value }: Parameters<BuildServices['setBuildData']>[0]): Promise<void> {
    this.writer.assertGoing();
    const bytes = Buffer.from(String(value), 'base64');
    this.records.addData({ name, source, bytes: bytes.length });
    await this.writer.now([{ kind: 'build-data', name, source, value: bytes }]);
  }

  async addTestResults({ stepNumber: step, set, results, isComplete }: TestResultsCall): Promise<void> {
    this.writer.assertGoing();
    const from = this.records.addTests(step, set, results);
    await this.writer.now([{ kind: 'test-results', step, set, from, results, isComplete }]);
  }

  /** Commits the build's last entries. Returns null when the build was no longer ours. */
  finish(entry: Extract<BuildEntry, { kind: 'build-finished' }>): Promise<Committed | null> {
    return this.writer.last(entry);
  }

  /**
   * Stores a batch of a command's updates. What ends the command often follows at once, and is written with it.
   * @throws UserError `step-limit`, before anything is stored
   */
  private updates(running: Running, batch: readonly CommandUpdate[], number: number | null): Promise<void> | undefined {
    if (this.parked) return never();
    const { request, recorded, capture } = running;
    if (number !== null && recorded && number <= recorded.updatesStored) return undefined;
    this.writer.assertGoing();
    const entries = logEntries(request, batch);
    const logs = this.logsOf(request.stepNumber);
    for (const entry of entries) logs.add(entry.log);
    running.saidApart = cut(running.saidApart + textApart(request, batch), MOST_SAID_APART);
    let captured = '';
    if (capture) for (const update of batch) if (update.kind === 'stdout') captured += capture.add(update.text);
    if (number !== null && (entries.length > 0 || captured !== '')) {
      const { stepNumber: step, ordinal } = request;
      return this.writer.stored([...entries, { kind: 'command-stored', step, ordinal, update: number, captured }]);
    }
    return entries.length > 0 ? this.writer.stored(entries) : undefined;
  }

  private logsOf(step: number): StepLogs {
    let logs = this.logs.get(step);
    if (!logs) {
      const { replay } = this;
      this.logs.set(step, (logs = new StepLogs(replay?.stepNumber === step ? replay.logs : [])));
    }
    return logs;
  }

  private urlsOf(step: number): StepUrls {
    let urls = this.urls.get(step);
    if (!urls) this.urls.set(step, (urls = new StepUrls()));
    return urls;
  }

  /** Checks a limit of a call that the step does not wait for. A violation ends the build, because nobody would notice it otherwise. */
  private withinLimits(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.options.onBroken(error);
      throw error;
    }
  }

  /** Records the end of a command. The reason why it failed becomes the end of its log, in the same transaction. */
  private recordEnd(running: Running, result: CommandResult): Promise<void> {
    const { stepNumber: step, ordinal } = running.request;
    const recorded = this.writer.stored([
      ...this.reasonLines(running, result),
      { kind: 'command-finished', step, ordinal, outcome: JSON.stringify(result), ended: result.rc !== null },
    ]);
    recorded.catch(() => undefined);
    return recorded;
  }

  private reasonLines({ request, saidApart }: Running, { failure, rc, workerLost }: CommandResult): LogLines[] {
    // The next attempt continues or repeats it.
    if (workerLost) return [];
    const said = rc === 0 && failure === null ? '' : saidApart;
    const text = prefixLines('e', wholeLines(said)) + prefixLines('h', wholeLines(failure ?? ''));
    if (text === '') return [];
    const log = this.logsOf(request.stepNumber).addOr(request.log ?? REASON_LOG, ERROR_LOG);
    return [{ kind: 'log-lines', step: request.stepNumber, log, type: 's', text, lines: countLines(text) }];
  }

  private giveUp(why: string): never {
    this.unresumable ??= why;
    throw new FencedError(`build ${this.key.buildId}`);
  }
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** Whether the worker goes on without a connection, and can report the outcome later (I9). */
export function resumes({ connection, isKilled }: AttachedWorker): boolean {
  return !isKilled && connection.info.features.includes(FEATURE_RESUME);
}

/** Returns a promise that never settles, for an answer that must not be given, so that the worker keeps what it sent. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

function toResult(outcome: CommandOutcome, { interrupted, capture, saidApart }: Running): CommandResult {
  const said = outcome.rc === 0 ? '' : saidApart.trim();
  return {
    rc: outcome.rc,
    failure: outcome.failure,
    failureReason: outcome.failureReason ?? (said === '' ? null : said),
    cancelled: interrupted,
    workerLost: false,
    ...(capture ? { stdout: capture.text } : {}),
    ...(outcome.files ? { files: [...outcome.files] } : {}),
    ...(outcome.stat ? { stat: outcome.stat.map(Number) } : {}),
  };
}

function requestsOf(made: TriggeredBuildset | CallKept): TriggeredBuildset['requests'] {
  return 'requests' in made ? made.requests : [];
}
