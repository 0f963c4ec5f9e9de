import { createHash, randomUUID } from 'node:crypto';
import { type Hint, hints } from '@millrace/contracts';
import type { BuildEntry, BuildKey, Committed, Journal } from '@millrace/database';
import { countLines } from '@millrace/database';
import { FencedError, messageOf, MillraceError, type Properties, type Result, type Uuid } from '@millrace/domain';
import type { CommandName, CommandOutcome, CommandUpdate } from '@millrace/worker-protocol';
import type { Blobs } from '../blobs/folder-blobs.js';
import { prefixLines, type Stream, wholeLines } from '../core/log-text.js';
import type { BuildHost, CommandRequest, CommandResult } from '../runner/runner.js';
import type { AttachedWorker } from '../workers/attached-worker.js';
import { transferSink, type TransferSink } from './transfers.js';

/**
 * One build, as its runner sees the engine: what the runner asks for is written to the journal and sent to the worker. The first
 * write that is fenced off ends everything here (I3).
 */
export class EngineBuildHost implements BuildHost {
  /** Commands by id, from the writing of the intent on: one that is interrupted before it was sent is never sent. */
  private readonly running = new Map<string, { readonly stepNumber: number; interrupted: boolean; sent: boolean }>();
  private isFenced = false;

  constructor(
    private readonly key: BuildKey,
    private readonly uuid: Uuid,
    private readonly worker: AttachedWorker,
    private readonly journal: Journal,
    private readonly blobs: Blobs,
    private readonly publish: (hint: Hint) => void,
    private readonly onFenced: () => void,
  ) {}

  get fenced(): boolean {
    return this.isFenced;
  }

  async startStep(step: { number: number; name: string; hidden: boolean }): Promise<void> {
    this.soon([{ kind: 'step-started', ...step }]);
  }

  async runCommand(request: CommandRequest): Promise<CommandResult> {
    if (this.isFenced) throw new FencedError(`build ${this.key.buildId}`);
    const uuid = randomUUID();
    const args = { ...request.args };
    const running = { stepNumber: request.stepNumber, interrupted: false, sent: false };
    this.running.set(uuid, running);
    let result: CommandResult;
    try {
      // The intent is committed before the command is sent, so that whoever takes over knows what may be running (design §5).
      await this.now([
        {
          kind: 'command-intended',
          step: request.stepNumber,
          ordinal: request.ordinal,
          name: request.name,
          uuid,
          argsHash: createHash('sha256')
            .update(JSON.stringify([request.name, args]))
            .digest('hex'),
        },
      ]);
      result = await this.send(uuid, running, request, args);
    } finally {
      this.running.delete(uuid);
    }
    this.soon([
      {
        kind: 'command-finished',
        step: request.stepNumber,
        ordinal: request.ordinal,
        outcome: JSON.stringify({ rc: result.rc, failure: result.failure, failureReason: result.failureReason }),
      },
    ]);
    return result;
  }

  private async send(
    uuid: string,
    running: { readonly interrupted: boolean; sent: boolean },
    request: CommandRequest,
    args: CommandRequest['args'],
  ): Promise<CommandResult> {
    const transfer = await transferSink(this.blobs, this.uuid, request);
    const capture = request.capture ? new Capture(request.capture.maxBytes) : null;
    try {
      if (running.interrupted) {
        await transfer?.finish(false);
        return { rc: null, failure: null, failureReason: null, cancelled: true, workerLost: false };
      }
      running.sent = true;
      const outcome = await this.worker.connection.startCommand(uuid, request.name as CommandName, args, {
        updates: (batch) => this.updates(request, batch, capture),
        ...transfer?.sink,
      });
      await transfer?.finish(outcome.rc === 0 && outcome.failure === null);
      return toResult(outcome, running.interrupted, capture);
    } catch (error) {
      await transfer?.finish(false);
      if (error instanceof FencedError) throw error;
      const workerLost = error instanceof MillraceError && error.code === 'worker-lost';
      return {
        rc: null,
        failure: messageOf(error),
        failureReason: null,
        cancelled: running.interrupted,
        workerLost: workerLost && !running.interrupted,
      };
    }
  }

  async interrupt(stepNumber: number, why: string): Promise<void> {
    for (const [uuid, command] of this.running) {
      if (command.stepNumber !== stepNumber) continue;
      command.interrupted = true;
      if (command.sent) await this.worker.connection.interrupt(uuid, why);
    }
  }

  /** Ends whatever runs on the worker for this build, for an attempt that is given up. */
  async interruptAll(why: string): Promise<void> {
    for (const command of this.running.values()) command.interrupted = true;
    const sent = [...this.running].filter(([, command]) => command.sent);
    await Promise.allSettled(sent.map(([uuid]) => this.worker.connection.interrupt(uuid, why)));
  }

  async appendLog(stepNumber: number, log: string, stream: 'o' | 'e' | 'h' | '', text: string): Promise<void> {
    const lines = wholeLines(text);
    if (lines === '') return;
    await this.now([
      {
        kind: 'log-lines',
        step: stepNumber,
        log,
        type: stream === '' ? 't' : 's',
        text: stream === '' ? lines : prefixLines(stream, lines),
        lines: countLines(lines),
      },
    ]);
  }

  async setStepState(
    stepNumber: number,
    state: { stateString?: string; urls?: { name: string; url: string }[] },
  ): Promise<void> {
    this.soon([{ kind: 'step-changed', number: stepNumber, ...state }]);
  }

  async finishStep(step: { number: number; results: Result; stateString: string; hidden: boolean }): Promise<void> {
    this.soon([{ kind: 'step-finished', ...step }]);
  }

  async setProperties(properties: Properties): Promise<void> {
    this.soon([{ kind: 'properties', properties }]);
  }

  /** Commits the build's last entries. Null: the build was no longer ours. */
  async finish(entry: Extract<BuildEntry, { kind: 'build-finished' }>): Promise<Committed | null> {
    try {
      return await this.journal.write(this.key, [entry]);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      return null;
    } finally {
      this.journal.forget(this.key.buildId);
    }
  }

  private async updates(
    request: CommandRequest,
    batch: readonly CommandUpdate[],
    capture: Capture | null,
  ): Promise<void> {
    const entries = logEntries(request, batch);
    if (capture) for (const update of batch) if (update.kind === 'stdout') capture.add(update.text);
    if (entries.length > 0) await this.now(entries);
  }

  private async now(entries: readonly BuildEntry[]): Promise<void> {
    try {
      this.announce(await this.journal.write(this.key, entries));
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /** Nobody waits for these; that the build is fenced off is learned here all the same. */
  private soon(entries: readonly BuildEntry[]): void {
    this.journal.writeSoon(this.key, entries).then(
      (committed) => {
        this.announce(committed);
        if (entries.some((entry) => entry.kind === 'step-started' && entry.number === 0)) {
          this.publish(hints.build(this.key.buildId, 'update'));
        }
        if (entries.some((entry) => entry.kind === 'properties')) this.publish(hints.buildProperties(this.key.buildId));
      },
      (error: unknown) => this.failed(error),
    );
  }

  private failed(error: unknown): void {
    if (this.isFenced || !(error instanceof FencedError)) return;
    this.isFenced = true;
    this.onFenced();
  }

  private announce(committed: Committed): void {
    for (const { stepId, event } of committed.steps) this.publish(hints.step(this.key.buildId, stepId, event));
    for (const { stepId, logId, event } of committed.logs)
      this.publish(hints.log(this.key.buildId, stepId, logId, event));
  }
}

/** Keeps the beginning of a command's standard output for the step that asked for it. */
class Capture {
  private readonly parts: string[] = [];
  private bytes = 0;

  constructor(private readonly maxBytes: number) {}

  add(text: string): void {
    const room = this.maxBytes - this.bytes;
    if (room <= 0) return;
    const part = text.slice(0, room);
    this.parts.push(part);
    this.bytes += part.length;
  }

  get text(): string {
    return this.parts.join('');
  }
}

const STREAMS: Readonly<Record<'stdout' | 'stderr' | 'header', Stream>> = { stdout: 'o', stderr: 'e', header: 'h' };

/** The log lines in a batch of updates; neighbours for the same log become one entry. */
function logEntries(request: CommandRequest, batch: readonly CommandUpdate[]): BuildEntry[] {
  const entries: { kind: 'log-lines'; step: number; log: string; type: 's'; text: string; lines: number }[] = [];
  const add = (log: string, stream: Stream, text: string): void => {
    const last = entries.at(-1);
    const prefixed = prefixLines(stream, text);
    const lines = countLines(text);
    if (last?.log === log) {
      last.text += prefixed;
      last.lines += lines;
    } else entries.push({ kind: 'log-lines', step: request.stepNumber, log, type: 's', text: prefixed, lines });
  };
  for (const update of batch) {
    if (update.kind === 'log') add(update.name, 'o', update.text);
    else if (request.log === null) continue;
    else if (update.kind === 'stdout' || update.kind === 'stderr' || update.kind === 'header') {
      add(request.log, STREAMS[update.kind], update.text);
    } else if (update.kind === 'rc') add(request.log, 'h', `program finished with exit code ${update.rc}\n`);
  }
  return entries;
}

function toResult(outcome: CommandOutcome, interrupted: boolean, capture: Capture | null): CommandResult {
  return {
    rc: outcome.rc,
    failure: outcome.failure,
    failureReason: outcome.failureReason,
    cancelled: interrupted,
    workerLost: false,
    ...(capture ? { stdout: capture.text } : {}),
    ...(outcome.files ? { files: [...outcome.files] } : {}),
    ...(outcome.stat ? { stat: outcome.stat.map(Number) } : {}),
  };
}

export type { TransferSink };
