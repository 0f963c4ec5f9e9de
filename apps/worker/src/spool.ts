import { randomUUID } from 'node:crypto';
import { closeSync, constants, lstatSync, mkdirSync, openSync, readSync, rmSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from './log.js';
import { SendWindow } from './send-window.js';

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const HEADER_BYTES = 4;
/** Time after which a disk that refused a write is tried again. */
const RETRY_MS = 1000;

/** Output that waits on disk for a master: a file for each command, and one limit for all of them. */
export class Spool {
  private readonly room: SendWindow;
  private hasFailed = false;

  constructor(
    private readonly folder: string,
    limitBytes: number,
    private readonly log: Log,
  ) {
    this.room = new SendWindow(limitBytes, limitBytes);
  }

  /** Drops everything, including what an earlier worker left, whose commands are unknown. */
  empty(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  get hasRoom(): boolean {
    return this.room.isOpen && !this.hasFailed;
  }

  async whenRoom(): Promise<void> {
    if (this.hasFailed) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      this.hasFailed = false;
    }
    await this.room.whenOpen();
  }

  file(): SpoolFile {
    return new SpoolFile(
      join(this.folder, randomUUID()),
      () => this.prepare(),
      this.room,
      (error) => {
        this.hasFailed = true;
        this.log.error('output cannot be spooled: its command waits', { reason: error.message });
      },
    );
  }

  /** Makes the folder for this user only. A link is refused, because a build may have left it to have output written elsewhere. */
  private prepare(): void {
    try {
      mkdirSync(this.folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !lstatSync(this.folder).isDirectory()) throw error;
    }
  }
}

/** The records of one command in their order, read from the first that is not acknowledged. It takes no space while it is empty. */
export class SpoolFile {
  private descriptor: number | undefined;
  private writtenTo = 0;
  private readTo = 0;
  private acknowledgedTo = 0;

  constructor(
    private readonly path: string,
    private readonly prepare: () => void,
    private readonly room: SendWindow,
    private readonly onFailure: (error: Error) => void,
  ) {}

  get hasUnread(): boolean {
    return this.readTo < this.writtenTo;
  }

  /** Appends a record. Returns false when there is no room. */
  append(record: Uint8Array): boolean {
    if (!this.room.isOpen) return false;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(record.length);
    const bytes = HEADER_BYTES + record.length;
    try {
      if (this.descriptor === undefined) {
        this.prepare();
        this.descriptor = openSync(this.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      }
      const written = writevSync(this.descriptor, [header, record], this.writtenTo);
      // The next record overwrites what was written of this one.
      if (written !== bytes) throw new Error(`only ${written} of ${bytes} bytes fit on the disk`);
    } catch (error) {
      this.onFailure(error as Error);
      return false;
    }
    this.writtenTo += bytes;
    this.room.add(bytes);
    return true;
  }

  /** Reads the next record. Returns it with the position of its end. To be called only when there are unread ones. */
  read(): { record: Uint8Array; end: number } {
    const length = this.bytes(HEADER_BYTES).readUInt32BE();
    const record = this.bytes(length);
    return { record, end: this.readTo };
  }

  /** Drops everything up to that position, which has been acknowledged. */
  acknowledge(end: number): void {
    this.acknowledgedTo = end;
    if (end === this.writtenTo) this.drop();
  }

  /** Makes unacknowledged records be read again. */
  rewind(): void {
    this.readTo = this.acknowledgedTo;
  }

  drop(): void {
    if (this.descriptor !== undefined) {
      closeSync(this.descriptor);
      rmSync(this.path, { force: true });
      this.descriptor = undefined;
    }
    const freed = this.writtenTo;
    this.writtenTo = this.readTo = this.acknowledgedTo = 0;
    this.room.remove(freed);
  }

  private bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const read = this.descriptor === undefined ? 0 : readSync(this.descriptor, bytes, 0, length, this.readTo);
    if (read !== length) throw new Error(`the spool file ${this.path} ends within a record`);
    this.readTo += length;
    return bytes;
  }
}
