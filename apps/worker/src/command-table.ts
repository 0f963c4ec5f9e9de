import { messageOf, UserError } from '@millrace/domain';
import type { WorkerSettings } from '@millrace/worker-protocol';
import { CommandOutput } from './command-output.js';
import { Arguments } from './commands/arguments.js';
import { type Command, CommandFailure } from './commands/command.js';
import { commandFactory } from './commands/index.js';
import type { Log } from './log.js';
import { type Link, Outbox } from './outbox.js';
import type { RunningGroups } from './running-groups.js';
import type { Spool } from './spool.js';
import { StreamFiles } from './stream-files.js';

/** The connection on which a command is started. */
export interface CommandConnection extends Link {
  readonly settings: Pick<WorkerSettings, 'bufferSize' | 'maxLineLength'>;
}

interface HeldCommand {
  readonly command: Command;
  readonly outbox: Outbox;
}

/**
 * All commands that are held, whichever connection started them: running ones, and ended ones with updates that no master has acknowledged.
 * Losing a connection ends none.
 */
export class CommandTable {
  private readonly held = new Map<string, HeldCommand>();
  private readonly streamFiles: StreamFiles;

  constructor(
    private readonly basedir: string,
    private readonly environ: Readonly<Record<string, string>>,
    private readonly groups: RunningGroups,
    private readonly spool: Spool,
    private readonly log: Log,
  ) {
    this.streamFiles = new StreamFiles(log);
  }

  get heldIds(): string[] {
    return [...this.held.keys()];
  }

  /**
   * Starts a command.
   * @throws UserError when the command is not known, its arguments are wrong, or its id is held already
   */
  start(connection: CommandConnection, id: string, name: string, args: Readonly<Record<string, unknown>>): void {
    const factory = commandFactory(name);
    if (factory === undefined) {
      throw new UserError('unknown-command', `(command ${id}): unrecognized WorkerCommand '${name}'`, { name });
    }
    if (this.held.has(id)) throw new UserError('command-id-used', `(command ${id}) is running already`, { id });
    const outbox = new Outbox(
      id,
      this.spool,
      { idle: () => output.flushWhenDue(), delivered: () => this.held.delete(id), broken: () => this.forget(id) },
      this.log,
    );
    const output = new CommandOutput(outbox, connection.settings);
    const command = factory({
      id,
      args: new Arguments(name, args),
      output,
      session: connection.session,
      basedir: this.basedir,
      environ: this.environ,
      groups: this.groups,
      streamFiles: this.streamFiles,
    });
    this.held.set(id, { command, outbox });
    outbox.attach(connection);
    // Arguments may contain secrets: only the name is logged.
    this.log.info('command started', { id, command: name });
    void this.runToEnd({ command, outbox }, id, name, output);
  }

  /**
   * Stops sending what a held command outputs, so that a master can take it over. The returned function sends the rest to that master.
   * @throws UserError when the command is not held
   */
  resume(link: Link, id: string): () => void {
    const held = this.held.get(id);
    if (held === undefined)
      throw new UserError('unknown-command-id', `(command ${id}) is not held by this worker`, { id });
    this.log.info('command resumed', { id });
    held.outbox.detach();
    return () => held.outbox.attach(link);
  }

  /** Ends and drops a command. Ids that are not held are no error. */
  forget(id: string): void {
    this.log.info('command forgotten', { id, isHeld: this.held.has(id) });
    const held = this.held.get(id);
    this.held.delete(id);
    held?.outbox.drop();
    held?.command.interrupt('nobody waits for it');
  }

  /** Handles the loss of the master, or a new one that knows nothing yet: nothing is sent about a command until it is resumed. */
  detach(): void {
    for (const { outbox } of this.held.values()) outbox.detach();
  }

  /** Interrupts a command. Ids that are not held are no error. */
  interrupt(id: string, why: string): void {
    this.log.info('command interrupted', { id, why, isHeld: this.held.has(id) });
    this.held.get(id)?.command.interrupt(why);
  }

  private async runToEnd(
    { command, outbox }: HeldCommand,
    id: string,
    name: string,
    output: CommandOutput,
  ): Promise<void> {
    const startedAt = performance.now();
    let rc: number | undefined;
    let failure: string | null = null;
    try {
      rc = await command.run();
    } catch (error) {
      failure = messageOf(error);
      rc = error instanceof CommandFailure ? error.rc : undefined;
    }
    const seconds = (performance.now() - startedAt) / 1000;
    output.end();
    if (rc !== undefined) output.event({ kind: 'rc', rc });
    output.event({ kind: 'elapsed', seconds });
    output.flush();
    this.log.info('command finished', {
      id,
      command: name,
      seconds: Number(seconds.toFixed(3)),
      ...(failure && { failure }),
    });
    outbox.finish(failure);
  }
}
