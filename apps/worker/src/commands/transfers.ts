import { messageOf } from '@millrace/domain';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, stat } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { create } from 'tar';
import { type Command, CommandFailure, type CommandContext } from './command.js';
import { makeDirectories } from './make-directories.js';
import { reasonOf } from './system-error.js';

// Without O_NONBLOCK a FIFO would block a thread of the pool until its other end is opened.
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

/** The common part of uploads and downloads: they move blocks one by one and stop before the next one when interrupted. */
abstract class TransferCommand implements Command {
  protected readonly path = this.context.args.text('path');
  protected readonly blockSize = this.context.args.positiveInteger('blocksize');
  private readonly maxSize = this.context.args.optionalInteger('maxsize');
  private moved = 0;
  protected isInterrupted = false;

  constructor(protected readonly context: CommandContext) {}

  abstract run(): Promise<number>;

  interrupt(): void {
    this.isInterrupted = true;
  }

  /** Number of bytes that may still be moved. */
  protected get allowance(): number {
    return this.maxSize === null ? Infinity : this.maxSize - this.moved;
  }

  protected count(bytes: number): void {
    this.moved += bytes;
  }

  /** Reports why the transfer failed. */
  protected fail(reason: string): number {
    this.context.output.write('stderr', `${reason}\n`);
    return 1;
  }

  protected tooLarge(): number {
    return this.fail(`Maximum filesize reached, truncating file '${this.path}'`);
  }

  /**
   * Moves data with `move` and ends the transfer with `close` whatever happens. A failure of `move` takes precedence over one of `close`.
   */
  protected async transfer(move: () => Promise<number>, close: () => Promise<void>): Promise<number> {
    let rc: number;
    try {
      rc = await move();
    } catch (error) {
      // The connection may be lost. The first failure is reported.
      await close().catch(() => undefined);
      throw new CommandFailure(messageOf(error), 1, { cause: error });
    }
    try {
      await close();
    } catch (error) {
      throw new CommandFailure(messageOf(error), 1, { cause: error });
    }
    return this.isInterrupted ? 1 : rc;
  }
}

export class UploadFileCommand extends TransferCommand {
  private readonly keepStamp = this.context.args.flag('keepstamp', false);

  async run(): Promise<number> {
    const { id, session, output } = this.context;
    let file: FileHandle | undefined;
    try {
      output.header(`sending ${this.path}\n`);
      let problem = '';
      file = await open(this.path, O_RDONLY | O_NONBLOCK).catch((error: unknown) => {
        problem = reasonOf(error);
        return undefined;
      });
      const from = file;
      // Reading changes the time of the last access.
      const stamp = await from?.stat();
      if (stamp?.isFIFO()) problem = 'it is a FIFO';
      if (stamp?.isDirectory()) problem = 'it is a directory';
      const isReadable = from !== undefined && problem === '';
      const rc = await this.transfer(
        async () =>
          isReadable ? await this.send(from) : this.fail(`Cannot open file '${this.path}' for upload: ${problem}`),
        () => session.closeUpload(id),
      );
      if (this.keepStamp && stamp !== undefined && isReadable)
        await session.uploadTimes(id, stamp.atimeMs / 1000, stamp.mtimeMs / 1000);
      return rc;
    } finally {
      await file?.close();
    }
  }

  private async send(file: FileHandle): Promise<number> {
    const { id, session } = this.context;
    const block = Buffer.allocUnsafe(this.blockSize);
    while (!this.isInterrupted) {
      const { bytesRead } = await file.read(block, 0, this.blockSize, null);
      if (bytesRead === 0) return 0;
      const bytes = Math.min(bytesRead, this.allowance);
      if (bytes > 0) await session.writeUpload(id, block.subarray(0, bytes));
      this.count(bytes);
      if (bytes < bytesRead) return this.tooLarge();
    }
    return 1;
  }
}

export class UploadDirectoryCommand extends TransferCommand {
  private readonly compress = this.context.args.optionalText('compress');

  constructor(context: CommandContext) {
    super(context);
    if (this.compress !== null && this.compress !== 'gz') {
      context.args.bad('compress', this.compress, "'gz' or nil: this worker has no other compression");
    }
  }

  async run(): Promise<number> {
    const { id, session, output } = this.context;
    try {
      if (!(await stat(this.path)).isDirectory()) throw new Error('it is not a directory');
    } catch (error) {
      return this.fail(`Cannot read directory '${this.path}' for upload: ${reasonOf(error)}`);
    }
    output.header(`sending ${this.path}\n`);
    return this.transfer(
      () => this.send(),
      () => session.unpackDirectory(id),
    );
  }

  private async send(): Promise<number> {
    const archive = create({ cwd: this.path, gzip: this.compress === 'gz', strict: true }, ['.']);
    for await (const chunk of archive) {
      for (let from = 0; from < chunk.length; from += this.blockSize) {
        if (this.isInterrupted) return 1;
        const block = chunk.subarray(from, Math.min(from + this.blockSize, from + this.allowance));
        if (block.length > 0) await this.context.session.writeDirectory(this.context.id, block);
        this.count(block.length);
        if (block.length < Math.min(this.blockSize, chunk.length - from)) return this.tooLarge();
      }
    }
    return 0;
  }
}

/**
 * Downloads a file. It writes a new file beside the target and then replaces the target: existing content is never seen half-written, and a
 * link that a checkout or a build has left there is replaced and not followed.
 */
export class DownloadFileCommand extends TransferCommand {
  private readonly mode = this.context.args.optionalInteger('mode');

  async run(): Promise<number> {
    const { id, session } = this.context;
    const draft = join(dirname(this.path), `.millrace-${randomUUID()}`);
    let file: FileHandle | undefined;
    try {
      const problem = await this.openDraft(draft).then(
        (opened) => void (file = opened),
        (error: unknown) => reasonOf(error),
      );
      const to = file;
      return await this.transfer(
        () =>
          to === undefined
            ? Promise.resolve(this.fail(`Cannot open file '${this.path}' for download: ${problem}`))
            : this.receive(to, draft),
        () => session.closeDownload(id),
      );
    } finally {
      await file?.close();
      // After a success the draft does not exist any more.
      if (file !== undefined) await rm(draft, { force: true });
    }
  }

  private async openDraft(draft: string): Promise<FileHandle> {
    await makeDirectories(dirname(this.path));
    const before = await lstat(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (before !== undefined && !before.isFile() && !before.isSymbolicLink())
      throw new Error('it is there, and no plain file');
    const mode = this.mode ?? (before?.isFile() ? before.mode & 0o7777 : null);
    // Created with its mode, so that secret content is never readable by others.
    const file = await open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode ?? undefined);
    if (mode !== null) await file.chmod(mode);
    return file;
  }

  private async receive(file: FileHandle, draft: string): Promise<number> {
    const rc = await this.fill(file);
    if (!this.isInterrupted) await rename(draft, this.path);
    return rc;
  }

  private async fill(file: FileHandle): Promise<number> {
    const { id, session } = this.context;
    while (!this.isInterrupted) {
      const wanted = Math.min(this.blockSize, this.allowance);
      // At the limit one more byte is requested: a file that ends exactly there is not too large.
      const block = await session.readDownload(id, Math.max(wanted, 1));
      if (block.length === 0) return 0;
      if (wanted === 0) return this.tooLarge();
      await file.writeFile(block);
      this.count(block.length);
    }
    return 1;
  }
}
