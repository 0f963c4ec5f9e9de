import type { TransferRequest } from '../messages.js';
import { cut, isOverLimit, WORKER_LIMITS } from '../limits.js';
import { ProtocolError } from '../protocol-error.js';
import type { RunningCommand } from '../running-command.js';
import type { CommandUpdate } from '../worker-connection.js';
import { Float, MAX_BANANA_LENGTH } from './banana.js';
import { type Call, type LocalObject, noSuchMethod } from './broker.js';
import { describeFailure } from './failure.js';
import { itemsOf, type Jelly } from './jelly.js';
import type { UpdateReader } from './pb-updates.js';

export type FileKind = 'upload' | 'directory' | 'download';

export interface CommandHooks {
  /** Counts received bytes of updates and file data. Negative when they are stored. */
  count(bytes: number): void;
  /** Reports that the sink could not store what the worker sent. */
  failed(error: unknown): void;
  completed(): void;
}

/**
 * The object that a worker reports a command's progress to. An update is answered once it is stored (I8). It is never answered with an
 * exception, not even when the sink failed, because workers do not handle one. `failed` interrupts the command instead.
 */
export class CommandObject implements LocalObject {
  private isComplete = false;
  /** The answer to the latest update with something to store. Updates are stored in order. */
  private stored: Promise<0> | undefined;

  constructor(
    private readonly command: RunningCommand,
    private readonly reader: UpdateReader,
    private readonly hooks: CommandHooks,
  ) {}

  call({ method, args, bytes }: Call): Jelly | Promise<Jelly> {
    if (this.isComplete) return 0;
    switch (method) {
      case 'update':
        return this.update(args[0], bytes);
      case 'complete':
        return this.complete(args[0] ?? null);
      default:
        throw noSuchMethod(method);
    }
  }

  private update(argument: Jelly | undefined, bytes: number): Jelly | Promise<Jelly> {
    let updates: readonly CommandUpdate[];
    try {
      updates = this.reader.read(argument);
    } catch (error) {
      if (!isOverLimit(error)) throw error;
      this.command.excess(error);
      this.hooks.failed(error);
      return 0;
    }
    const stored = updates.length > 0 ? this.command.update(updates) : undefined;
    // An update with nothing to store is answered with those before it: one write here, and one read in the worker.
    if (stored === undefined) return this.stored ?? 0;
    this.hooks.count(bytes);
    return (this.stored = stored
      .catch((error: unknown) => this.hooks.failed(error))
      .then(() => {
        this.hooks.count(-bytes);
        return 0;
      }));
  }

  private async complete(failure: Jelly): Promise<Jelly> {
    this.isComplete = true;
    const rest = this.reader.rest();
    // A failure to store them becomes the command's outcome, which `complete` waits for.
    if (rest.length > 0) void this.command.update(rest);
    this.hooks.completed();
    // The owner of the outcome is told about a failure to store it. A worker could do nothing about it.
    const description = failure === null ? null : cut(describeFailure(failure), WORKER_LIMITS.failureCharacters);
    await this.command.complete(description).catch(() => undefined);
    return null;
  }
}

/**
 * The writer or reader through which a worker moves a file. Workers hang for ever on a file object that answers with an exception
 * (`docs/protocols.md#files-over-pb`). After a failure they are therefore told that all is well, or that the file has ended, and `failed`
 * interrupts the command.
 */
export class FileObject implements LocalObject {
  private hasFailed = false;

  constructor(
    private readonly id: string,
    private readonly kind: FileKind,
    private readonly command: RunningCommand,
    private readonly hooks: Pick<CommandHooks, 'count' | 'failed'>,
  ) {}

  call(call: Call): Jelly | Promise<Jelly> {
    const request = this.request(call);
    const nothing = request.op === 'update_read_file' ? new Uint8Array() : null;
    if (this.hasFailed) return nothing;
    this.hooks.count(call.bytes);
    return this.command
      .transfer(request)
      .catch((error: unknown) => {
        if (!this.hasFailed) this.hooks.failed(error);
        this.hasFailed = true;
      })
      .then((result) => {
        this.hooks.count(-call.bytes);
        return result instanceof Uint8Array ? result : nothing;
      });
  }

  private request({ method, args: [argument] }: Call): TransferRequest {
    const commandId = this.id;
    switch (method) {
      case 'write': {
        if (!(argument instanceof Uint8Array)) throw new ProtocolError('write was given something that is no bytes');
        const op = this.kind === 'directory' ? 'update_upload_directory_write' : 'update_upload_file_write';
        return { op, commandId, block: argument };
      }
      case 'unpack':
        return { op: 'update_upload_directory_unpack', commandId };
      case 'utime': {
        const [accessTime, modifiedTime] = (itemsOf(argument) ?? []).map(seconds);
        if (accessTime === undefined || modifiedTime === undefined) throw new ProtocolError('utime needs two times');
        return { op: 'update_upload_file_utime', commandId, accessTime, modifiedTime };
      }
      case 'read': {
        if (typeof argument !== 'number' || argument < 0) throw new ProtocolError('read was given no length');
        return { op: 'update_read_file', commandId, length: Math.min(argument, MAX_BANANA_LENGTH) };
      }
      case 'close':
        return { op: this.kind === 'download' ? 'update_read_file_close' : 'update_upload_file_close', commandId };
      default:
        throw noSuchMethod(method);
    }
  }
}

function seconds(value: Jelly): number | null {
  const number = value instanceof Float ? value.value : value;
  if (number !== null && typeof number !== 'number')
    throw new ProtocolError('utime was given a time that is no number');
  return number;
}
