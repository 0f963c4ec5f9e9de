import { countLines, logPieces, type Page, readLogLines } from '@millrace/database';
import { type MillraceError, OperationalError, printable, UserError } from '@millrace/domain';
import type { Reads } from '../reads.js';
import { type Endpoint, PROPERTIES_SHAPE } from './endpoints.js';
import { endpointTable } from './endpoint-table.js';
import type { PathArgument } from '../resources/path-table.js';
import { parseQuery, selectFields } from './query-string.js';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces are sent as they are read, for logs that should not be in memory whole. */
  readonly body: string | AsyncIterable<string>;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const MAX_LINES = 50_000;

/** The reading half of `/api/v2`: a path and a query string in, an answer out; knows nothing of HTTP servers. */
export class RestApi {
  private readonly table;

  constructor(private readonly reads: Reads) {
    this.table = endpointTable(reads);
  }

  knows(path: string): boolean {
    return this.table.find(path) !== null;
  }

  /** @param path what follows `/api/v2/`, still percent-encoded */
  async get(path: string, params: URLSearchParams, accept: string): Promise<Answer> {
    try {
      const found = this.table.find(path);
      if (!found) throw new UserError('invalid-path', `Invalid path: ${printable(path, 200)}`);
      return await this.answer(found.target, found.args, path, params, accept);
    } catch (error) {
      return failure(error);
    }
  }

  private async answer(
    endpoint: Endpoint,
    args: readonly PathArgument[],
    path: string,
    params: URLSearchParams,
    accept: string,
  ): Promise<Answer> {
    switch (endpoint.kind) {
      case 'collection': {
        const { query, fields } = parseQuery(endpoint.shape, params, 'collection');
        const page = await endpoint.list(args, query);
        if (!page) throw notFound(path);
        const items = fields ? page.rows.map((row) => selectFields(row, fields)) : page.rows;
        return envelope(endpoint.shape.plural, items, metaOf(page, path, params), accept);
      }
      case 'single': {
        const { query, fields } = parseQuery(endpoint.shape, params, 'single');
        const item = await endpoint.get(args, query.properties);
        if (!item) throw notFound(path);
        return envelope(endpoint.shape.plural, [selectFields(item, fields)], {}, accept);
      }
      case 'lines':
        return this.lines(await endpoint.logId(args), path, params, accept);
      case 'raw': {
        parseQuery(PROPERTIES_SHAPE, params, 'single');
        return this.raw(await endpoint.logId(args), path, endpoint.inline);
      }
    }
  }

  /** `offset` and `limit` count lines (`docs/api.md#logs`). */
  private async lines(logId: number | null, path: string, params: URLSearchParams, accept: string): Promise<Answer> {
    parseQuery(PROPERTIES_SHAPE, params, 'single');
    const offset = lineCount(params, 'offset') ?? 0;
    const limit = lineCount(params, 'limit');
    const log = logId === null ? undefined : (await this.reads.steps.logsByIds([logId]))[0];
    if (!log || limit === 0 || (limit === null && offset > 0 && offset >= log.num_lines)) throw notFound(path);
    const content = await readLogLines(this.reads.db, log.logid, offset, Math.min(limit ?? MAX_LINES, MAX_LINES));
    const next = offset + countLines(content);
    const end = limit === null ? log.num_lines : Math.min(log.num_lines, offset + limit);
    // Whoever gets fewer lines than there are asks again from where this ended.
    const meta =
      content !== '' && next < end
        ? {
            has_more: true,
            next: `/api/v2/${path}?offset=${next}${limit === null ? '' : `&limit=${offset + limit - next}`}`,
          }
        : {};
    return envelope('logchunks', [{ content, firstline: offset, logid: log.logid }], meta, accept);
  }

  private async raw(logId: number | null, path: string, inline: boolean): Promise<Answer> {
    const log = logId === null ? undefined : (await this.reads.steps.logsByIds([logId]))[0];
    const place = log && (await this.reads.steps.logPlace(log.logid));
    const labels = place && (await this.reads.builds.labels(place.buildId));
    if (!log || !place || !labels) throw notFound(path);
    const safe = (text: string): string => text.replace(/[^a-zA-Z0-9._-]/g, '_');
    const name = `${safe(labels.builderName)}_build_${labels.number}_step_${safe(place.stepName)}_log_${log.slug}`;
    const head =
      log.type === 's'
        ? `Builder: ${labels.builderName}\nBuild number: ${labels.number}\nWorker name: ${labels.workerName}\n`
        : '';
    return {
      status: 200,
      headers: {
        'content-type': log.type === 'h' ? 'text/html; charset=utf-8' : TEXT_TYPE,
        // What a build wrote may not run with the rights of this origin.
        'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        ...(inline ? {} : { 'content-disposition': `attachment; filename=${name}` }),
      },
      body: rawText(head, log.type === 's', logPieces(this.reads.db, log.logid)),
    };
  }
}

async function* rawText(
  head: string,
  hasStreamLetters: boolean,
  pieces: AsyncIterable<string>,
): AsyncGenerator<string> {
  if (head !== '') yield head;
  // Not /^./gm: that also begins lines after a carriage return.
  for await (const piece of pieces) yield hasStreamLetters ? piece.replace(/(^|\n)[^\n]/g, '$1') : piece;
}

function metaOf(page: Page<object>, path: string, params: URLSearchParams): object {
  if (!page.more) return { limit: page.limit, total: page.total };
  const next = new URLSearchParams(params);
  next.set('limit', String(page.limit));
  if (page.more.cursor === null)
    next.set('offset', String(page.total === 0 ? 0 : Number(params.get('offset') ?? 0) + page.rows.length));
  else {
    next.delete('offset');
    next.set('cursor', page.more.cursor);
  }
  return { has_more: true, limit: page.limit, next: `/api/v2/${path}?${next.toString()}`, total: page.total };
}

function envelope(plural: string, items: readonly object[], meta: object, accept: string): Answer {
  const body = plural < 'meta' ? { [plural]: items, meta } : { meta, [plural]: items };
  if (accept.includes('application/json')) {
    return { status: 200, headers: { 'content-type': JSON_TYPE }, body: JSON.stringify(body) };
  }
  return { status: 200, headers: { 'content-type': TEXT_TYPE }, body: `${JSON.stringify(body, null, 2)}\n` };
}

function lineCount(params: URLSearchParams, name: 'offset' | 'limit'): number | null {
  const text = params.get(name);
  if (text === null) return null;
  if (!/^\+?\d{1,12}$/.test(text))
    throw new UserError('not-found', `invalid ${name}: '${text}' is not a number of lines from 0`);
  return Number(text);
}

function notFound(path: string): UserError {
  return new UserError('not-found', `not found: ${printable(path, 200)}`);
}

const STATUS: Readonly<Record<string, number>> = { 'not-found': 404, 'invalid-path': 404, 'method-not-found': 501 };

/** 400 for what the caller can mend, 503 for what may work again later, 500 for our own mistakes. */
export function statusOf(error: unknown): number {
  if (error instanceof UserError) return STATUS[error.code] ?? 400;
  return error instanceof OperationalError ? 503 : 500;
}

function failure(error: unknown): Answer {
  const status = statusOf(error);
  if (status === 500) throw error;
  const { message, code } = error as MillraceError;
  return { status, headers: { 'content-type': TEXT_TYPE }, body: JSON.stringify({ code, error: message }) };
}
