import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import type { CommandOutput } from '../command-output.js';

const BLOCK_BYTES = 65_536;

/**
 * Follows one file that a command writes. A file that existed before is sent only once it has changed: from its beginning, or with `follow`
 * from where it ended when the command began. A file that gets shorter is read from its beginning again, and so is one that replaces it,
 * after the rest of the old one. The old one is kept open, so that its rest can be read and its inode number is not reused meanwhile.
 */
export class LogFileWatcher {
  private decoder = new StringDecoder('utf8');
  private before: BigIntStats | undefined;
  private file: FileHandle | undefined;
  private position: number | undefined;
  private isInLine = false;
  private lastPoll = Promise.resolve();

  constructor(
    private readonly name: string,
    private readonly path: string,
    private readonly follow: boolean,
    private readonly output: Pick<CommandOutput, 'writeLog' | 'isBlocked' | 'whenWritable'>,
    private readonly onActivity: () => void,
  ) {}

  /** Records the file's state before the command begins. */
  async begin(): Promise<void> {
    this.before = await stat(this.path, { bigint: true }).catch(() => undefined);
  }

  /** Sends what was added. Polls never overlap. */
  poll(): Promise<void> {
    this.lastPoll = this.lastPoll.then(() => this.readNew());
    return this.lastPoll;
  }

  /** Sends the rest. */
  async end(): Promise<void> {
    try {
      await this.poll();
    } finally {
      await this.file?.close();
      this.file = undefined;
    }
    this.write(this.decoder.end());
  }

  private async readNew(): Promise<void> {
    // Without O_NONBLOCK a FIFO would block a thread of the pool until somebody writes to it.
    const file = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
    // The writer of a FIFO would take us for its reader.
    if (file && !(await file.stat()).isFile()) return file.close();
    const old = this.file;
    // A file that does not exist (any more) has no new content, but the old one may have got some.
    if (file === undefined) return old && this.readFrom(old);
    if (old && (await isSame(old, file))) {
      await file.close();
      return this.readFrom(old);
    }
    this.file = file;
    if (old) {
      try {
        await this.readFrom(old);
      } finally {
        await old.close();
      }
      this.startOver();
    }
    await this.readFrom(file);
  }

  private async readFrom(file: FileHandle): Promise<void> {
    const now = await file.stat({ bigint: true });
    if (this.position === undefined) {
      const { before } = this;
      if (before !== undefined && before.ino === now.ino && before.size === now.size && before.mtimeNs === now.mtimeNs)
        return;
      this.position = this.follow && before?.ino === now.ino ? Number(before.size) : 0;
    }
    if (Number(now.size) < this.position) this.startOver();
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    // Only up to the size of a moment ago, so that the end of a command that writes faster than we read is noticed.
    while (this.position < Number(now.size)) {
      const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, this.position);
      if (bytesRead === 0) return;
      this.position += bytesRead;
      this.onActivity();
      this.write(this.decoder.write(block.subarray(0, bytesRead)));
      if (!this.output.isBlocked) continue;
      await this.output.whenWritable();
      this.onActivity();
    }
  }

  /** Starts with a new file: neither a character nor a line continues. */
  private startOver(): void {
    this.write(this.decoder.end());
    if (this.isInLine) this.write('\n');
    this.decoder = new StringDecoder('utf8');
    this.position = 0;
  }

  private write(text: string): void {
    if (text === '') return;
    this.isInLine = !text.endsWith('\n');
    this.output.writeLog(this.name, text);
  }
}

async function isSame(a: FileHandle, b: FileHandle): Promise<boolean> {
  const [one, other] = await Promise.all([a.stat({ bigint: true }), b.stat({ bigint: true })]);
  return one.ino === other.ino && one.dev === other.dev;
}
