import type { ChildProcess, StdioOptions } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { closePipe, type OutputPipe, type StreamFiles } from '../stream-files.js';

/** The standard streams of one process. On Linux the process can open them by name, too. */
export class ProcessStreams {
  private constructor(
    private readonly stdin: string | null,
    private readonly stdinFile: number | null,
    private readonly pipes: readonly [OutputPipe, OutputPipe] | null,
  ) {}

  /**
   * Opens the streams.
   * @param stdin text for the process to read; null for none
   */
  static async open(stdin: string | null, files: StreamFiles): Promise<ProcessStreams> {
    const stdinFile = stdin === null ? null : await files.holding(stdin);
    return new ProcessStreams(stdin, stdinFile, files.takePipes());
  }

  /** The streams with which the process is started. */
  get stdio(): StdioOptions {
    const [out, err] = this.pipes ?? [];
    const stdin = this.stdinFile ?? (this.stdin === null ? 'ignore' : 'pipe');
    return [stdin, out?.writeEnd ?? 'pipe', err?.writeEnd ?? 'pipe'];
  }

  /** Returns the output of the process. Its own ends are closed here, so that the output ends when no other process holds them. */
  started(child: ChildProcess): { stdout: Readable | null; stderr: Readable | null } {
    if (this.stdinFile !== null) closeSync(this.stdinFile);
    if (child.stdin !== null) {
      // A process need not read what it is given: a closed pipe is its own affair.
      child.stdin.on('error', () => undefined);
      child.stdin.end(this.stdin ?? '');
    }
    if (this.pipes === null) return { stdout: child.stdout, stderr: child.stderr };
    return { stdout: outputOf(this.pipes[0]), stderr: outputOf(this.pipes[1]) };
  }

  /** Closes the streams of a process that is not started at all. */
  close(): void {
    if (this.stdinFile !== null) closeSync(this.stdinFile);
    this.pipes?.forEach(closePipe);
  }
}

function outputOf({ readEnd, writeEnd }: OutputPipe): Readable {
  closeSync(writeEnd);
  return new Socket({ fd: readEnd, readable: true, writable: false });
}
