import { messageOf, OperationalError, UnexpectedError, UserError } from '@millrace/domain';
import { WORKER_LIMITS } from '../limits.js';
import { ProtocolError, RemoteError } from '../protocol-error.js';
import { notResumable, RunningCommand } from '../running-command.js';
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
} from '../worker-connection.js';
import { FEATURE_OBFUSCATION, parseWorkerInfo, type WorkerInfo } from '../worker-info.js';
import { ATTACH_BANANA_LIMITS, DEFAULT_BANANA_LIMITS } from './banana.js';
import { Broker, type Call, type LocalObject, noSuchMethod, RemoteFailure } from './broker.js';
import { UNAUTHORIZED_LOGIN } from './failure.js';
import { type Jelly, plainOf, Reference, Tuple } from './jelly.js';
import { Lanes } from './lanes.js';
import { newChallenge, PbCredentials } from './login.js';
import { type PbCommand, pbCommands } from './pb-commands.js';
import { UpdateReader } from './pb-updates.js';
import { CommandObject, type FileKind, FileObject } from './remote-command.js';

export interface PbSessionOptions {
  /** A worker wants to log in. The owner checks its credentials, then calls `attach` or `refuse`. Called at most once. */
  readonly onLogin: (credentials: PbCredentials) => void;
  /** The worker asks for a graceful end: it takes no new commands, and expects `shutdown` when the last one has ended. */
  readonly onShutdownRequested?: () => void;
  /** Directories below the worker's base directory that are still needed. Some worker versions delete all others. */
  readonly builddirs?: () => readonly string[];
  /** Replaces the random challenge in tests that replay a recorded login. */
  readonly challenge?: () => Uint8Array;
}

interface Entry {
  isInterrupted: boolean;
  /** The lane that the command runs on; undefined before it is sent. */
  lane: number | undefined;
}

const CANCELLED: CommandOutcome = { rc: null, failure: null, failureReason: null, elapsedSeconds: null };
const FILE_KINDS: Readonly<Partial<Record<CommandName, FileKind>>> = {
  upload_file: 'upload',
  upload_directory: 'directory',
  download_file: 'download',
};
/** A directory that exists on every worker. Commands have absolute paths. */
const LANE_DIRECTORY = '.';

/**
 * The master's side of a Perspective Broker connection (`docs/protocols.md#pb`), which nearly all installed workers speak. Its constructor
 * sends the greeting; `onLogin` passes on the worker's credentials.
 */
export class PbMasterSession implements WorkerConnection {
  onUnacknowledged?: (bytes: number) => void;
  private readonly broker: Broker;
  private readonly commands = new Map<string, Entry>();
  private readonly running = new Set<RunningCommand>();
  private readonly lanes = new Lanes((names) => this.declare(names));
  private isChallenged = false;
  private bot: number | undefined;
  private login: { accept(): void; refuse(): void } | undefined;
  private attached: WorkerInfo | undefined;
  private maxLineLength = DEFAULT_WORKER_SETTINGS.maxLineLength;
  private unacknowledged = 0;
  private isClosed = false;

  constructor(
    private readonly transport: Transport,
    private readonly options: PbSessionOptions,
  ) {
    this.broker = new Broker({ send: (bytes) => this.send(bytes) }, { call: (call) => this.root(call) }, (error) =>
      this.end(messageOf(error)),
    );
  }

  get info(): WorkerInfo {
    if (this.attached === undefined) throw new UnexpectedError('not-attached', 'the worker has not been attached yet');
    return this.attached;
  }

  get unacknowledgedBytes(): number {
    return this.unacknowledged;
  }

  /** Attaches the worker and answers its login last. Of the settings only `maxLineLength` matters: PB workers buffer on their own. */
  async attach(settings: Partial<WorkerSettings> = {}): Promise<WorkerInfo> {
    this.maxLineLength = settings.maxLineLength ?? this.maxLineLength;
    this.broker.allow(ATTACH_BANANA_LIMITS);
    const [, answer] = await Promise.all([this.print('attached'), this.ask('getWorkerInfo')]);
    const plain = plainOf(answer);
    const info = parseWorkerInfo(typeof plain === 'object' && plain !== null ? { ...plain } : {});
    // Obfuscated arguments on command lines are part of this protocol.
    this.attached = { ...info, features: [FEATURE_OBFUSCATION], runningCommands: [], incarnation: null };
    await this.lanes.grow();
    this.broker.allow(DEFAULT_BANANA_LIMITS);
    this.login?.accept();
    return this.attached;
  }

  /** Refuses the login with the only answer after which a worker backs off. Every other exception ends its process. */
  refuse(): void {
    this.login?.refuse();
  }

  async startCommand(
    id: string,
    name: CommandName,
    args: Readonly<Record<string, unknown>>,
    sink: CommandSink,
  ): Promise<CommandOutcome> {
    if (this.commands.has(id)) throw new UnexpectedError('command-id-used', `command ${id} is running already`, { id });
    const entry: Entry = { isInterrupted: false, lane: undefined };
    this.commands.set(id, entry);
    try {
      const kind = FILE_KINDS[name];
      let outcome = CANCELLED;
      let isTold = false;
      const tell = (last: CommandOutcome): Promise<void> | undefined => {
        isTold = true;
        return sink.completed?.(last);
      };
      // The file object is made together with its command. A transfer is a single PB command, so the object belongs to exactly one.
      const count = kind === undefined ? pbCommands(name, args, undefined).length : 1;
      for (let index = 0; index < count && !entry.isInterrupted; index++) {
        const make = (files: Reference | undefined): PbCommand => pbCommands(name, args, files)[index]!;
        const completed = (one: CommandOutcome): Promise<void> | undefined =>
          index === count - 1 || hasFailed(one) ? tell(one) : undefined;
        outcome = await this.run(id, entry, make, kind, new RunningCommand(sink, completed));
        if (hasFailed(outcome)) break;
      }
      if (!isTold) await tell(outcome);
      return outcome;
    } finally {
      this.commands.delete(id);
    }
  }

  /** Always rejects: a PB worker stops its commands when the connection is lost. */
  resumeCommand(id: string): Promise<never> {
    return Promise.reject(notResumable(id));
  }

  forget(id: string): Promise<void> {
    return this.interrupt(id, 'nobody waits for it');
  }

  async interrupt(id: string, why: string): Promise<void> {
    const entry = this.commands.get(id);
    if (entry === undefined) return;
    entry.isInterrupted = true;
    if (entry.lane !== undefined) await this.broker.call(entry.lane, 'interruptCommand', [id, why]);
  }

  async ping(): Promise<void> {
    await this.print('ping');
  }

  async print(message: string): Promise<void> {
    await this.ask('print', new Map([['message', message]]));
  }

  /** Sends a request that leaves nothing in the worker's log. */
  async keepalive(): Promise<void> {
    await this.ask('getVersion');
  }

  async shutdown(): Promise<void> {
    await this.ask('shutdown');
  }

  receive(chunk: Uint8Array): void {
    if (this.isClosed) return;
    try {
      this.broker.receive(chunk);
    } catch (error) {
      this.end(messageOf(error));
    }
  }

  closed(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const lost = new OperationalError('worker-lost', `the connection to the worker is gone: ${reason}`, { reason });
    this.broker.close(lost);
    const running = [...this.running];
    this.running.clear();
    for (const command of running) command.refuse(lost);
    this.unacknowledged = 0;
    this.onUnacknowledged?.(0);
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.transport.close(reason);
    this.closed(reason);
  }

  private send(bytes: Uint8Array): void {
    if (this.transport.bufferedBytes() > MAX_UNSENT_BYTES) this.end(TAKES_TOO_LITTLE);
    else this.transport.send(bytes);
  }

  private async run(
    id: string,
    entry: Entry,
    make: (files: Reference | undefined) => PbCommand,
    kind: FileKind | undefined,
    command: RunningCommand,
  ): Promise<CommandOutcome> {
    if (this.broker.exposedObjects >= WORKER_LIMITS.exposedObjects) {
      this.end(`it holds ${WORKER_LIMITS.exposedObjects} objects of commands that are over`);
    }
    const lane = await this.lanes.take();
    if (entry.isInterrupted) {
      this.lanes.release(lane);
      return CANCELLED;
    }
    entry.lane = lane;
    // Registered before the request is sent: a quick command completes before the answer to its start arrives
    // (`docs/protocols.md#commands`).
    this.running.add(command);
    const completed = new Promise<void>((resolve) => {
      const hooks = {
        count: (bytes: number) => this.count(bytes),
        failed: (error: unknown) => this.interruptAfterFailure(id, error),
        completed: () => {
          if (entry.lane === lane) entry.lane = undefined;
          resolve();
        },
      };
      const progress = new CommandObject(command, new UpdateReader(this.maxLineLength), hooks);
      const files = kind && this.broker.expose(new FileObject(id, kind, command, hooks));
      const { name, args } = make(files);
      this.broker
        .call(lane, 'startCommand', [this.broker.expose(progress), id, name, args])
        .then(() => completed)
        .catch((error: unknown) => {
          entry.lane = undefined;
          command.refuse(refusal(id, name, error));
        })
        // Released only after the command has ended: the next command on a lane kills what still runs there.
        .finally(() => this.lanes.release(lane));
    });
    try {
      return await command.outcome;
    } finally {
      this.running.delete(command);
    }
  }

  /** Interrupts a command whose output or data could not be stored. The command's promise tells its owner why. */
  private interruptAfterFailure(id: string, error: unknown): void {
    // Interrupting fails only when the connection is lost, which the command's own promise reports.
    this.interrupt(id, messageOf(error)).catch(() => undefined);
  }

  private async declare(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const lanes = names.map((name) => [name, LANE_DIRECTORY] as const);
    const kept = this.attached?.deleteLeftoverDirs === true ? (this.options.builddirs?.() ?? []) : [];
    const wanted = [...lanes, ...kept.map((builddir) => [`directory ${builddir}`, builddir] as const)];
    const answer = await this.ask('setBuilderList', new Map(), [wanted.map((pair) => new Tuple(pair))]);
    const references = answer instanceof Map ? [...(answer as ReadonlyMap<Jelly, Jelly>)] : [];
    const luids = new Map<string, number>();
    for (const [name, reference] of references) {
      if (typeof name === 'string' && reference instanceof Reference) luids.set(name, reference.luid);
    }
    const missing = names.find((name) => !luids.has(name));
    if (missing !== undefined)
      throw new ProtocolError(`the worker has no builder '${missing}' after it was told of it`);
    return luids;
  }

  private root({ method, args: [name] }: Call): Jelly {
    if (method !== 'login') throw noSuchMethod(method);
    if (!(name instanceof Uint8Array)) throw new ProtocolError('login was given no name');
    if (name.length > WORKER_LIMITS.nameCharacters) {
      throw new ProtocolError(`a name has at most ${WORKER_LIMITS.nameCharacters} characters`);
    }
    if (this.isChallenged) throw new ProtocolError('the worker logs in a second time');
    this.isChallenged = true;
    const challenge = (this.options.challenge ?? newChallenge)();
    const challenger: LocalObject = { call: (call) => this.respond(call, name, challenge) };
    return new Tuple([challenge, this.broker.expose(challenger)]);
  }

  private respond({ method, args: [response, bot] }: Call, name: Uint8Array, challenge: Uint8Array): Promise<Jelly> {
    if (method !== 'respond') throw noSuchMethod(method);
    if (!(response instanceof Uint8Array) || !(bot instanceof Reference) || this.bot !== undefined) {
      throw new ProtocolError('the worker did not answer the challenge as it must');
    }
    this.bot = bot.luid;
    return new Promise((resolve, reject) => {
      this.login = {
        accept: () => resolve(this.broker.expose({ call: (call) => this.perspective(call) })),
        refuse: () => reject(new RemoteFailure(UNAUTHORIZED_LOGIN)),
      };
      this.options.onLogin(new PbCredentials(Buffer.from(name).toString('utf8'), challenge, response));
    });
  }

  private perspective({ method }: Call): Jelly {
    if (method === 'shutdown') this.options.onShutdownRequested?.();
    else if (method !== 'keepalive') throw noSuchMethod(method);
    return null;
  }

  private async ask(
    method: string,
    keywords: ReadonlyMap<Jelly, Jelly> = new Map(),
    args: readonly Jelly[] = [],
  ): Promise<Jelly> {
    if (this.bot === undefined) throw new UnexpectedError('not-logged-in', 'the worker has not logged in yet');
    return this.broker.call(this.bot, method, args, keywords);
  }

  private count(bytes: number): void {
    if (this.isClosed) return;
    this.unacknowledged += bytes;
    this.onUnacknowledged?.(this.unacknowledged);
  }
}

function refusal(id: string, name: string, error: unknown): unknown {
  if (error instanceof RemoteError || (error instanceof UserError && error.code === 'too-long-for-pb')) {
    return new UserError('command-refused', `the worker does not start '${name}': ${error.message}`, { id, name });
  }
  return error;
}

function hasFailed({ rc, failure }: CommandOutcome): boolean {
  return rc !== 0 || failure !== null;
}
