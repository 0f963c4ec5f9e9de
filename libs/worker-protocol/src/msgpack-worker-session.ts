import { messageOf, OperationalError } from '@millrace/domain';
import {
  decodeMasterMessage,
  encodeResponse,
  encodeUpdate,
  type EncodedUpdates,
  encodeWorkerRequest,
  type InvalidRequest,
  type MasterMessage,
  type MasterRequest,
  type WorkerRequest,
} from './messages.js';
import { OutstandingRequests } from './outstanding-requests.js';
import { ProtocolError } from './protocol-error.js';
import type { CommandUpdate, Transport, WorkerSettings } from './worker-connection.js';

/** Handlers of the master's requests. Whatever a handler throws is answered as an exception. */
export interface WorkerRequestHandlers {
  print(message: string): void;
  info(): Promise<Readonly<Record<string, unknown>>> | Readonly<Record<string, unknown>>;
  /** Applies the settings to commands that start afterwards. */
  settings(settings: WorkerSettings): void;
  /** Starts a command and returns at once. When it throws, the command has not started. */
  startCommand(id: string, name: string, args: Readonly<Record<string, unknown>>): void;
  interrupt(id: string, why: string): void;
  /**
   * Resumes a command. Returns a function that sends the command's updates; it is called after the request has been answered. Throws for a
   * command that is not held.
   */
  resume?(id: string): () => void;
  forget?(id: string): void;
  shutdown(): void;
}

/**
 * The worker's side of a msgpack connection. The methods resolve when the master has answered. They reject with RemoteError when it
 * answered with an exception, and with OperationalError `master-lost` when the connection is lost.
 */
export class MsgpackWorkerSession {
  private readonly requests = new OutstandingRequests();
  private isClosed = false;

  constructor(
    private readonly transport: Transport,
    private readonly handlers: WorkerRequestHandlers,
  ) {}

  /** Sends updates. Returns the frame's size in bytes beside the acknowledgement, for callers that limit the bytes in flight. */
  sendUpdates(
    commandId: string,
    updates: readonly CommandUpdate[] | EncodedUpdates,
    updateNumber: number | null = null,
  ): { bytes: number; acknowledged: Promise<void> } {
    let bytes = 0;
    const acknowledged = this.requests.ask('update', (seq) => {
      const frame = encodeUpdate(seq, commandId, updates, updateNumber);
      bytes = frame.byteLength;
      this.transport.send(frame);
    });
    return { bytes, acknowledged: acknowledged.then(() => undefined) };
  }

  /** Ends a command. Nothing about this command may be sent afterwards. */
  async complete(commandId: string, failure: string | null): Promise<void> {
    await this.ask({ op: 'complete', commandId, failure });
  }

  async writeUpload(commandId: string, block: Uint8Array): Promise<void> {
    await this.ask({ op: 'update_upload_file_write', commandId, block });
  }

  async closeUpload(commandId: string): Promise<void> {
    await this.ask({ op: 'update_upload_file_close', commandId });
  }

  /** Reports the times of an uploaded file, as Unix times in seconds. */
  async uploadTimes(commandId: string, accessTime: number, modifiedTime: number): Promise<void> {
    await this.ask({ op: 'update_upload_file_utime', commandId, accessTime, modifiedTime });
  }

  async writeDirectory(commandId: string, block: Uint8Array): Promise<void> {
    await this.ask({ op: 'update_upload_directory_write', commandId, block });
  }

  async unpackDirectory(commandId: string): Promise<void> {
    await this.ask({ op: 'update_upload_directory_unpack', commandId });
  }

  /** Returns at most `length` bytes; empty at the end of the file. */
  async readDownload(commandId: string, length: number): Promise<Uint8Array> {
    const block = (await this.ask({ op: 'update_read_file', commandId, length })) ?? new Uint8Array();
    if (!(block instanceof Uint8Array))
      throw new ProtocolError('the master answered a read with something else than bytes');
    return block;
  }

  async closeDownload(commandId: string): Promise<void> {
    await this.ask({ op: 'update_read_file_close', commandId });
  }

  receive(frame: Uint8Array): void {
    if (this.isClosed) return;
    try {
      const message = decodeMasterMessage(frame);
      if (message.op === 'response') this.requests.answer(message);
      else void this.answer(message);
    } catch (error) {
      this.transport.close(messageOf(error));
      this.closed(messageOf(error));
    }
  }

  closed(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.requests.close(
      new OperationalError('master-lost', `the connection to the master is gone: ${reason}`, { reason }),
    );
  }

  private async answer(message: Exclude<MasterMessage, { op: 'response' }>): Promise<void> {
    try {
      if (message.op === 'resume_command') return this.resume(message.seq, message.commandId);
      const result = await this.serve(message);
      this.respond(message.seq, result ?? null, false);
    } catch (error) {
      this.respond(message.seq, messageOf(error), true);
    }
  }

  private resume(seq: number, commandId: string): void {
    const goOn = this.handlers.resume?.(commandId) ?? unknownOperation('resume_command');
    this.respond(seq, null, false);
    goOn();
  }

  private serve(message: Exclude<MasterRequest, { op: 'resume_command' }> | InvalidRequest): unknown {
    switch (message.op) {
      case 'print':
        return this.handlers.print(message.message);
      case 'keepalive':
        return undefined;
      case 'get_worker_info':
        return this.handlers.info();
      case 'set_worker_settings':
        return this.handlers.settings(message.settings);
      case 'start_command':
        return this.handlers.startCommand(message.commandId, message.commandName, message.args);
      case 'interrupt_command':
        return this.handlers.interrupt(message.commandId, message.why);
      case 'forget_command':
        return this.handlers.forget === undefined
          ? unknownOperation(message.op)
          : this.handlers.forget(message.commandId);
      case 'shutdown':
        return this.handlers.shutdown();
      case 'invalid':
        throw new ProtocolError(message.problem);
    }
  }

  private ask(request: WorkerRequest): Promise<unknown> {
    return this.requests.ask(request.op, (seq) => this.transport.send(encodeWorkerRequest(seq, request)));
  }

  private respond(seq: number, result: unknown, isException: boolean): void {
    if (!this.isClosed) this.transport.send(encodeResponse({ seq, result, isException }));
  }
}

function unknownOperation(op: string): never {
  throw new ProtocolError(`Command ${op} does not exist.`);
}
