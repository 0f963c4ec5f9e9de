import { isObfuscated } from '@millrace/worker-protocol';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { repr } from '../python-repr.js';
import type { Arguments } from './arguments.js';
import type { Command, CommandContext } from './command.js';
import { processEnvironment } from './environment.js';
import { LogFileWatcher } from './log-file-watcher.js';
import { makeDirectories } from './make-directories.js';
import { type ProcessOptions, ProcessRun } from './process-run.js';

/** Runs a program or a shell line (`docs/protocols.md#shell`). */
export class ShellCommand implements Command {
  private readonly process: ProcessRun;
  private readonly workdir: string;

  constructor(private readonly context: CommandContext) {
    const { args } = context;
    this.workdir = args.text('workdir');
    this.process = new ProcessRun(context, this.options(args));
  }

  async run(): Promise<undefined> {
    await makeDirectories(this.workdir);
    const rc = await this.process.run();
    const { output } = this.context;
    output.end();
    output.event({ kind: 'rc', rc });
    output.header(`elapsedTime=${this.process.elapsedSeconds().toFixed(6)}\n`);
  }

  interrupt(): void {
    this.process.interrupt();
  }

  private options(args: Arguments): ProcessOptions {
    const { command, shownCommand } = commandLine(args);
    const stdin = args.optionalText('initial_stdin');
    const notes: string[] = [];
    if (args.flag('usePTY', false)) {
      notes.push(' note: this worker has no pseudo-terminals; the command runs without one');
    }
    return {
      command,
      shownCommand,
      workdir: this.workdir,
      environment: processEnvironment(this.context.environ, args, this.workdir),
      logEnviron: args.flag('logEnviron', true),
      stdin,
      wantStdout: args.flag('want_stdout', true),
      wantStderr: args.flag('want_stderr', true),
      timeoutSeconds: args.limit('timeout'),
      maxTimeSeconds: args.limit('maxTime'),
      maxLines: args.limit('max_lines'),
      sigtermTimeSeconds: args.optionalNumber('sigtermTime'),
      interruptSignal: signalNamed(args),
      logFiles: this.logFiles(args),
      shownLogFiles: repr(args.map('logfiles')),
      notes,
    };
  }

  private logFiles(args: Arguments): LogFileWatcher[] {
    return Object.entries(args.map('logfiles')).map(([name, value]) => {
      const { filename, follow = false } = (typeof value === 'string' ? { filename: value } : (value ?? {})) as {
        filename?: unknown;
        follow?: unknown;
      };
      if (typeof filename !== 'string') return args.bad(`logfiles.${name}`, value, 'a file name or {filename, follow}');
      const path = resolve(this.workdir, filename);
      return new LogFileWatcher(name, path, Boolean(follow), this.context.output, () => this.process.noteActivity());
    });
  }
}

function commandLine(args: Arguments): Pick<ProcessOptions, 'command' | 'shownCommand'> {
  const value = args.raw('command');
  if (typeof value === 'string') return { command: value, shownCommand: value };
  if (!Array.isArray(value) || value.length === 0)
    return args.bad('command', value, 'text or a list that is not empty');
  const items = value as unknown[];
  return {
    command: items.map((item) => (isObfuscated(item) ? item.value : asText(item))),
    shownCommand: items.map((item) => (isObfuscated(item) ? item.obfuscated : asText(item))),
  };
}

function asText(item: unknown): string {
  return typeof item === 'string' ? item : repr(item);
}

function signalNamed(args: Arguments): NodeJS.Signals {
  const name = args.optionalText('interruptSignal') ?? 'KILL';
  const signal = `SIG${name}`;
  if (!(signal in constants.signals)) args.bad('interruptSignal', name, "a signal's name without SIG");
  return signal as NodeJS.Signals;
}
