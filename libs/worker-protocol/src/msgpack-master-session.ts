import { messageOf, OperationalError, UnexpectedError, UserError } from '@millrace/domain';
import {
  decodeWorkerMessage,
  encodeMasterRequest,
  encodeResponse,
  type MasterRequest,
  type Numbered,
  resultMap,
  type TransferRequest,
  type WorkerMessage,
  type WorkerRequest,
} from './messages.js';
import { OutstandingRequests } from './outstanding-requests.js';
import { WORKER_LIMITS } from './limits.js';
import { ProtocolError, RemoteError, shown } from './protocol-error.js';
import { notResumable, RunningCommand } from './running-command.js';
import { withoutSecrets } from './obfuscation.js';
import {
  type CommandName,
  type CommandOutcome,
  type CommandSink,
  DEFAULT_WORKER_SETTINGS,
  MAX_UNSENT_BYTES,
  TAKES_TOO_LITTLE,
  type Transport,
  type WorkerConnection,
  type WorkerSettings,
} from './worker-connection.js';
import { FEATURE_RESUME, parseWorkerInfo, type WorkerInfo } from './worker-info.js';

export interface MasterSessionOptions {
  /** Decode the arrival time of every line. Off by default, because decoding the times costs more than decoding the lines. */
  readonly wantLineTimes?: boolean;
}

/** The master's side of a msgpack connection (`docs/protocols.md#msgpack`). */
export class MsgpackMasterSession implements WorkerConnection {
  onUnacknowledged?: (bytes: number) => void;
  private readonly requests = new OutstandingRequests();
  private readonly commands = new Map<string, RunningCommand>();
  private attached: WorkerInfo | undefined;
  private unacknowledged = 0;
  private isClosed = false;

  constructor(
    private readonly transport: Transport,
    private readonly options: MasterSessionOptions = {},
  ) {}

  get info(): WorkerInfo {
    if (this.attached === undefined) throw new UnexpectedError('not-attached', 'the worker has not been attached yet');
    return this.attached;
  }

  get unacknowledgedBytes(): number {
    return this.unacknowledged;
  }

  async attach(settings: Partial<WorkerSettings> = {}): Promise<WorkerInfo> {
    const [, answer] = await Promise.all([
      this.print('attached'),
      this.ask({ op: 'get_worker_info' }),
      this.ask({ op: 'set_worker_settings', settings: { ...DEFAULT_WORKER_SETTINGS, ...settings } }),
    ]);
    this.attached = parseWorkerInfo(resultMap(answer));
    return this.attached;
  }

  async startCommand(
    id: string,
    name: CommandName,
    args: Readonly<Record<string, unknown>>,
    sink: CommandSink,
  ): Promise<CommandOutcome> {
    if (this.commands.has(id)) throw new UnexpectedError('command-id-used', `command ${id} is running already`, { id });
    const sent = name === 'shell' ? withoutSecrets(this.attached, args) : args;
    const command = new RunningCommand(sink, (outcome) => sink.completed?.(outcome));
    // Registered before the request is sent: a quick command completes before the answer to its start arrives
    // (`docs/protocols.md#commands`).
    this.commands.set(id, command);
    this.ask({ op: 'start_command', commandId: id, commandName: name, args: sent }).catch((error: unknown) => {
      // A resume may have replaced the command meanwhile.
      if (this.commands.get(id) === command) this.commands.delete(id);
      command.refuse(
        error instanceof RemoteError
          ? new UserError('command-refused', `the worker does not start '${name}': ${error.message}`, { id, name })
          : error,
      );
    });
    return command.outcome;
  }

  async resumeCommand(id: string, sink: CommandSink): Promise<CommandOutcome> {
    if (!this.canResume) throw notResumable(id);
    const command = new RunningCommand(sink, (outcome) => sink.completed?.(outcome));
    // Registered with the answer and not before: what the worker sent earlier is repeated after it.
    const answered = (): void => {
      this.commands.get(id)?.refuse(new OperationalError('command-resumed', `command ${id} was resumed`, { id }));
      this.commands.set(id, command);
    };
    this.ask({ op: 'resume_command', commandId: id }, answered).catch((error: unknown) =>
      command.refuse(
        error instanceof RemoteError
          ? new UserError('command-unknown', `the worker does not hold command ${id}: ${error.message}`, { id })
          : error,
      ),
    );
    return command.outcome;
  }

  async forget(id: string): Promise<void> {
    if (this.canResume) await this.ask({ op: 'forget_command', commandId: id });
    else await this.interrupt(id, 'nobody waits for it');
  }

  async interrupt(id: string, why: string): Promise<void> {
    await this.ask({ op: 'interrupt_command', commandId: id, why });
  }

  async ping(): Promise<void> {
    await this.print('ping');
  }

  async print(message: string): Promise<void> {
    await this.ask({ op: 'print', message });
  }

  async keepalive(): Promise<void> {
    await this.ask({ op: 'keepalive' });
  }

  async shutdown(): Promise<void> {
    await this.ask({ op: 'shutdown' });
  }

  receive(frame: Uint8Array): void {
    if (this.isClosed) return;
    try {
      const { messageBytes, attachMessageBytes } = WORKER_LIMITS;
      const most = this.attached === undefined ? attachMessageBytes : messageBytes;
      if (frame.byteLength > most) {
        throw new ProtocolError(`a message of ${frame.byteLength} bytes is longer than the ${most} allowed`);
      }
      this.dispatch(decodeWorkerMessage(frame, this.options.wantLineTimes), frame.byteLength);
    } catch (error) {
      this.end(messageOf(error));
    }
  }

  closed(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const lost = new OperationalError('worker-lost', `the connection to the worker is gone: ${reason}`, { reason });
    const commands = [...this.commands.values()];
    this.commands.clear();
    this.requests.close(lost);
    for (const command of commands) command.refuse(lost);
    this.unacknowledged = 0;
    this.onUnacknowledged?.(0);
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.transport.close(reason);
    this.closed(reason);
  }

  private dispatch(message: WorkerMessage, bytes: number): void {
    switch (message.op) {
      case 'response':
        return this.requests.answer(message);
      case 'invalid':
        return this.respond(message.seq, message.problem, true);
      default: {
        const command = this.commands.get(message.commandId);
        if (command === undefined) {
          this.respond(message.seq, `there is no command ${shown(message.commandId)} on this connection`, true);
        } else if (message.op === 'excess') {
          command.excess(message.error);
          this.respond(message.seq, message.error.message, true);
          this.interruptAfterFailure(message.commandId, message.error);
        } else if (message.op === 'update') {
          this.update(command, message, bytes);
        } else if (message.op === 'complete') {
          this.commands.delete(message.commandId);
          command.complete(message.failure).then(
            () => this.respond(message.seq, null),
            // A worker that keeps no outcome could do nothing about the error.
            (error: unknown) =>
              this.canResume ? this.respond(message.seq, messageOf(error), true) : this.respond(message.seq, null),
          );
        } else {
          void this.transfer(command, message, bytes);
        }
      }
    }
  }

  private update(command: RunningCommand, message: Numbered<WorkerRequest & { op: 'update' }>, bytes: number): void {
    this.count(bytes);
    const stored = command.update(message.updates, message.updateNumber);
    if (stored === undefined) return this.acknowledge(message.seq, bytes);
    stored.then(
      () => this.acknowledge(message.seq, bytes),
      (error: unknown) => {
        this.count(-bytes);
        this.respond(message.seq, messageOf(error), true);
        this.interruptAfterFailure(message.commandId, error);
      },
    );
  }

  private acknowledge(seq: number, bytes: number): void {
    this.count(-bytes);
    this.respond(seq, null);
  }

  private async transfer(command: RunningCommand, message: Numbered<TransferRequest>, bytes: number): Promise<void> {
    this.count(bytes);
    try {
      const result = await command.transfer(message);
      this.count(-bytes);
      this.respond(message.seq, result);
    } catch (error) {
      this.count(-bytes);
      this.respond(message.seq, messageOf(error), true);
      this.interruptAfterFailure(message.commandId, error);
    }
  }

  /** Interrupts a command whose output or data could not be stored. The command's promise tells its owner why. */
  private interruptAfterFailure(id: string, error: unknown): void {
    if (!this.commands.has(id)) return;
    // Interrupting fails only when the connection is lost, which the command's own promise reports.
    this.interrupt(id, messageOf(error)).catch(() => undefined);
  }

  private get canResume(): boolean {
    return this.attached?.features.includes(FEATURE_RESUME) ?? false;
  }

  private ask(request: MasterRequest, answered?: () => void): Promise<unknown> {
    return this.requests.ask(request.op, (seq) => this.send(encodeMasterRequest(seq, request)), answered);
  }

  private respond(seq: number, result: unknown, isException = false): void {
    if (this.isClosed) return;
    this.send(encodeResponse({ seq, result, isException }));
  }

  private send(frame: Uint8Array): void {
    if (this.transport.bufferedBytes() > MAX_UNSENT_BYTES) this.end(TAKES_TOO_LITTLE);
    else this.transport.send(frame);
  }

  private count(bytes: number): void {
    if (this.isClosed) return;
    this.unacknowledged += bytes;
    this.onUnacknowledged?.(this.unacknowledged);
  }
}
