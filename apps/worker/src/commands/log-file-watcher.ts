import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import type { CommandOutput } from '../command-output.js';

const BLOCK_BYTES = 65_536;

/**
 * Follows one file that a command writes. A file that was there before is sent only once it has changed: from its beginning, or with `follow` from
 * where it ended when the command began. A file that gets shorter is read from its beginning again.
 */
export class LogFileWatcher {
  private readonly decoder = new StringDecoder('utf8');
  private before: BigIntStats | undefined;
  private position: number | undefined;
  private lastPoll = Promise.resolve();

  constructor(
    private readonly name: string,
    private readonly path: string,
    private readonly follow: boolean,
    private readonly output: CommandOutput,
    private readonly onActivity: () => void,
  ) {}

  /** Looks at the file as it is before the command begins. */
  async begin(): Promise<void> {
    this.before = await stat(this.path, { bigint: true }).catch(() => undefined);
  }

  /** Sends what is new. Polls never overlap. */
  poll(): Promise<void> {
    this.lastPoll = this.lastPoll.then(() => this.readNew());
    return this.lastPoll;
  }

  /** Sends the rest. */
  async end(): Promise<void> {
    await this.poll();
    this.output.writeLog(this.name, this.decoder.end());
  }

  private async readNew(): Promise<void> {
    // Without O_NONBLOCK a FIFO would hold a thread of the pool until somebody writes to it.
    const file = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
    // A file that is not there yet, or no longer, has nothing to say.
    if (file === undefined) return;
    try {
      await this.readFrom(file);
    } finally {
      await file.close();
    }
  }

  private async readFrom(file: FileHandle): Promise<void> {
    const now = await file.stat({ bigint: true });
    if (!now.isFile()) return;
    if (this.position === undefined) {
      const { before } = this;
      if (before !== undefined && before.ino === now.ino && before.size === now.size && before.mtimeNs === now.mtimeNs)
        return;
      this.position = this.follow && before !== undefined ? Number(before.size) : 0;
    }
    if (Number(now.size) < this.position) this.position = 0;
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    // No further than the file was long a moment ago: a command that writes faster than we read still gets its end noticed.
    while (this.position < Number(now.size)) {
      const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, this.position);
      if (bytesRead === 0) return;
      this.position += bytesRead;
      this.onActivity();
      this.output.writeLog(this.name, this.decoder.write(block.subarray(0, bytesRead)));
      if (!this.output.isBlocked) continue;
      await this.output.whenWritable();
      this.onActivity();
    }
  }
}
