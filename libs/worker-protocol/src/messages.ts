import { messageOf, type UserError } from '@millrace/domain';
import { Frame, isRecord } from './frame.js';
import { cut, isOverLimit, WORKER_LIMITS } from './limits.js';
import { Encoded, encodeMessage, encodeValue } from './msgpack-writer.js';
import { readUpdates, wireUpdates } from './updates.js';
import type { CommandUpdate, WorkerSettings } from './worker-connection.js';

export type EncodedUpdates = Encoded;

/** Requests from a worker to its master (`docs/protocols.md#what-workers-ask-over-msgpack`). */
export type WorkerRequest =
  | {
      readonly op: 'update';
      readonly commandId: string;
      readonly updates: readonly CommandUpdate[];
      /** Counts a command's updates from 1 over all connections. 0 for repeated events. Null from workers that cannot resume. */
      readonly updateNumber: number | null;
    }
  /** `failure` describes an error other than an exit status. */
  | { readonly op: 'complete'; readonly commandId: string; readonly failure: string | null }
  | {
      readonly op: 'update_upload_file_write' | 'update_upload_directory_write';
      readonly commandId: string;
      readonly block: Uint8Array;
    }
  | {
      readonly op: 'update_upload_file_close' | 'update_upload_directory_unpack' | 'update_read_file_close';
      readonly commandId: string;
    }
  | {
      readonly op: 'update_upload_file_utime';
      readonly commandId: string;
      /** Null from a stock worker that could not read the file. */
      readonly accessTime: number | null;
      readonly modifiedTime: number | null;
    }
  | { readonly op: 'update_read_file'; readonly commandId: string; readonly length: number };

/** One step of a file transfer. */
export type TransferRequest = Exclude<WorkerRequest, { op: 'update' | 'complete' }>;

/** Requests from a master to a worker (`docs/protocols.md#msgpack`). */
export type MasterRequest =
  | { readonly op: 'print'; readonly message: string }
  | { readonly op: 'keepalive' | 'get_worker_info' | 'shutdown' }
  | { readonly op: 'set_worker_settings'; readonly settings: WorkerSettings }
  | {
      readonly op: 'start_command';
      readonly commandId: string;
      readonly commandName: string;
      readonly args: Readonly<Record<string, unknown>>;
    }
  | { readonly op: 'interrupt_command'; readonly commandId: string; readonly why: string }
  /** Sent only to workers with `FEATURE_RESUME`. */
  | { readonly op: 'resume_command'; readonly commandId: string }
  | { readonly op: 'forget_command'; readonly commandId: string };

export interface Response {
  readonly op: 'response';
  readonly seq: number;
  /** The exception's message when `isException`. */
  readonly result: unknown;
  readonly isException: boolean;
}

/**
 * A request that this side cannot serve, because its operation is unknown or a key is wrong. It is answered with `problem` as an exception.
 */
export interface InvalidRequest {
  readonly op: 'invalid';
  readonly problem: string;
}

/** An update that exceeds a command's limits. The command fails with `error`; the worker stays connected. */
export interface ExcessiveRequest {
  readonly op: 'excess';
  readonly commandId: string;
  readonly error: UserError;
}

export type Numbered<Request> = Request & { readonly seq: number };
export type WorkerMessage = Numbered<WorkerRequest> | Numbered<InvalidRequest> | Numbered<ExcessiveRequest> | Response;
export type MasterMessage = Numbered<MasterRequest> | Numbered<InvalidRequest> | Response;

/**
 * Decodes a message from a worker.
 * @throws ProtocolError naming the key and its value. An unreadable update ends the connection, because going on would lose log lines
 */
export function decodeWorkerMessage(bytes: Uint8Array, wantTimes = false): WorkerMessage {
  const frame = new Frame(bytes);
  const { op, seq } = frame;
  switch (op) {
    case 'response':
      return decodeResponse(frame);
    case 'update':
      return decodeUpdate(frame, wantTimes);
    case 'complete': {
      const failure = frame.optionalText('args');
      return { op, seq, commandId: idOf(frame), failure: failure && cut(failure, WORKER_LIMITS.failureCharacters) };
    }
    case 'update_upload_file_write':
    case 'update_upload_directory_write':
      return { op, seq, commandId: idOf(frame), block: frame.binary('args') };
    case 'update_upload_file_close':
    case 'update_upload_directory_unpack':
    case 'update_read_file_close':
      return { op, seq, commandId: idOf(frame) };
    case 'update_upload_file_utime': {
      const accessTime = frame.optionalNumber('access_time');
      return { op, seq, commandId: idOf(frame), accessTime, modifiedTime: frame.optionalNumber('modified_time') };
    }
    case 'update_read_file':
      return { op, seq, commandId: idOf(frame), length: frame.integer('length') };
    default:
      return { op: 'invalid', seq, problem: `Command ${op.slice(0, 100)} does not exist.` };
  }
}

/**
 * Decodes a message from a master. A request with a wrong key becomes an {@link InvalidRequest}.
 * @throws ProtocolError for a frame that is neither a numbered message nor a response
 */
export function decodeMasterMessage(bytes: Uint8Array): MasterMessage {
  const frame = new Frame(bytes);
  if (frame.op === 'response') return decodeResponse(frame);
  try {
    return decodeMasterRequest(frame);
  } catch (error) {
    return { op: 'invalid', seq: frame.seq, problem: messageOf(error) };
  }
}

function decodeUpdate(frame: Frame, wantTimes: boolean): WorkerMessage {
  const { seq } = frame;
  const commandId = idOf(frame);
  const updateNumber = frame.has('update_number') ? frame.integer('update_number') : null;
  try {
    return { op: 'update', seq, commandId, updates: readUpdates(frame, wantTimes), updateNumber };
  } catch (error) {
    if (!isOverLimit(error)) throw error;
    return { op: 'excess', seq, commandId, error };
  }
}

function idOf(frame: Frame): string {
  return frame.text('command_id', WORKER_LIMITS.idBytes);
}

function decodeMasterRequest(frame: Frame): MasterMessage {
  const { op, seq } = frame;
  switch (op) {
    case 'print':
      return { op, seq, message: frame.text('message') };
    case 'keepalive':
    case 'get_worker_info':
    case 'shutdown':
      return { op, seq };
    case 'set_worker_settings':
      return { op, seq, settings: readSettings(frame) };
    case 'start_command':
      return {
        op,
        seq,
        commandId: frame.text('command_id'),
        commandName: frame.text('command_name'),
        args: frame.map('args'),
      };
    case 'interrupt_command':
      return { op, seq, commandId: frame.text('command_id'), why: frame.text('why') };
    case 'resume_command':
    case 'forget_command':
      return { op, seq, commandId: frame.text('command_id') };
    default:
      return { op: 'invalid', seq, problem: `Command ${op.slice(0, 100)} does not exist.` };
  }
}

function decodeResponse(frame: Frame): Response {
  return { op: 'response', seq: frame.seq, result: frame.value('result'), isException: frame.has('is_exception') };
}

function readSettings(frame: Frame): WorkerSettings {
  const settings = frame.map('args');
  const number = (key: string): number => {
    const value = settings[key];
    return typeof value === 'number' && value >= 0 ? value : frame.bad(`args.${key}`, value, 'a number');
  };
  const newlinePattern = settings['newline_re'];
  if (typeof newlinePattern !== 'string') frame.bad('args.newline_re', newlinePattern, 'text');
  return {
    bufferSize: number('buffer_size'),
    bufferTimeoutSeconds: number('buffer_timeout'),
    newlinePattern,
    maxLineLength: number('max_line_length'),
  };
}

export function encodeWorkerRequest(seq: number, request: WorkerRequest): Uint8Array {
  const tail = { command_id: request.commandId, seq_number: seq };
  switch (request.op) {
    case 'update':
      return encodeUpdate(seq, request.commandId, request.updates, request.updateNumber);
    case 'complete':
      return encodeMessage({ op: request.op, args: request.failure, ...tail });
    case 'update_upload_file_write':
    case 'update_upload_directory_write':
      return encodeMessage({ op: request.op, args: request.block, ...tail });
    case 'update_upload_file_utime': {
      const { accessTime, modifiedTime } = request;
      return encodeMessage({ op: request.op, access_time: accessTime, modified_time: modifiedTime, ...tail });
    }
    case 'update_read_file':
      return encodeMessage({ op: request.op, length: request.length, ...tail });
    default:
      return encodeMessage({ op: request.op, ...tail });
  }
}

export function encodeMasterRequest(seq: number, request: MasterRequest): Uint8Array {
  switch (request.op) {
    case 'print':
      return encodeMessage({ op: request.op, message: request.message, seq_number: seq });
    case 'set_worker_settings': {
      const { bufferSize, bufferTimeoutSeconds, newlinePattern, maxLineLength } = request.settings;
      const args = {
        buffer_size: bufferSize,
        buffer_timeout: bufferTimeoutSeconds,
        newline_re: newlinePattern,
        max_line_length: maxLineLength,
      };
      return encodeMessage({ op: request.op, args, seq_number: seq });
    }
    case 'start_command': {
      const { op, commandId, commandName, args } = request;
      return encodeMessage({ op, command_id: commandId, command_name: commandName, args, seq_number: seq });
    }
    case 'interrupt_command':
      return encodeMessage({ op: request.op, command_id: request.commandId, why: request.why, seq_number: seq });
    case 'resume_command':
    case 'forget_command':
      return encodeMessage({ op: request.op, command_id: request.commandId, seq_number: seq });
    default:
      return encodeMessage({ op: request.op, seq_number: seq });
  }
}

export function encodeUpdate(
  seq: number,
  commandId: string,
  updates: readonly CommandUpdate[] | EncodedUpdates,
  updateNumber: number | null,
): Uint8Array {
  return encodeMessage({
    op: 'update',
    args: updates instanceof Encoded ? updates : wireUpdates(updates),
    update_number: updateNumber ?? undefined,
    command_id: commandId,
    seq_number: seq,
  });
}

/** Encodes updates in their wire form, so that they can be kept and sent more than once. */
export function encodeUpdates(updates: readonly CommandUpdate[]): EncodedUpdates {
  return encodeValue(wireUpdates(updates));
}

/** Restores the result of {@link encodeUpdates} from its bytes. */
export function encodedUpdates(bytes: Uint8Array): EncodedUpdates {
  return new Encoded(bytes);
}

/** Encodes a response. The presence of `is_exception` marks a failure, so a success leaves it out. */
export function encodeResponse({ seq, result, isException }: Omit<Response, 'op'>): Uint8Array {
  return encodeMessage({
    op: 'response',
    seq_number: seq,
    result: result ?? null,
    is_exception: isException ? true : undefined,
  });
}

/** Returns a response's result as a map. */
export function resultMap(result: unknown): Record<string, unknown> {
  return isRecord(result) ? result : {};
}
