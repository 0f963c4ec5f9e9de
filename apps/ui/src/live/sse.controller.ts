import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import {
  type BeforeApplicationShutdown,
  Controller,
  Get,
  Inject,
  type OnModuleInit,
  Req,
  Res,
  UseFilters,
} from '@nestjs/common';
import { ConnectionCap, isLoopback, messageOf, OperationalError, type Sight, UserError } from '@millrace/domain';
import { LOG, type Logger, SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access } from '../access/access.js';
import { Callers } from '../access/callers.js';
import { ApiErrorFilter } from '../http/api-error.filter.js';
import { addressOf } from '../http/api-request.js';
import { ClientAddresses } from '../http/client-addresses.js';
import type { Caller } from '../resources/caller.js';
import { Sights } from '../resources/sights.js';
import type { LiveFrame } from './live-frame.js';
import { Paced } from './paced.js';
import { sseEvent, ssePlaceOf } from './sse-protocol.js';
import { type Subscriber, Subscriptions } from './subscriptions.js';
import { MAX_CONSUMED } from './ws-gateway.js';
import { MAX_FILTERS } from './ws-protocol.js';

/** Most bytes that may wait for one client. One with more is cut off: it connects again, and fetches what it missed. */
const MAX_WAITING_BYTES = 1 << 20;
/** Interval of comments that keep a connection open, and of asking whether its reader still may read. */
const COMMENT_INTERVAL_MS = 15_000;

/**
 * `/sse`: the events of `/ws` for programs that read them as server-sent events, with the same rights and limits. A stream belongs to the UI
 * that it was opened at.
 */
@Controller()
@UseFilters(ApiErrorFilter)
export class SseController implements OnModuleInit, BeforeApplicationShutdown {
  private readonly streams = new Map<string, Stream>();
  private readonly cap: ConnectionCap<Stream>;
  private commenting: NodeJS.Timeout | undefined;
  private readonly pace = new Paced();

  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly access: Access,
    private readonly sights: Sights,
    private readonly callers: Callers,
    private readonly addresses: ClientAddresses,
    @Inject(SETTINGS) { wsMax, wsMaxPerAddress }: Pick<UiSettings, 'wsMax' | 'wsMaxPerAddress'>,
    @Inject(LOG) private readonly log: Logger,
  ) {
    this.cap = new ConnectionCap({ max: wsMax, maxPerAddress: wsMaxPerAddress, countsInUse: true });
  }

  onModuleInit(): void {
    this.commenting = setInterval(() => void this.comment(), COMMENT_INTERVAL_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.commenting);
    for (const stream of this.streams.values()) stream.end();
  }

  @Get(['sse', 'sse/*'])
  async get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const place = ssePlaceOf((request.raw.url ?? '').split('?', 1)[0]!);
    const caller = await this.callers.of(request.headers, addressOf(request.raw));
    this.access.demand(caller, { action: 'view', resource: 'event' });
    if (place.kind === 'listen') return this.listen(request, reply, caller, place.filter);
    if (place.id === null) throw new UserError('bad-stream', 'need uuid');
    const stream = this.streams.get(place.id);
    if (!stream)
      throw new UserError('bad-stream', 'unknown uuid: a stream is known only to the UI that it was opened at');
    if (place.kind === 'add') this.add(stream, place.filter);
    else if (!stream.remove(place.filter)) throw new UserError('not-found', 'path is not consumed');
    await reply.type('text/plain; charset=utf-8').send('ok');
  }

  private listen(request: FastifyRequest, reply: FastifyReply, caller: Caller, filter: string): void {
    const address = this.addresses.of(request.raw);
    const stream = new Stream(reply.raw, {
      subscriptions: this.subscriptions,
      caller,
      sightOf: (reader) => this.sights.of(reader),
      callerNow: () => this.callers.of(request.headers, addressOf(request.raw)),
    });
    const loser = this.cap.admit(stream, isLoopback(address) ? null : address);
    if (loser === stream) throw new OperationalError('too-many-streams', 'too many streams are open: close some first');
    loser?.end();
    this.cap.use(stream);
    reply.hijack();
    const id = randomUUID();
    this.streams.set(id, stream);
    reply.raw.once('close', () => {
      this.streams.delete(id);
      this.cap.remove(stream);
      stream.forget();
    });
    stream.open(reply.getHeaders() as Record<string, string>, id);
    if (filter !== '') this.add(stream, filter);
  }

  private add(stream: Stream, filter: string): void {
    if (stream.filters >= MAX_FILTERS || this.subscriptions.size >= MAX_CONSUMED)
      throw new UserError('bad-stream', `more than ${MAX_FILTERS} paths consumed: remove some first`);
    stream.add(filter);
  }

  /** Sends comments, and ends the streams of those who may no longer read. */
  private async comment(): Promise<void> {
    await this.pace.each(this.streams.values(), async (stream) => {
      try {
        const caller = await stream.callerNow();
        if (this.access.may(caller, { action: 'view', resource: 'event' })) stream.comment(caller);
        else stream.end();
      } catch (error) {
        if (error instanceof UserError) stream.end();
        else this.log.warn({ err: error }, `who reads /sse: ${messageOf(error)}`);
      }
    });
  }
}

interface StreamParts {
  readonly subscriptions: Subscriptions;
  readonly caller: Caller;
  readonly sightOf: (caller: Caller) => Sight | null;
  /** Returns whose the stream is now. */
  readonly callerNow: () => Promise<Caller>;
}

/** An open answer to which events are written. */
class Stream implements Subscriber {
  private readonly consumed = new Set<string>();
  private reader: Caller;

  constructor(
    private readonly response: ServerResponse,
    private readonly parts: StreamParts,
  ) {
    this.reader = parts.caller;
  }

  get sight(): Sight | null {
    return this.parts.sightOf(this.reader);
  }

  get filters(): number {
    return this.consumed.size;
  }

  callerNow(): Promise<Caller> {
    return this.parts.callerNow();
  }

  open(headers: Readonly<Record<string, string>>, id: string): void {
    this.response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.response.write(sseEvent('handshake', id));
  }

  add(filter: string): void {
    this.consumed.add(filter);
    this.parts.subscriptions.add(filter, this);
  }

  remove(filter: string): boolean {
    this.parts.subscriptions.remove(filter, this);
    return this.consumed.delete(filter);
  }

  send(frame: LiveFrame): void {
    this.write(frame.sse);
  }

  comment(reader: Caller): void {
    this.reader = reader;
    this.write(':\n\n');
  }

  end(): void {
    this.response.destroy();
  }

  forget(): void {
    for (const filter of this.consumed) this.parts.subscriptions.remove(filter, this);
    this.consumed.clear();
  }

  private write(text: string | Buffer): void {
    if (this.response.destroyed) return;
    if (this.response.writableLength > MAX_WAITING_BYTES) this.end();
    else this.response.write(text);
  }
}
