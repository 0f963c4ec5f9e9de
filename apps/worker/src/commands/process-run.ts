import { messageOf } from '@millrace/domain';
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { signalGroup } from '../process-group.js';
import { reprBytes, shellQuoted } from '../python-repr.js';
import { CommandFailure, type CommandContext } from './command.js';
import type { ProcessEnvironment } from './environment.js';
import type { LogFileWatcher } from './log-file-watcher.js';
import { ProcessStreams } from './process-streams.js';

const LOG_FILE_POLL_MS = 2000;
/** How long a signal may take before a stronger one is sent, and how long SIGKILL may take before we stop waiting. */
const KILL_PATIENCE_MS = 5000;
/** How long the pipes of a killed command may stay open after its end: a process outside of its group may hold them for ever. */
const PIPE_PATIENCE_MS = 1000;
/** The longest time of `setTimeout`. With a longer one it does not wait at all. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface ProcessOptions {
  /** A text is run by the shell, a list directly. */
  readonly command: string | readonly string[];
  /** The command as headers show it. */
  readonly shownCommand: string | readonly string[];
  readonly workdir: string;
  readonly environment: ProcessEnvironment;
  readonly logEnviron: boolean;
  readonly stdin: string | null;
  readonly wantStdout: boolean;
  readonly wantStderr: boolean;
  /** Seconds without output. */
  readonly timeoutSeconds: number | null;
  readonly maxTimeSeconds: number | null;
  readonly maxLines: number | null;
  readonly sigtermTimeSeconds: number | null;
  readonly interruptSignal: NodeJS.Signals;
  readonly logFiles: readonly LogFileWatcher[];
  /** The watched files as the header shows them. */
  readonly shownLogFiles: string;
  /** Lines of the header before `using PTY`. */
  readonly notes: readonly string[];
}

/**
 * One process in a process group of its own, from its header to its exit status (`docs/protocols.md#shell`). Its pipes are read only as
 * fast as the master acknowledges. A kill kills the whole group.
 */
export class ProcessRun {
  private child: ChildProcess | undefined;
  private pipes: readonly (Readable | null)[] = [];
  private readonly startedAt = performance.now();
  private lastActivityAt = performance.now();
  private blockedSources = 0;
  private lines = 0;
  private isKilled = false;
  private isOver = false;
  private readonly timers = new Set<NodeJS.Timeout>();
  private giveUp: (error: Error) => void = () => undefined;

  constructor(
    private readonly context: CommandContext,
    private readonly options: ProcessOptions,
  ) {}

  /** Runs the process. Resolves with the exit status: −1 when a signal ended the process or when it was killed. */
  async run(): Promise<number> {
    await Promise.all(this.options.logFiles.map((file) => file.begin()));
    const streams = await ProcessStreams.open(this.options.stdin, this.context.streamFiles);
    if (this.isKilled) {
      streams.close();
      return -1;
    }
    this.writeHeader();
    try {
      return await new Promise<number>((resolve, reject) => {
        this.giveUp = reject;
        this.start(streams).then(resolve, reject);
      });
    } finally {
      this.isOver = true;
      for (const timer of this.timers) clearTimeout(timer);
    }
  }

  /** Returns the seconds since the beginning. */
  elapsedSeconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  interrupt(): void {
    this.kill('command interrupted');
  }

  /** Records activity of the process other than on its pipes. */
  noteActivity(): void {
    this.lastActivityAt = performance.now();
  }

  private async start(streams: ProcessStreams): Promise<number> {
    const { command, workdir, environment } = this.options;
    const [file, args] = typeof command === 'string' ? shellFor(command) : [command[0] ?? '', command.slice(1)];
    let child: ChildProcess;
    try {
      child = spawn(file, args, {
        cwd: workdir,
        env: environment.env,
        // A session and process group of its own, which can be killed as a whole.
        detached: true,
        stdio: streams.stdio,
      });
    } catch (error) {
      // Arguments that no process can get, such as a NUL byte, are refused before anything is started.
      streams.close();
      return this.notStarted(error);
    }
    this.child = child;
    if (child.pid !== undefined) this.context.groups.began(this.context.id, child.pid);
    const ended = this.whenEnded(child, streams);
    if (child.pid !== undefined) this.supervise();
    const result = await ended;
    if (result instanceof Error) return this.notStarted(result);
    if (this.isKilled) this.signalGroup('SIGKILL');
    this.context.groups.ended(this.context.id);
    await Promise.all(this.options.logFiles.map((log) => log.end()));
    this.context.output.end();
    if (result.signal !== null) {
      this.context.output.header(`process killed by signal ${constants.signals[result.signal]}\n`);
      return -1;
    }
    return this.isKilled && result.code === 0 ? -1 : result.code;
  }

  /** Resolves when the process and its pipes have ended, or it could not be started. */
  private async whenEnded(
    child: ChildProcess,
    streams: ProcessStreams,
  ): Promise<{ code: number; signal: NodeJS.Signals | null } | Error> {
    const { stdout, stderr } = streams.started(child);
    this.pipes = [stdout, stderr];
    const reading = [
      this.read(stdout, this.options.wantStdout ? 'stdout' : undefined),
      this.read(stderr, this.options.wantStderr ? 'stderr' : undefined),
    ];
    const exit = await new Promise<{ code: number; signal: NodeJS.Signals | null } | Error>((resolve) => {
      child.on('error', resolve);
      child.once('exit', (code, signal) => resolve({ code: code ?? -1, signal }));
    });
    if (exit instanceof Error) return exit;
    // The pipes stay open as long as any process that the command left behind holds them, as with a stock worker. A kill closes them.
    this.dropPipesWhenKilled(child);
    await Promise.all(reading);
    return exit;
  }

  private supervise(): void {
    const { timeoutSeconds, maxTimeSeconds, logFiles, shownCommand } = this.options;
    this.lastActivityAt = performance.now();
    const running = `running ${shownArgv(shownCommand)}`;
    if (timeoutSeconds !== null) this.watchForSilence(timeoutSeconds, running);
    if (maxTimeSeconds !== null) {
      this.after(maxTimeSeconds * 1000, () =>
        this.kill(`command timed out: ${maxTimeSeconds} seconds elapsed ${running}`, 'timeout'),
      );
    }
    if (logFiles.length > 0) this.pollLogFiles();
  }

  private watchForSilence(seconds: number, running: string): void {
    const silentMs =
      this.blockedSources > 0 || this.context.output.isBlocked ? 0 : performance.now() - this.lastActivityAt;
    if (silentMs >= seconds * 1000) {
      this.kill(`command timed out: ${seconds} seconds without output ${running}`, 'timeout_without_output');
    } else {
      this.after(seconds * 1000 - silentMs, () => this.watchForSilence(seconds, running));
    }
  }

  private pollLogFiles(): void {
    this.after(LOG_FILE_POLL_MS, () => {
      // When a file cannot be read, its last poll fails again, and the command with it.
      void Promise.all(this.options.logFiles.map((log) => log.poll())).then(
        () => this.pollLogFiles(),
        (error: unknown) => this.kill(`cannot read a log file: ${messageOf(error)}`),
      );
    });
  }

  /** Reads a pipe to its end, but pauses while too much waits for the master. That time does not count as silence. */
  private async read(pipe: Readable | null, stream: 'stdout' | 'stderr' | undefined): Promise<void> {
    if (pipe === null) return;
    const decoder = new StringDecoder('utf8');
    const { output } = this.context;
    pipe.on('data', (chunk: Buffer) => {
      this.lastActivityAt = performance.now();
      if (stream === undefined) return;
      this.countLines(output.write(stream, decoder.write(chunk)));
      if (output.isBlocked) void this.pauseWhileBlocked(pipe);
    });
    await new Promise<void>((resolve) => pipe.once('close', resolve));
    if (stream !== undefined) this.countLines(output.write(stream, decoder.end()));
  }

  private async pauseWhileBlocked(pipe: Readable): Promise<void> {
    pipe.pause();
    this.blockedSources += 1;
    await this.context.output.whenWritable();
    this.blockedSources -= 1;
    this.lastActivityAt = performance.now();
    pipe.resume();
  }

  private countLines(count: number): void {
    const { maxLines, shownCommand } = this.options;
    this.lines += count;
    if (maxLines === null || this.lines <= maxLines || this.isKilled) return;
    const running = `running ${shownArgv(shownCommand)}`;
    this.kill(`command exceeds max lines: ${this.lines}/${maxLines} written/allowed ${running}`, 'max_lines_failure');
  }

  /** Kills the process group, with TERM first if requested. Only the first reason counts. */
  private kill(reason: string, failureReason?: string): void {
    if (this.isKilled || this.isOver) return;
    this.isKilled = true;
    const { output } = this.context;
    if (failureReason !== undefined) output.event({ kind: 'failure_reason', reason: failureReason });
    output.header(`\n${reason}, attempting to kill\n`);
    const { sigtermTimeSeconds, interruptSignal } = this.options;
    if (this.child?.pid === undefined) return;
    this.dropPipesWhenKilled(this.child);
    if (sigtermTimeSeconds === null) return this.killWith(interruptSignal);
    this.signalGroup('SIGTERM');
    this.after(sigtermTimeSeconds * 1000, () => this.killWith(interruptSignal));
  }

  private killWith(signal: NodeJS.Signals): void {
    this.signalGroup(signal);
    this.after(KILL_PATIENCE_MS, () => {
      if (signal !== 'SIGKILL') return this.killWith('SIGKILL');
      this.context.output.header('SIGKILL failed to kill process\nusing fake rc=-1\n');
      this.giveUp(new CommandFailure('SIGKILL failed to kill the process', -1));
    });
  }

  /** Sends a signal to the group. A group that cannot be signalled is given up like one that does not end. */
  private signalGroup(signal: NodeJS.Signals): void {
    if (this.child?.pid !== undefined) signalGroup(this.child.pid, signal);
  }

  private dropPipesWhenKilled(child: ChildProcess): void {
    if (!this.isKilled || (child.exitCode === null && child.signalCode === null)) return;
    this.after(PIPE_PATIENCE_MS, () => {
      for (const pipe of this.pipes) pipe?.destroy();
    });
  }

  private after(delayMs: number, action: () => void): void {
    if (this.isOver) return;
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        if (this.isOver) return;
        if (delayMs > MAX_TIMER_MS) this.after(delayMs - MAX_TIMER_MS, action);
        else action();
      },
      Math.min(delayMs, MAX_TIMER_MS),
    );
    this.timers.add(timer);
  }

  /**
   * Reports a process that could not be started, in the words of a shell, but with a stock worker's exit status. The error's own text may
   * quote secrets.
   */
  private notStarted(error: unknown): number {
    const { shownCommand } = this.options;
    const file = typeof shownCommand === 'string' ? '/bin/sh' : shownCommand[0];
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    this.context.output.write('stderr', `cannot start '${file}': ${code}\n`);
    return 1;
  }

  private writeHeader(): void {
    const { shownCommand, workdir, timeoutSeconds, maxTimeSeconds, environment, logEnviron, stdin } = this.options;
    const lines = [
      typeof shownCommand === 'string' ? shownCommand : shellQuoted(shownCommand),
      ` in dir ${workdir}${limit('timeout', timeoutSeconds)}${limit('maxTime', maxTimeSeconds)}`,
      ` watching logfiles ${this.options.shownLogFiles}`,
      ` argv: ${shownArgv(shownCommand)}`,
    ];
    if (logEnviron) {
      lines.push(' environment:');
      for (const name of Object.keys(environment.shown).sort()) lines.push(`  ${name}=${environment.shown[name]}`);
    }
    if (stdin) lines.push(` writing ${Buffer.byteLength(stdin)} bytes to stdin`);
    lines.push(...this.options.notes, ' using PTY: False');
    this.context.output.header(`${lines.join('\n')}\n`);
  }
}

function shellFor(line: string): [string, string[]] {
  return ['/bin/sh', ['-c', line]];
}

function shownArgv(command: string | readonly string[]): string {
  return typeof command === 'string' ? reprBytes(command) : `[${command.map(reprBytes).join(', ')}]`;
}

function limit(name: string, seconds: number | null): string {
  if (seconds === null) return '';
  return ` (${name} ${seconds} ${seconds === 1 ? 'sec' : 'secs'})`;
}
