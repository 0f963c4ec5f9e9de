import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { evaluate, type Page } from '@millrace/database';
import { printable, type Sight, UserError } from '@millrace/domain';
import { SETTINGS, type UiSettings } from '@millrace/master';
import { Access } from '../access/access.js';
import type { ApiRequest } from '../http/api-request.js';
import { Traffic } from '../http/traffic.js';
import type { Lines, RawText } from '../resources/resource.js';
import { type Place, ResourceTable } from '../resources/resource-table.js';
import { seenOf } from '../resources/seen.js';
import { Sights } from '../resources/sights.js';
import { parseQuery, selectFields } from './query-string.js';
import { SharedReads } from './shared-reads.js';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces are sent while they are read, so that a whole log is never in memory. */
  readonly body: string | AsyncIterable<string | Uint8Array>;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

const RAW_TYPES: Readonly<Record<RawText['type'], string>> = {
  text: TEXT_TYPE,
  html: 'text/html; charset=utf-8',
  bytes: 'application/octet-stream',
};

/** `json` for programs, `text` for people: the same, indented. */
export type Style = 'json' | 'text';

/** The reading part of `/api/v2`: it takes a path and a query string and returns the answer. Independent of HTTP servers. */
@Injectable()
export class RestApi {
  private readonly shared = new SharedReads<Answer>();
  /** The public path of the API. */
  private readonly base: string;

  constructor(
    private readonly table: ResourceTable,
    private readonly access: Access,
    private readonly sights: Sights,
    private readonly traffic: Traffic,
    @Inject(SETTINGS) { listenerRule: { publicPath } }: Pick<UiSettings, 'listenerRule'>,
  ) {
    this.base = `${publicPath}/api/v2/`;
  }

  /**
   * Answers a GET.
   * @throws UserError `invalid-path`, `forbidden`, `not-found`, and errors of the query
   */
  async get(request: ApiRequest, style: Style): Promise<Answer> {
    const { caller, path, query } = request;
    const whole = this.table.find(path);
    if (!whole) throw new UserError('invalid-path', `Invalid path: ${printable(path, 200)}`);
    const { view: action, name: resource } = whole.resource;
    if (caller.kind === 'token' || !this.access.mayEverybody(action)) this.access.demand(caller, { action, resource });
    const sight = this.sights.of(caller);
    const find = async (): Promise<Answer> =>
      answer({ path, query }, { place: await this.table.seen(whole, sight), sight, style, base: this.base });
    // A stream of pieces cannot be shared by several readers, and takes its time.
    if (whole.read.kind === 'raw') return find();
    const read = whole.read.kind === 'one' ? find : () => this.traffic.read(caller, find);
    // What callers read does not depend on who they are, only on what they see. Nobody who has signed in waits for a stranger's turn.
    const turn = caller.kind === 'anonymous' ? 'stranger' : 'known';
    return this.shared.read(`${style} ${turn} ${sight?.key ?? 'all'} ${path}?${query}`, read);
  }
}

interface Asked {
  /** The place as it is seen. */
  readonly place: Place;
  /** Null for somebody who sees everything. */
  readonly sight: Sight | null;
  readonly style: Style;
  readonly base: string;
}

async function answer(
  { path, query: text }: Pick<ApiRequest, 'path' | 'query'>,
  { place, sight, style, base }: Asked,
): Promise<Answer> {
  const { resource, read, args } = place;
  const { shape, seen } = resource;
  const params = new URLSearchParams(text);
  switch (read.kind) {
    case 'list': {
      const { query, fields } = parseQuery(shape, params, 'collection');
      const page = found(await read.read(args, sight ? { ...query, sight } : query), path);
      const rows = await seenOf(seen, page.rows, sight);
      const items = fields ? rows.map((row) => selectFields(row, fields)) : rows;
      return envelope(shape.plural, items, metaOf(page, base + path, params), style);
    }
    case 'rows': {
      const { query, fields } = parseQuery(shape, params, 'collection');
      const rows = found(await read.read(args, query), path);
      const page = evaluate(await seenOf(seen, rows, sight), query, read.limits);
      const items = fields ? page.rows.map((row) => selectFields(row, fields)) : page.rows;
      return envelope(shape.plural, items, metaOf(page, base + path, params), style);
    }
    case 'one': {
      const { query, fields } = parseQuery(shape, params, 'single');
      const row = found(await read.read(args, query.properties), path);
      const item = found((await seenOf(seen, [row], sight))[0] ?? null, path);
      return tagged(envelope(shape.plural, [selectFields(item, fields)], {}, style));
    }
    case 'lines': {
      // Here `offset` and `limit` count lines (`docs/api.md#logs`).
      const range = { offset: lineCount(params, 'offset') ?? 0, limit: lineCount(params, 'limit') };
      parseQuery(shape, params, 'single');
      const lines = found(await read.read(args, range), path);
      return tagged(envelope(shape.plural, [lines.chunk], metaOfLines(lines, base + path), style));
    }
    case 'raw':
      parseQuery(shape, params, 'single');
      return raw(found(await read.read(args), path), read.inline);
  }
}

function raw({ type, fileName, pieces, version }: RawText, inline: boolean): Answer {
  return {
    status: 200,
    headers: {
      'content-type': RAW_TYPES[type],
      // A build's output must not run with the rights of this origin.
      'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
      ...(version !== undefined && tag(version)),
      ...(inline ? {} : { 'content-disposition': `attachment; filename=${fileName}` }),
    },
    body: pieces,
  };
}

function metaOf(page: Page<object>, address: string, params: URLSearchParams): object {
  const { examined } = page;
  const walked = examined ? { examined: examined.rows, partial: examined.partial } : {};
  if (!page.more) return { ...walked, limit: page.limit, total: page.total };
  const next = new URLSearchParams(params);
  next.set('limit', String(page.limit));
  if (page.more.cursor === null)
    next.set('offset', String(page.total === 0 ? 0 : Number(params.get('offset') ?? 0) + page.rows.length));
  else {
    next.delete('offset');
    if (page.more.toSkip) next.set('offset', String(page.more.toSkip));
    next.set('cursor', page.more.cursor);
  }
  return {
    ...walked,
    has_more: true,
    limit: page.limit,
    next: `${address}?${next.toString()}`,
    total: page.total,
  };
}

/** Returns the link to the rest of the lines, when the answer was cut short. */
function metaOfLines({ rest }: Lines, address: string): object {
  if (rest === null) return {};
  const limit = rest.limit === null ? '' : `&limit=${rest.limit}`;
  return { has_more: true, next: `${address}?offset=${rest.offset}${limit}` };
}

/** Adds a tag of the content, by which a client that has it already is told so. It is weak, because the answer may be compressed. */
function tagged(answer: Answer & { readonly body: string }): Answer {
  return { ...answer, headers: { ...answer.headers, ...tag(hashOf(answer.body)) } };
}

function tag(content: string): Record<string, string> {
  return { etag: `W/"${content}"`, 'cache-control': 'no-cache' };
}

function hashOf(text: string): string {
  return createHash('sha1').update(text).digest('base64url');
}

function envelope(
  plural: string,
  items: readonly object[],
  meta: object,
  style: Style,
): Answer & { readonly body: string } {
  const body = plural < 'meta' ? { [plural]: items, meta } : { meta, [plural]: items };
  if (style === 'json') {
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

function found<T>(what: T | null, path: string): T {
  if (what === null) throw new UserError('not-found', `not found: ${printable(path, 200)}`);
  return what;
}
