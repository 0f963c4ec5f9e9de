import {
  type CommandOptions,
  type CommandOutcome,
  type LockUse,
  type LogKind,
  type LogWriter,
  type PropertyStore,
  render,
  type RenderContext,
  type Renderable,
  renderCommand,
  renderPath,
  type ShellOptions,
  type Step,
  type StepContext,
  type StepOutcome,
  type TestResultOptions,
  type TestResultWriter,
  type TestSetOptions,
  type TriggerOutcome,
  type TriggerRequest,
} from '@millrace/config';
import {
  type JsonValue,
  mainSourceStamp,
  MillraceError,
  NO_SOURCE,
  Result,
  type TestResult,
  UserError,
} from '@millrace/domain';
import { ADDED_LIMITS, type AddedSteps, type MadeSteps } from '../../core/added-steps.js';
import type { BuildProperties } from '../../core/build-properties.js';
import { firstPiece } from '../../core/log-text.js';
import { overStepLimit, shortState, StepLogs, StepUrls } from '../../core/step-limits.js';
import type { TestSet } from '../../core/record-limits.js';
import { workerPath } from '../../core/worker-path.js';
import type { BuildServices, BuildJob, CommandRequest } from '../protocol/build-services.js';

/** Delay before a state is sent. A state that is replaced sooner is never sent, which saves a short step a write. */
const STATE_DELAY_MS = 150;

/** Most bytes of a file that a step reads, unless it says less. */
const MOST_READ = 4 << 20;

const NOT_STARTED: CommandOutcome = {
  rc: null,
  failure: null,
  failureReason: null,
  cancelled: true,
  workerLost: false,
};

export interface StepRunParts {
  readonly job: BuildJob;
  readonly services: BuildServices;
  readonly number: number;
  readonly name: string;
  readonly properties: BuildProperties;
  /** The builder's environment, for every command. */
  readonly env: Readonly<Record<string, Renderable<string | null>>>;
  /**
   * Makes the steps that the step adds.
   * @throws UserError
   */
  readonly makeSteps: (data: JsonValue) => readonly Step[];
  /** Receives the promise of a call that is not awaited. Its failure ends the build. */
  readonly track: (sent: Promise<void>) => void;
}

/** Returns what callbacks may know of a build. */
export function renderContextOf(job: BuildJob, properties: BuildProperties): RenderContext {
  return {
    builderName: job.builderName,
    buildNumber: job.number,
    properties: {
      get: (name) => (Object.hasOwn(properties.current, name) ? properties.current[name]![0] : undefined),
      has: (name) => Object.hasOwn(properties.current, name),
    },
    sourceStamp: mainSourceStamp(job.sourceStamps) ?? NO_SOURCE,
    sourceStamps: job.sourceStamps,
    changes: job.changes,
    worker: job.worker,
  };
}

/** One running step: the context for its code, and the data that the walk needs afterwards. */
export class StepRun {
  readonly context: StepContext;
  workerLost = false;
  /** The steps that the step has added to the build. */
  readonly added: (AddedSteps & MadeSteps<Step>)[] = [];
  private addedCharacters = 0;
  /** The last state that the step has set. */
  shown: string | null = null;
  private readonly abort = new AbortController();
  private ordinal = 0;
  private underWay = 0;
  /** Number of running commands, and waits for locks, that a stop interrupts. */
  private interruptible = 0;
  private urls: { name: string; url: string }[] = [];
  private stateTimer: NodeJS.Timeout | undefined;
  private readonly urlsLimit = new StepUrls();
  private readonly logsLimit = new StepLogs();
  private readonly logs = new Map<string, LogFlow>();
  private readonly testSets: TestFlow[] = [];
  private readonly stored = new Set<Promise<void>>();
  private builderEnv: Promise<Readonly<Record<string, string | null>>> | undefined;

  constructor(private readonly parts: StepRunParts) {
    this.context = this.makeContext();
  }

  get isStopped(): boolean {
    return this.abort.signal.aborted;
  }

  /** Whether a command is running, including commands for cleaning up. */
  get isBusy(): boolean {
    return this.underWay > 0;
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  stop(reason: string): void {
    this.abort.abort(new Error(`stopped: ${reason}`));
    if (this.interruptible > 0) this.parts.track(this.parts.services.interrupt(this.parts.number, reason));
  }

  /** Takes the step's locks. Returns the step's outcome when it cannot have them. */
  async takeLocks(locks: readonly LockUse[]): Promise<StepOutcome | null> {
    const { services, number: stepNumber, properties } = this.parts;
    const stopped = { result: Result.CANCELLED, stateString: 'stopped before it had its locks' };
    if (this.isStopped) return stopped;
    this.interruptible++;
    try {
      const answer = await services.takeLocks({ stepNumber, locks: locks.map(({ access }) => access) });
      if (answer.kind === 'stopped') return stopped;
      if (answer.kind === 'deadlock') return { result: Result.EXCEPTION, stateString: answer.text };
      for (const [name, [value, source]] of Object.entries(answer.properties)) properties.set(name, value, source);
      return null;
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'bad-locks') this.shown = shortState(error.message);
      throw error;
    } finally {
      this.interruptible--;
    }
  }

  /** Waits until everything that the step has left is stored, in order. Text appended after that is lost. */
  async flush(): Promise<void> {
    clearTimeout(this.stateTimer);
    const { services, number, properties, track } = this.parts;
    await Promise.all([...this.logs.values(), ...this.testSets].map((flow) => flow.drained()));
    await Promise.all(this.stored);
    if (this.urls.length > 0) track(services.setStepState(number, { urls: this.urls.splice(0) }));
    const changed = properties.takeChanged();
    if (changed) track(services.setProperties(changed));
  }

  log(name: string, kind: LogKind = 'text'): LogWriter {
    let flow = this.logs.get(name);
    if (!flow)
      this.logs.set(
        name,
        (flow = new LogFlow((text) => this.parts.services.appendLog(this.parts.number, name, kind, text))),
      );
    return flow;
  }

  private testResults({
    description,
    category = 'pass_fail',
    valueUnit = 'boolean',
  }: TestSetOptions): TestResultWriter {
    const { services, number: stepNumber } = this.parts;
    const set: TestSet = { ordinal: this.testSets.length, description: description ?? null, category, valueUnit };
    const flow = new TestFlow((results, isComplete) =>
      services.addTestResults({ stepNumber, set, results, isComplete }),
    );
    this.testSets.push(flow);
    return flow;
  }

  private async command(
    name: string,
    args: Readonly<Record<string, JsonValue>>,
    options: CommandOptions = {},
  ): Promise<CommandOutcome> {
    if (this.isStopped && !options.evenIfStopped) return NOT_STARTED;
    const { log = null, logfiles, capture, upload, download, read, evenIfStopped = false } = options;
    const request: CommandRequest = {
      stepNumber: this.parts.number,
      ordinal: this.ordinal++,
      name,
      args,
      log,
      ...(logfiles && { logfiles }),
      ...(capture && { capture }),
      ...(upload && { upload }),
      ...(download && { download }),
      ...(read && { read }),
    };
    const outcome = await this.whileBusy(() => this.parts.services.runCommand(request), !evenIfStopped);
    if (outcome.workerLost) this.workerLost = true;
    return outcome;
  }

  private async trigger(what: TriggerRequest): Promise<TriggerOutcome> {
    if (this.isStopped) return { triggered: [], cancelled: true };
    const call = { ...what, stepNumber: this.parts.number, ordinal: this.ordinal++ };
    return await this.whileBusy(() => this.parts.services.trigger(call), true);
  }

  private addSteps(after: AddedSteps['after'], data: JsonValue): number {
    const json = JSON.stringify(data) as string | undefined;
    if (json === undefined) throw new UserError('bad-steps', 'what added steps are made of has to be JSON');
    if (this.added.length >= ADDED_LIMITS.calls) throw overStepLimit('calls that add steps', ADDED_LIMITS.calls);
    this.addedCharacters += json.length;
    if (this.addedCharacters > ADDED_LIMITS.characters)
      throw overStepLimit(
        `${this.addedCharacters} characters of what added steps are made of`,
        ADDED_LIMITS.characters,
      );
    // The same as it will be read from the record.
    const recorded = JSON.parse(json) as JsonValue;
    const steps = this.parts.makeSteps(recorded);
    this.added.push({ after, data: recorded, steps });
    return steps.length;
  }

  private async whileBusy<T>(work: () => Promise<T>, isInterruptible: boolean): Promise<T> {
    this.underWay++;
    if (isInterruptible) this.interruptible++;
    try {
      return await work();
    } finally {
      this.underWay--;
      if (isInterruptible) this.interruptible--;
    }
  }

  private async shell(options: ShellOptions): Promise<CommandOutcome> {
    this.builderEnv ??= render(
      this.parts.env as Record<string, string | null>,
      this.context,
      this.parts.properties.current,
    );
    // The worker's variables describe its machine, so the builder's and the step's take precedence.
    const env = { ...this.parts.job.worker.env, ...(await this.builderEnv), ...options.env };
    const args: Record<string, JsonValue> = {
      command: options.command,
      workdir: this.context.path(options.workdir ?? 'build'),
      env,
      timeout: options.timeoutSeconds === undefined ? 1200 : options.timeoutSeconds,
      usePTY: options.usePty ?? false,
      logEnviron: options.logEnviron ?? false,
      ...(options.maxTimeSeconds != null && { maxTime: options.maxTimeSeconds }),
      ...(options.sigtermTimeSeconds != null && { sigtermTime: options.sigtermTimeSeconds }),
      ...(options.maxLines != null && { max_lines: options.maxLines }),
      ...(options.interruptSignal !== undefined && { interruptSignal: options.interruptSignal }),
      ...(options.stdin !== undefined && { initial_stdin: options.stdin }),
      ...(options.logfiles && { logfiles: options.logfiles }),
    };
    const { log = 'stdio', logfiles, capture, evenIfStopped } = options;
    return await this.command('shell', args, { log, logfiles, capture, evenIfStopped });
  }

  private setState(text: string): void {
    this.shown = shortState(String(text));
    this.stateTimer ??= setTimeout(() => {
      this.stateTimer = undefined;
      const { services, number, track } = this.parts;
      track(services.setStepState(number, { stateString: this.shown ?? '' }));
    }, STATE_DELAY_MS);
  }

  private makeContext(): StepContext {
    const { job, name: stepName, properties } = this.parts;
    const base = renderContextOf(job, properties);
    const store: PropertyStore = {
      ...base.properties,
      set: (name, value, source = stepName) => properties.set(name, value, source),
    };
    const path = (...parts: string[]) => workerPath(job.worker, job.builddir, parts);
    const context: StepContext = {
      ...base,
      stepName,
      properties: store,
      signal: this.abort.signal,
      render: (value) => render(value, context, properties.current),
      renderCommand: (command) => renderCommand(command, context, properties.current),
      renderPath: (given) => renderPath(given, context, properties.current),
      path,
      command: (name, args, options) => this.command(name, args, options),
      shell: (options) => this.shell(options),
      trigger: (what) => this.trigger(what),
      addStepsAfterCurrentStep: (data) => this.addSteps('current', data),
      addStepsAfterLastStep: (data) => this.addSteps('last', data),
      log: (name, kind) => {
        this.logsLimit.add(name);
        return this.log(name, kind);
      },
      setBuildData: (name, value, source) => {
        const data = { name, source, value: Buffer.from(value as Uint8Array).toString('base64') };
        const sent = this.parts.services.setBuildData(data);
        this.stored.add(sent);
        // The walk handles the error at the end of the step. Callers that await this promise get it as well.
        sent.catch(() => undefined);
        return sent;
      },
      testResults: (about) => this.testResults(about),
      readFile: async (workerSrc, { maxBytes = MOST_READ } = {}) => {
        const { content, ...outcome } = await this.command(
          'upload_file',
          { path: path(workerSrc), maxsize: maxBytes, blocksize: 256 * 1024, keepstamp: false },
          { read: { maxBytes } },
        );
        const isRead = outcome.rc === 0 && outcome.failure === null && content !== undefined;
        return { outcome, content: isRead ? Buffer.from(content, 'base64') : null };
      },
      setState: (text) => this.setState(text),
      addUrl: (name, url) => {
        this.urlsLimit.add({ name, url });
        this.urls.push({ name, url });
      },
      upload: ({ workerSrc, maxBytes = null }, blob) =>
        this.command(
          'upload_file',
          { path: path(workerSrc), maxsize: maxBytes, blocksize: 256 * 1024, keepstamp: false },
          { upload: { blob } },
        ),
      download: (what, { workerDest, mode = null, evenIfStopped }) =>
        this.command(
          'download_file',
          { path: path(workerDest), maxsize: null, blocksize: 256 * 1024, mode },
          {
            download: 'blob' in what ? what : { content: Buffer.from(what.content).toString('base64') },
            evenIfStopped,
          },
        ),
    };
    return context;
  }
}

/** Most results in one call. A smaller group is committed faster, together with what other builds write. */
const TESTS_AT_ONCE = 500;

/** The results of one set, sent in groups, one after another. The last group completes the set. */
class TestFlow implements TestResultWriter {
  private readonly waiting: TestResult[] = [];
  private flow: Promise<void> | null = null;

  constructor(private readonly send: (results: readonly TestResult[], isComplete: boolean) => Promise<void>) {}

  add(...results: readonly TestResultOptions[]): Promise<void> {
    for (const result of results) this.waiting.push(asResult(result));
    this.flow ??= this.run();
    // The walk handles the error when it drains. Callers that await this promise get it as well.
    this.flow.catch(() => undefined);
    return this.flow;
  }

  async drained(): Promise<void> {
    await this.flow;
    await this.send([], true);
  }

  private async run(): Promise<void> {
    // What is added in one turn goes together.
    await Promise.resolve();
    while (this.waiting.length > 0) await this.send(this.waiting.splice(0, TESTS_AT_ONCE), false);
    this.flow = null;
  }
}

function asResult({ name, codePath, line, durationNs, value, message }: TestResultOptions): TestResult {
  return {
    name: name ?? null,
    codePath: codePath ?? null,
    line: line ?? null,
    durationNs: durationNs ?? null,
    value: typeof value === 'boolean' ? String(Number(value)) : String(value),
    message: message ?? null,
  };
}

/** Largest piece of logged text. Steps may log texts of any size; the engine gets pieces of which it can hold many. */
const PIECE_CHARACTERS = 256 << 10;

/** Text for one log. While a piece is being committed the next ones are gathered, so a chatty step makes few calls. */
class LogFlow implements LogWriter {
  private waiting = '';
  private flow: Promise<void> | null = null;

  constructor(private readonly send: (text: string) => Promise<void>) {}

  append(text: string): Promise<void> {
    this.waiting += text;
    this.flow ??= this.run();
    // The walk handles the error when it drains. Callers that await this promise get it as well.
    this.flow.catch(() => undefined);
    return this.flow;
  }

  drained(): Promise<void> {
    return this.flow ?? Promise.resolve();
  }

  private async run(): Promise<void> {
    while (this.waiting !== '') {
      const text = firstPiece(this.waiting, PIECE_CHARACTERS);
      this.waiting = this.waiting.slice(text.length);
      await this.send(text);
    }
    this.flow = null;
  }
}
