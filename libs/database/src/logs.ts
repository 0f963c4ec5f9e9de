import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { UnexpectedError } from '@millrace/domain';
import type { Queryable } from './sql.js';

/** `s` stdio with a stream letter before each line, `t` text, `h` HTML (`docs/api.md#logs`). */
export type LogType = 's' | 't' | 'h';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** Smaller chunks are not compressed, because it costs more than it saves. */
const COMPRESS_FROM_BYTES = 512;

export async function encodeChunk(text: string): Promise<{ codec: 'raw' | 'deflate'; content: Buffer }> {
  const content = Buffer.from(text, 'utf8');
  if (content.length < COMPRESS_FROM_BYTES) return { codec: 'raw', content };
  return { codec: 'deflate', content: await deflate(content, { level: 1 }) };
}

export async function decodeChunk(codec: string, content: Buffer): Promise<string> {
  switch (codec) {
    case 'raw':
      return content.toString('utf8');
    case 'deflate':
      return (await inflate(content)).toString('utf8');
    default:
      throw new UnexpectedError('unknown-codec', `log chunk with codec '${codec}': written by a newer Millrace?`, {
        codec,
      });
  }
}

/** Returns an identifier for a log name. Logs of one step with the same one get a number (`journal/memory.ts`). */
export function slugBase(name: string): string {
  const base = name.replace(/[^a-zA-Z0-9._-]/g, '_').replace(/^[^a-zA-Z_-]/, '_$&');
  return base.slice(0, 46) || '_';
}

interface ChunkRow {
  firstLine: number;
  lines: number;
  codec: string;
  content: Buffer;
}

/** Most characters of one read of lines. A line may have a million. */
const READ_CHARACTERS = 8 << 20;

/**
 * Reads lines `offset` … `offset + limit − 1` of a log as one text, each with its newline. Returns fewer at the log's end, and when they
 * exceed `maxCharacters`, but at least one. Reads only the chunks that contain them. Prepared SQL: chunks are large, and many.
 */
export async function readLogLines(
  db: Queryable,
  logId: number,
  offset: number,
  limit: number,
  maxCharacters = READ_CHARACTERS,
): Promise<string> {
  let out = '';
  for await (const piece of logPieces(db, logId, offset, limit)) {
    out += piece;
    if (out.length <= maxCharacters) continue;
    const end = out.lastIndexOf('\n', maxCharacters - 1);
    return out.slice(0, (end < 0 ? out.indexOf('\n') : end) + 1);
  }
  return out;
}

/** Reads lines chunk by chunk, for logs that should not be in memory completely. */
export async function* logPieces(
  db: Queryable,
  logId: number,
  offset = 0,
  limit = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<string> {
  const end = offset + limit;
  let next = offset;
  while (next < end) {
    // Sealing may have merged chunks meanwhile, so the place is found by line each time.
    const chunks = await db.all<ChunkRow>(
      `SELECT first_line AS firstLine, num_lines AS \`lines\`, codec, content FROM log_chunks
       WHERE log_id = ? AND first_line >= COALESCE(
         (SELECT MAX(first_line) FROM log_chunks WHERE log_id = ? AND first_line <= ?), 0) AND first_line < ?
       ORDER BY first_line LIMIT 16`,
      [logId, logId, next, end],
    );
    const before = next;
    for (const chunk of chunks) {
      const text = await decodeChunk(chunk.codec, chunk.content);
      const piece = sliceLines(text, Math.max(0, next - chunk.firstLine), Math.min(chunk.lines, end - chunk.firstLine));
      if (piece !== '') yield piece;
      next = Math.max(next, chunk.firstLine + chunk.lines);
    }
    if (next === before) return;
  }
}

function sliceLines(text: string, from: number, to: number): string {
  let start = 0;
  for (let line = 0; line < from; line++) {
    start = text.indexOf('\n', start) + 1;
    if (start === 0) return '';
  }
  let end = start;
  for (let line = from; line < to; line++) {
    const newline = text.indexOf('\n', end);
    if (newline < 0) return text.slice(start);
    end = newline + 1;
  }
  return text.slice(start, end);
}
