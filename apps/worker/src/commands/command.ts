import type { MsgpackWorkerSession } from '@millrace/worker-protocol';
import type { CommandOutput } from '../command-output.js';
import type { StreamFiles } from '../stream-files.js';
import type { Arguments } from './arguments.js';

/** What a command may use. */
export interface CommandContext {
  readonly id: string;
  readonly args: Arguments;
  readonly output: CommandOutput;
  /** The connection on which the command was started. Transfers fail when it is lost. */
  readonly session: MsgpackWorkerSession;
  readonly basedir: string;
  /** The worker's own environment. */
  readonly environ: Readonly<Record<string, string>>;
  /** Records every process group that begins and ends, so that none outlives the worker. */
  readonly groups: ProcessGroups;
  /** For the standard streams of processes. */
  readonly streamFiles: StreamFiles;
}

export interface ProcessGroups {
  began(commandId: string, pid: number): void;
  ended(commandId: string): void;
}

export interface Command {
  /**
   * Runs to the end. Resolves with the exit status after everything else has been sent; undefined when `rc` has been sent already. Rejects
   * when the command broke down: the error becomes the failure in `complete`, beside the `rc` of a {@link CommandFailure}.
   */
  run(): Promise<number | undefined>;
  /** Interrupts the command. May be called at any time, more than once. */
  interrupt(why: string): void;
}

/** Makes a command. It reads its arguments at once: what it throws refuses the command. */
export type CommandFactory = (context: CommandContext) => Command;

/** Thrown when a command broke down although it has an exit status. */
export class CommandFailure extends Error {
  constructor(
    message: string,
    readonly rc: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
