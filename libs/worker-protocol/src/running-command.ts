import { UnexpectedError, UserError } from '@millrace/domain';
import type { TransferRequest } from './messages.js';
import type { CommandOutcome, CommandSink, CommandUpdate } from './worker-connection.js';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A command as the master sees it, from its start to its outcome. The first failure of its sink becomes its outcome. */
export class RunningCommand {
  readonly outcome: Promise<CommandOutcome>;
  private resolve: (outcome: CommandOutcome) => void;
  private reject: (error: unknown) => void;
  private readonly result: Mutable<CommandOutcome> = {
    rc: null,
    failure: null,
    failureReason: null,
    elapsedSeconds: null,
  };
  private readonly storing = new Set<Promise<void>>();
  /** The latest step of a transfer. The next step waits for it, whether or not the worker does. */
  private transferred: Promise<unknown> = Promise.resolve();
  private sinkFailure: { readonly error: unknown } | undefined;

  /** @param completed takes the outcome, and resolves when it is recorded */
  constructor(
    private readonly sink: CommandSink,
    private readonly completed?: (outcome: CommandOutcome) => Promise<void> | undefined,
  ) {
    this.outcome = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Passes a batch on. Returns undefined when the batch is already stored, as repeated events (number 0) are. */
  update(updates: readonly CommandUpdate[], number: number | null = null): Promise<void> | undefined {
    for (const update of updates) this.note(update);
    if (number === 0) return undefined;
    let stored: Promise<void> | void;
    try {
      // Storing anything after a lost update would leave a gap (I8).
      this.assertStored();
      stored = this.sink.updates(updates, number);
    } catch (error) {
      // At once, because `complete` may be called before anybody awaits anything.
      this.sinkFailure ??= { error };
      stored = Promise.resolve().then(() => this.assertStored());
    }
    if (stored === undefined) return undefined;
    const tracked = stored.catch((error: unknown) => this.failWith(error)).finally(() => this.storing.delete(tracked));
    this.storing.add(tracked);
    // The caller reports the failure. This only prevents an unhandled rejection.
    tracked.catch(() => undefined);
    return tracked;
  }

  /** Fails a command that exceeded its limits. Nothing that follows is stored. */
  excess(error: unknown): void {
    this.sinkFailure ??= { error };
  }

  /**
   * Serves one step of a file transfer after the earlier ones, and returns the answer for the worker. Nothing is written after a failure.
   */
  transfer(request: TransferRequest): Promise<unknown> {
    const served = this.transferred.then(async () => {
      if (this.sinkFailure !== undefined && 'block' in request) throw this.sinkFailure.error;
      return (await this.serve(request)) ?? null;
    });
    const tracked = served.catch((error: unknown) => this.failWith(error));
    this.transferred = tracked.catch(() => undefined);
    return tracked;
  }

  /**
   * Ends the command when everything that the worker sent before is stored and the outcome is recorded. Rejects, as the command does, when
   * either failed. `completed` is not kept waiting for what is being stored, so that both may become one write.
   */
  async complete(failure: string | null): Promise<void> {
    try {
      await this.transferred;
      this.assertStored();
      const outcome = { ...this.result, failure };
      const recorded = this.completed?.(outcome);
      await Promise.allSettled([...this.storing, recorded]);
      this.assertStored();
      await recorded;
      this.resolve(outcome);
    } catch (error) {
      this.reject(error);
      throw error;
    }
  }

  /** Ends a command that did not start, or whose worker is lost. */
  refuse(error: unknown): void {
    this.reject(this.sinkFailure === undefined ? error : this.sinkFailure.error);
  }

  private serve(request: TransferRequest): Promise<unknown> {
    const { sink } = this;
    switch (request.op) {
      case 'update_upload_file_write':
        return sink.writeUpload?.(request.block) ?? noPlace(request.op);
      case 'update_upload_file_close':
        return sink.closeUpload?.() ?? noPlace(request.op);
      case 'update_upload_file_utime': {
        const { accessTime, modifiedTime } = request;
        if (accessTime === null || modifiedTime === null) return Promise.resolve();
        return sink.uploadTimes?.(accessTime, modifiedTime) ?? noPlace(request.op);
      }
      case 'update_upload_directory_write':
        return sink.writeDirectory?.(request.block) ?? noPlace(request.op);
      case 'update_upload_directory_unpack':
        return sink.unpackDirectory?.() ?? noPlace(request.op);
      case 'update_read_file':
        return sink.readDownload?.(request.length) ?? noPlace(request.op);
      case 'update_read_file_close':
        return sink.closeDownload?.() ?? noPlace(request.op);
    }
  }

  private assertStored(): void {
    if (this.sinkFailure !== undefined) throw this.sinkFailure.error;
  }

  private failWith(error: unknown): never {
    this.sinkFailure ??= { error };
    throw error;
  }

  private note(update: CommandUpdate): void {
    switch (update.kind) {
      case 'rc':
        this.result.rc = update.rc;
        break;
      case 'elapsed':
        this.result.elapsedSeconds = update.seconds;
        break;
      case 'failure_reason':
        this.result.failureReason = update.reason;
        break;
      case 'files':
        this.result.files = update.files;
        break;
      case 'stat':
        this.result.stat = update.stat;
        break;
      default:
    }
  }
}

function noPlace(op: string): Promise<never> {
  return Promise.reject(new UnexpectedError('no-transfer', `this command has nothing that answers ${op}`, { op }));
}

export function notResumable(id: string): UserError {
  return new UserError('not-resumable', `this worker cannot resume command ${id}`, { id });
}
