import { messageOf } from '@millrace/domain';
import {
  basicAuthorization,
  COMMAND_NAMES,
  type CommandUpdate,
  FEATURE_RESUME,
  MsgpackWorkerSession,
} from '@millrace/worker-protocol';
import { WebSocket } from 'ws';
import { FakeCommands } from './fake-commands.js';

/** What a scripted command can do. It does not wait for acknowledgements unless it awaits `acknowledged`. */
export interface FakeCommandContext {
  readonly id: string;
  /** The connection, for transfers and any other messages of a test. */
  readonly session: MsgpackWorkerSession;
  /** Aborted by `interrupt_command`, with `why` as its reason, and when the connection is lost. */
  readonly interrupted: AbortSignal;
  /** Resolves with `why` when the command is interrupted, at once if it was already. */
  untilInterrupted(): Promise<string>;
  /** Sends whole lines of output as one update message. */
  stdout(text: string): void;
  stderr(text: string): void;
  header(text: string): void;
  log(name: string, text: string): void;
  update(...updates: CommandUpdate[]): void;
  /** Resolves when the master has acknowledged every update so far. Rejects with the first refusal. */
  acknowledged(): Promise<void>;
}

/** A scripted command. It returns the exit status (nothing: 0). Whatever it throws becomes the command's failure. */
export type FakeCommand = (
  args: Readonly<Record<string, unknown>>,
  context: FakeCommandContext,
) => number | void | Promise<number | void>;

export interface FakeWorkerOptions {
  /** `ws://host:port` */
  readonly url: string;
  readonly name: string;
  readonly password?: string;
  /** Scripts by command name. Other commands succeed at once without output. */
  readonly commands?: Readonly<Record<string, FakeCommand>>;
  /**
   * Its commands go on without a connection, and the next connection with them takes them over (I9), as if the one before were cut.
   * Undefined: they end with the connection.
   */
  readonly resumes?: FakeCommands;
  /** Added to the worker's information. */
  readonly info?: Readonly<Record<string, unknown>>;
}

/** A worker over a real socket whose commands are functions. It does not reconnect: connect another one. */
export class FakeWorker {
  /** Every command that was started, in order. */
  readonly started: { id: string; name: string; args: Readonly<Record<string, unknown>> }[] = [];
  readonly printed: string[] = [];
  /** Resolves with the reason why the connection ended. */
  readonly closed: Promise<string>;
  private readonly session: MsgpackWorkerSession;
  private readonly commands: FakeCommands;

  private constructor(
    private readonly socket: WebSocket,
    private readonly options: FakeWorkerOptions,
  ) {
    this.commands = options.resumes ?? new FakeCommands();
    this.commands.take(this);
    this.session = new MsgpackWorkerSession(
      {
        send: (frame) => socket.send(frame),
        close: () => socket.close(),
        bufferedBytes: () => socket.bufferedAmount,
      },
      {
        print: (message) => void this.printed.push(message),
        info: () => this.info(),
        settings: () => undefined,
        startCommand: (id, name, args) => this.start(id, name, args),
        interrupt: (id, why) => void (this.hasCommands && this.commands.interrupt(id, why)),
        resume: (id) => {
          const { output } = this.commands.held(id);
          return () => output.attach(this.session);
        },
        forget: (id) => void (this.hasCommands && this.commands.forget(id)),
        shutdown: () => void setImmediate(() => socket.terminate()),
      },
    );
    socket.on('message', (data: Buffer) => this.session.receive(data));
    this.closed = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.session.closed(`code ${code}`);
        if (!options.resumes) this.commands.interruptAll('connection lost');
        else if (this.hasCommands) this.commands.detach();
        resolve(`code ${code}`);
      });
    });
  }

  /** Resolves when the master has accepted the connection. Rejects when it refuses, e.g. with "Unexpected server response: 401". */
  static connect(options: FakeWorkerOptions): Promise<FakeWorker> {
    const { name, password = '' } = options;
    const socket = new WebSocket(options.url, {
      perMessageDeflate: false,
      headers: { Authorization: basicAuthorization({ name, password }) },
    });
    const worker = new FakeWorker(socket, options);
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(worker));
      socket.on('error', reject);
    });
  }

  get name(): string {
    return this.options.name;
  }

  private get hasCommands(): boolean {
    return this.commands.isWith(this);
  }

  /** Sends a WebSocket ping. Resolves with the time until its pong; never when the connection is lost first. */
  async keepaliveMs(): Promise<number> {
    const startedAt = performance.now();
    const answered = new Promise<void>((resolve) => this.socket.once('pong', () => resolve()));
    this.socket.ping();
    await answered;
    return performance.now() - startedAt;
  }

  /** Ends the connection as a stopped worker does. */
  async disconnect(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  /** Ends the connection as a killed worker does. */
  async terminate(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  private info(): Record<string, unknown> {
    return {
      admin: 'tests\n',
      host: 'a fake worker\n',
      environ: {},
      system: 'posix',
      basedir: `/fake/${this.name}`,
      numcpus: 1,
      version: 'fake',
      worker_commands: Object.fromEntries(COMMAND_NAMES.map((command) => [command, '3.3'])),
      delete_leftover_dirs: false,
      ...(this.options.resumes && { millrace_features: [FEATURE_RESUME], running_commands: this.commands.ids }),
      ...this.options.info,
    };
  }

  private start(id: string, name: string, args: Readonly<Record<string, unknown>>): void {
    this.started.push({ id, name, args });
    const run = this.commands.begin(id, this.options.resumes !== undefined);
    run.output.attach(this.session);
    void this.run(id, this.options.commands?.[name] ?? succeedAtOnce, args, run);
  }

  private async run(
    id: string,
    command: FakeCommand,
    args: Readonly<Record<string, unknown>>,
    { output, interruption: { signal: interrupted } }: ReturnType<FakeCommands['begin']>,
  ): Promise<void> {
    const startedAt = performance.now();
    const update = (...updates: CommandUpdate[]): void => output.say(updates);
    let failure: string | null = null;
    try {
      const rc = await command(args, {
        id,
        session: this.session,
        interrupted,
        untilInterrupted: () => whenAborted(interrupted),
        update,
        stdout: (text) => update({ kind: 'stdout', text }),
        stderr: (text) => update({ kind: 'stderr', text }),
        header: (text) => update({ kind: 'header', text }),
        log: (name, text) => update({ kind: 'log', name, text }),
        acknowledged: () => output.acknowledged(),
      });
      update({ kind: 'rc', rc: rc ?? 0 }, { kind: 'elapsed', seconds: (performance.now() - startedAt) / 1000 });
    } catch (error) {
      failure = messageOf(error);
    }
    await output.finish(failure);
  }
}

function succeedAtOnce(args: Readonly<Record<string, unknown>>, context: FakeCommandContext): void {
  if ('path' in args) context.update({ kind: 'files', files: [] });
}

async function whenAborted(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  return String(signal.reason);
}
