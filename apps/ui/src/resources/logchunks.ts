import type { LogChunkResource, LogResource } from '@millrace/contracts';
import { countLines, logPieces, readLogLines, shapeOf } from '@millrace/database';
import type { Reads } from '../reads.js';
import { logAddresses } from './logs.js';
import {
  type Address,
  ifFound,
  type LineRange,
  type Lines,
  type RawText,
  type ReadPath,
  type Resource,
  resource,
  type ResourcePorts,
} from './resource.js';

const MAX_LINES = 50_000;

const SHAPE = shapeOf<LogChunkResource>({
  plural: 'logchunks',
  id: 'logid',
  fields: { content: 'string', firstline: 'int', logid: 'int' },
});

/** The text of logs, by line and whole (`docs/api.md#logs`). */
export function logchunks({ reads }: ResourcePorts): Resource {
  const raw = (log: Address, inline: boolean): ReadPath => ({
    path: `${log.path}/${inline ? 'raw_inline' : 'raw'}`,
    read: { kind: 'raw', inline, read: (args) => ifFound(log.id(args), (id) => rawText(reads, id)) },
  });
  return resource<LogChunkResource>({
    name: 'logchunk',
    shape: SHAPE,
    seen: 'with-the-path',
    reads: logAddresses(reads).flatMap((log) => [
      {
        path: `${log.path}/contents`,
        read: {
          kind: 'lines',
          read: (args, range) => ifFound(log.id(args), (id) => lines(reads, id, range)),
        },
      },
      raw(log, false),
      raw(log, true),
    ]),
  });
}

async function lines(reads: Reads, logId: number, { offset, limit }: LineRange): Promise<Lines | null> {
  const log = await logOf(reads, logId);
  if (!log || limit === 0 || (limit === null && offset > 0 && offset >= log.num_lines)) return null;
  const content = await readLogLines(reads.db, log.logid, offset, Math.min(limit ?? MAX_LINES, MAX_LINES));
  const next = offset + countLines(content);
  const end = limit === null ? log.num_lines : Math.min(log.num_lines, offset + limit);
  return {
    chunk: { content, firstline: offset, logid: log.logid },
    rest: content !== '' && next < end ? { offset: next, limit: limit === null ? null : offset + limit - next } : null,
  };
}

async function rawText(reads: Reads, logId: number): Promise<RawText | null> {
  const log = await logOf(reads, logId);
  const place = log && (await reads.steps.logPlace(log.logid));
  const labels = place && (await reads.builds.labels(place.buildId));
  if (!log || !place || !labels) return null;
  const safe = (text: string): string => text.replace(/[^a-zA-Z0-9._-]/g, '_');
  const head =
    log.type === 's'
      ? `Builder: ${labels.builderName}\nBuild number: ${labels.number}\nWorker name: ${labels.workerName}\n`
      : '';
  return {
    type: log.type === 'h' ? 'html' : 'text',
    fileName: `${safe(labels.builderName)}_build_${labels.number}_step_${safe(place.stepName)}_log_${log.slug}`,
    // A log that is complete does not change any more.
    ...(log.complete && { version: `log-${log.logid}-${log.num_lines}` }),
    pieces: rawPieces(head, log.type === 's', logPieces(reads.db, log.logid)),
  };
}

async function* rawPieces(
  head: string,
  hasStreamLetters: boolean,
  pieces: AsyncIterable<string>,
): AsyncGenerator<string> {
  if (head !== '') yield head;
  // Not /^./gm, because that also matches after a carriage return.
  for await (const piece of pieces) yield hasStreamLetters ? piece.replace(/(^|\n)[^\n]/g, '$1') : piece;
}

async function logOf({ steps }: Reads, logId: number): Promise<LogResource | undefined> {
  return (await steps.logsByIds([logId]))[0];
}
