import { messageOf, UserError } from '@millrace/domain';
import type { MsgpackWorkerSession, WorkerSettings } from '@millrace/worker-protocol';
import { CommandOutput } from './command-output.js';
import { Arguments } from './commands/arguments.js';
import { type Command, CommandFailure } from './commands/command.js';
import { commandFactory } from './commands/index.js';
import type { Log } from './log.js';
import type { RunningGroups } from './running-groups.js';
import type { SendWindow } from './send-window.js';

/** The connection for which a command is started. */
export interface CommandConnection {
  readonly session: MsgpackWorkerSession;
  readonly window: SendWindow;
  readonly settings: Pick<WorkerSettings, 'bufferSize' | 'maxLineLength'>;
}

/** All commands that run, whichever connection started them: losing a connection ends none. */
export class CommandTable {
  private readonly running = new Map<string, Command>();

  constructor(
    private readonly basedir: string,
    private readonly environ: Readonly<Record<string, string>>,
    private readonly groups: RunningGroups,
    private readonly log: Log,
  ) {}

  get runningIds(): string[] {
    return [...this.running.keys()];
  }

  /** @throws UserError when the command is not known, its arguments are wrong, or its id runs already */
  start(connection: CommandConnection, id: string, name: string, args: Readonly<Record<string, unknown>>): void {
    const factory = commandFactory(name);
    if (factory === undefined) {
      throw new UserError('unknown-command', `(command ${id}): unrecognized WorkerCommand '${name}'`, { name });
    }
    if (this.running.has(id)) throw new UserError('command-id-used', `(command ${id}) is running already`, { id });
    const output = new CommandOutput(id, connection.session, connection.window, connection.settings);
    const command = factory({
      id,
      args: new Arguments(name, args),
      output,
      session: connection.session,
      basedir: this.basedir,
      environ: this.environ,
      groups: this.groups,
    });
    this.running.set(id, command);
    // Arguments may hold secrets: only the name is logged.
    this.log.info('command started', { id, command: name });
    void this.runToEnd(command, id, name, output, connection.session);
  }

  /** Ids that do not run are no error. */
  interrupt(id: string, why: string): void {
    this.log.info('command interrupted', { id, why, isRunning: this.running.has(id) });
    this.running.get(id)?.interrupt(why);
  }

  private async runToEnd(
    command: Command,
    id: string,
    name: string,
    output: CommandOutput,
    session: MsgpackWorkerSession,
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
    this.running.delete(id);
    this.log.info('command finished', {
      id,
      command: name,
      seconds: Number(seconds.toFixed(3)),
      ...(failure && { failure }),
    });
    try {
      await session.complete(id, failure);
    } catch (error) {
      this.log.warn('nobody takes the end of a command', { id, reason: messageOf(error) });
    }
  }
}
