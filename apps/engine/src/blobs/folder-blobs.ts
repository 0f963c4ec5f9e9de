import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OperationalError, UserError, type Uuid } from '@millrace/domain';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

/** A file that is being written. It is not visible before `commit`. */
export interface BlobWriter {
  write(block: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

export interface BlobReader {
  /** Reads at most `length` bytes; empty at the end. */
  read(length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Files of builds, by the build's UUID. They are never on one engine's own disk. */
export interface Blobs {
  writer(build: Uuid, name: string): Promise<BlobWriter>;
  /**
   * Opens a file for reading.
   * @throws UserError `not-found`
   */
  reader(build: Uuid, name: string): Promise<BlobReader>;
}

/** Blobs in a folder that all engines and UIs share (a network file system when they are on several hosts). */
export class FolderBlobs implements Blobs {
  constructor(private readonly folder: string) {}

  async writer(build: Uuid, name: string): Promise<BlobWriter> {
    const path = this.path(build, name);
    await this.folderFor(dirname(path));
    // The name is random, so nothing can exist under it, and a link there is not followed.
    const temporary = join(dirname(path), `.${randomUUID()}.part`);
    const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    return {
      write: (block) => writeAll(file, block),
      async commit() {
        await file.close();
        await rename(temporary, path);
      },
      async discard() {
        await file.close();
        await rm(temporary, { force: true });
      },
    };
  }

  async reader(build: Uuid, name: string): Promise<BlobReader> {
    // Without O_NONBLOCK a FIFO would block a thread of the pool. Opening a link fails with ELOOP.
    const file = await open(this.path(build, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ELOOP')
          throw new UserError('not-found', `this build has no file '${name}'`, { name });
        throw error;
      },
    );
    return {
      async read(length) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(length, 1 << 20)), 0);
        return buffer.subarray(0, bytesRead);
      },
      close: () => file.close(),
    };
  }

  /** Makes the folder of a file, readable for its owner only. A link in its place is refused. */
  private async folderFor(path: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    for (const folder of [dirname(path), path]) {
      if (!(await lstat(folder)).isDirectory())
        throw new OperationalError('blob-folder', `${folder} is no folder but a link: it was not made by an engine`, {
          folder,
        });
    }
  }

  /** Returns the path of a blob. Its name becomes a single path element; one that cannot is replaced by its hash. */
  private path(build: Uuid, name: string): string {
    const safe =
      /^[\w.+ -]{1,120}$/.test(name) && !name.startsWith('.')
        ? name
        : `${hash(name)}-${basename(name)
            .replace(/[^\w.-]/g, '_')
            .slice(-60)}`;
    return join(this.folder, build.slice(0, 8), build, safe);
  }
}

async function writeAll(file: FileHandle, block: Uint8Array): Promise<void> {
  await file.writeFile(block);
}

function hash(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 16);
}
