import { decodeChunk, encodeChunk } from './logs.js';
import type { Database } from './sql.js';

export interface ChunkSize {
  readonly firstLine: number;
  readonly lines: number;
  /** Size as stored. */
  readonly bytes: number;
}

/** Smaller chunks were written because a reader or a build could not wait. They should be merged. */
const SMALL_BYTES = 8 << 10;
/** Most stored bytes of a merged chunk. */
const MERGED_BYTES = 64 << 10;
/** Most lines of a merged chunk: repetitive text takes little room when stored, but is read as a whole. */
const MERGED_LINES = 5000;

/** Returns runs of neighbouring small chunks that are worth merging. Pure; `chunks` in order. */
export function planMerges(chunks: readonly ChunkSize[]): ChunkSize[][] {
  const runs: ChunkSize[][] = [];
  let run: ChunkSize[] = [];
  let bytes = 0;
  let lines = 0;
  const close = (): void => {
    if (run.length > 1) runs.push(run);
    run = [];
    bytes = 0;
    lines = 0;
  };
  for (const chunk of chunks) {
    if (chunk.bytes > SMALL_BYTES || chunk.lines > MERGED_LINES) {
      close();
      continue;
    }
    if (bytes + chunk.bytes > MERGED_BYTES || lines + chunk.lines > MERGED_LINES) close();
    run.push(chunk);
    bytes += chunk.bytes;
    lines += chunk.lines;
  }
  close();
  return runs;
}

/**
 * Merges the small chunks of a finished build's logs. Each merge is a transaction that keeps every line in its place; a concurrent reader
 * finds its place by line. Doing it twice, or not at all, changes nothing visible. Prepared SQL: every build pays for it.
 */
export async function sealLogs(db: Database, buildId: number): Promise<number> {
  const logs = await db.all<{ logId: number }>(`SELECT id AS logId FROM logs WHERE build_id = ?`, [buildId]);
  let merged = 0;
  for (const { logId } of logs) {
    const chunks = await db.all<ChunkSize>(
      `SELECT first_line AS firstLine, num_lines AS \`lines\`, LENGTH(content) AS bytes FROM log_chunks WHERE log_id = ? ORDER BY first_line`,
      [logId],
    );
    for (const run of planMerges(chunks)) {
      await merge(db, logId, run);
      merged += run.length;
    }
  }
  return merged;
}

function merge(db: Database, logId: number, run: readonly ChunkSize[]): Promise<void> {
  return db.transaction(async (tx) => {
    const range = [logId, run[0]!.firstLine, run.at(-1)!.firstLine];
    const rows = await tx.all<{ codec: string; content: Buffer }>(
      `SELECT codec, content FROM log_chunks WHERE log_id = ? AND first_line BETWEEN ? AND ? ORDER BY first_line${tx.dialect.forUpdate}`,
      range,
    );
    // Another master has merged it meanwhile.
    if (rows.length !== run.length) return;
    let text = '';
    for (const row of rows) text += await decodeChunk(row.codec, row.content);
    const { codec, content } = await encodeChunk(text);
    await tx.defer(`DELETE FROM log_chunks WHERE log_id = ? AND first_line BETWEEN ? AND ?`, range);
    await tx.defer(`INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content) VALUES (?, ?, ?, ?, ?)`, [
      logId,
      run[0]!.firstLine,
      run.reduce((sum, chunk) => sum + chunk.lines, 0),
      codec,
      content,
    ]);
  });
}
