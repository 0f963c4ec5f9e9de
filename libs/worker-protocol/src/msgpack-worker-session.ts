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

/** What a worker does when its master asks. Whatever is thrown becomes an exception response. */
export interface WorkerRequestHandlers {
  print(message: string): void;
  info(): Promise<Readonly<Record<string, unknown>>> | Readonly<Record<string, unknown>>;
  /** They apply to commands that are started afterwards. */
  settings(settings: WorkerSettings): void;
  /** Starts a command and returns; what throws did not start. */
  startCommand(id: string, name: string, args: Readonly<Record<string, unknown>>): void;
  interrupt(id: string, why: string): void;
  /** Throws for a command that is not held. What it returns is called when the request has been answered: it sends what the command has to say. */
  resume?(id: string): () => void;
  forget?(id: string): void;
  shutdown(): void;
}

/**
 * The worker's side of a msgpack connection. The methods resolve when the master has answered; they reject with RemoteError when it answered
 * with an exception, and with OperationalError `master-lost` when the connection goes.
 */
export class MsgpackWorkerSession {
  private readonly requests = new OutstandingRequests();
  private isClosed = false;

  constructor(
    private readonly transport: Transport,
    private readonly handlers: WorkerRequestHandlers,
  ) {}

  /** Returns the frame's size in bytes beside the acknowledgement, for whoever bounds what is under way. */
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

  /** Nothing about this command may follow. */
  async complete(commandId: string, failure: string | null): Promise<void> {
    await this.ask({ op: 'complete', commandId, failure });
  }

  async writeUpload(commandId: string, block: Uint8Array): Promise<void> {
    await this.ask({ op: 'update_upload_file_write', commandId, block });
  }

  async closeUpload(commandId: string): Promise<void> {
    await this.ask({ op: 'update_upload_file_close', commandId });
  }

  /** Unix times in seconds. */
  async uploadTimes(commandId: string, accessTime: number, modifiedTime: number): Promise<void> {
    await this.ask({ op: 'update_upload_file_utime', commandId, accessTime, modifiedTime });
  }

  async writeDirectory(commandId: string, block: Uint8Array): Promise<void> {
    await this.ask({ op: 'update_upload_directory_write', commandId, block });
  }

  async unpackDirectory(commandId: string): Promise<void> {
    await this.ask({ op: 'update_upload_directory_unpack', commandId });
  }

  /** At most `length` bytes; none at the end. */
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
