import { messageOf } from '@millrace/domain';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from './log.js';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
/** Number of FIFOs that one further process makes at a time, enough for 16 commands. */
const BATCH = 32;
const PATIENCE_MS = 5000;
/** On other systems opening `/dev/stdout` duplicates its descriptor, of whatever kind, or there is no such name. */
const IS_NEEDED = process.platform === 'linux';

/** Descriptors of both ends of a pipe. */
export interface OutputPipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Standard streams that a process can open by name, as `/dev/stdout` or `/proc/self/fd/1`. Node gives its children sockets, which cannot be
 * opened on Linux, and has no `pipe(2)`. These are FIFOs and files that lose their names as soon as they are open.
 */
export class StreamFiles {
  private readonly spare: OutputPipe[] = [];
  private lastTrouble = '';

  constructor(private readonly log: Log) {}

  /** Returns two pipes; null when none are needed or can be made. The caller closes all four ends. */
  takePipes(): readonly [OutputPipe, OutputPipe] | null {
    if (!IS_NEEDED) return null;
    try {
      if (this.spare.length < 2) this.fill();
    } catch (error) {
      this.warn(messageOf(error));
    }
    const [one, two] = this.spare.length < 2 ? [] : this.spare.splice(-2);
    return one && two ? [one, two] : null;
  }

  /**
   * Returns a descriptor for reading a text, which the caller closes; null when none is needed or can be made. It is a file's and not a
   * pipe's: a process that opened a FIFO by name would wait for a writer, and ours has finished.
   */
  async holding(text: string): Promise<number | null> {
    if (!IS_NEEDED) return null;
    try {
      return await fileWith(text);
    } catch (error) {
      this.warn(messageOf(error));
      return null;
    }
  }

  /** Synchronous, so that a signal that ends the worker finds either nothing or all of it done. */
  private fill(): void {
    // Only this user can access it.
    const folder = mkdtempSync(join(tmpdir(), 'millrace-pipes-'));
    try {
      const paths = Array.from({ length: BATCH }, (_none, index) => join(folder, String(index)));
      execFileSync('mkfifo', ['-m', '600', ...paths], { timeout: PATIENCE_MS, stdio: ['ignore', 'ignore', 'pipe'] });
      for (const path of paths) this.spare.push(openPipe(path));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  private warn(reason: string): void {
    // Names are random, so errors are compared by their kind.
    const kind = reason.split(' ', 1)[0]!;
    if (kind === this.lastTrouble) return;
    this.lastTrouble = kind;
    this.log.warn('commands get sockets, and cannot open /dev/stdout or /dev/stdin', { reason });
  }
}

/** Opens both ends. The reader does not wait for a writer. The writer finds the reader, and writes as to any pipe. */
function openPipe(path: string): OutputPipe {
  const readEnd = openSync(path, O_RDONLY | O_NONBLOCK);
  try {
    return { readEnd, writeEnd: openSync(path, O_WRONLY) };
  } catch (error) {
    closeSync(readEnd);
    throw error;
  }
}

export function closePipe({ readEnd, writeEnd }: OutputPipe): void {
  closeSync(readEnd);
  closeSync(writeEnd);
}

async function fileWith(text: string): Promise<number> {
  const path = join(tmpdir(), `millrace-stdin-${randomUUID()}`);
  const file = await open(path, 'wx', 0o600);
  let readEnd: number | undefined;
  try {
    try {
      readEnd = openSync(path, 'r');
    } finally {
      await unlink(path);
    }
    await file.writeFile(text);
    return readEnd;
  } catch (error) {
    if (readEnd !== undefined) closeSync(readEnd);
    throw error;
  } finally {
    await file.close();
  }
}
