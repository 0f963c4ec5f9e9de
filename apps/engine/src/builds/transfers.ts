import { messageOf, MillraceError, OperationalError, UserError, type Uuid } from '@millrace/domain';
import type { CommandSink } from '@millrace/worker-protocol';
import type { Blobs } from '../blobs/folder-blobs.js';
import { STEP_LIMITS, type UploadsLimit } from '../core/step-limits.js';
import type { CommandRequest } from '../runner/runner.js';

/** The files of a transfer command, and what is done once the command has ended. */
export interface TransferSink {
  readonly sink: Partial<CommandSink>;
  /**
   * Ends the transfer. A file is kept only when the command succeeded: a worker calls `close` for a missing source too
   * (`docs/protocols.md#files-over-pb`).
   */
  finish(succeeded: boolean): Promise<void>;
  /** Returns the file of a command that reads one. */
  readonly content?: () => Buffer;
}

/** Most bytes of a file that a step reads. */
const MOST_READ = 4 << 20;

export async function transferSink(
  blobs: Blobs,
  build: Uuid,
  request: CommandRequest,
  uploads: UploadsLimit,
): Promise<TransferSink | null> {
  if (request.upload) {
    uploads.begin(request.upload.blob);
    const isDirectory = request.name === 'upload_directory';
    const { blob } = request.upload;
    const writer = await storing(blob, () => blobs.writer(build, isDirectory ? `${blob}.tar` : blob));
    const write = limited(request, uploads, (block) => storing(blob, () => writer.write(block)));
    return {
      sink: {
        writeUpload: write,
        closeUpload: async () => undefined,
        uploadTimes: async () => undefined,
        writeDirectory: write,
        unpackDirectory: async () => undefined,
      },
      finish: (succeeded) => (succeeded ? storing(blob, () => writer.commit()) : writer.discard()),
    };
  }
  if (request.read) {
    const limit = Math.min(request.read.maxBytes, MOST_READ);
    const blocks: Uint8Array[] = [];
    let bytes = 0;
    return {
      sink: {
        writeUpload: async (block) => {
          bytes += block.length;
          if (bytes > limit)
            throw new UserError('upload-too-large', `the worker sends more than the ${limit} bytes allowed`, { limit });
          blocks.push(block);
        },
        closeUpload: async () => undefined,
        uploadTimes: async () => undefined,
      },
      finish: async () => undefined,
      content: () => Buffer.concat(blocks),
    };
  }
  if (request.download) {
    const reader =
      'content' in request.download
        ? fromContent(Buffer.from(request.download.content, 'base64'))
        : await blobs.reader(build, request.download.blob);
    return {
      sink: { readDownload: (length) => reader.read(length), closeDownload: async () => undefined },
      finish: () => reader.close(),
    };
  }
  return null;
}

/** Does work that stores an upload. @throws OperationalError `upload-not-stored` when the disk is full, or cannot be written to */
async function storing<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new OperationalError('upload-not-stored', `the engine cannot store '${name}': ${messageOf(error)}`, { name });
  }
}

/** Limits an upload. A worker enforces `maxsize` itself; one that does not is stopped. */
function limited(
  { args, upload }: CommandRequest,
  uploads: UploadsLimit,
  write: (block: Uint8Array) => Promise<void>,
): (block: Uint8Array) => Promise<void> {
  const { uploadBytes } = STEP_LIMITS;
  const limit = typeof args['maxsize'] === 'number' ? Math.min(args['maxsize'], uploadBytes) : uploadBytes;
  let written = 0;
  return async (block) => {
    written += block.length;
    if (written > limit) {
      const name = upload?.blob;
      throw new UserError('upload-too-large', `the worker sends more of '${name}' than the ${limit} bytes allowed`, {
        name,
        limit,
      });
    }
    uploads.add(block.length);
    await write(block);
  };
}

function fromContent(content: Buffer): { read(length: number): Promise<Uint8Array>; close(): Promise<void> } {
  let at = 0;
  return {
    async read(length) {
      const block = content.subarray(at, at + length);
      at += block.length;
      return block;
    },
    close: async () => undefined,
  };
}
