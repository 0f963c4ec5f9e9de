import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { CompiledHook } from '@millrace/contracts';
import { MillraceError, OperationalError, PerMinute } from '@millrace/domain';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../logging.js';
import { errorAnswer } from '../millrace-error.filter.js';
import { LOG } from '../tokens.js';
import { ByteBudget } from './byte-budget.js';
import { HookReceiver } from './hook-receiver.js';

type Http = ReturnType<ReturnType<NestFastifyApplication['getHttpAdapter']>['getInstance']>;

/** GitHub sends at most 25 MB. */
const MAX_BODY_BYTES = 25 << 20;
/** Bodies that are being received or stored, all together. */
const MAX_HELD_BYTES = 8 * MAX_BODY_BYTES;
/** Lines in the log about deliveries that were not accepted, which anybody can send. */
const LINES_PER_MINUTE = 10;

const ONLY_POST = { error: 'a hook takes POST only', code: 'bad-method' };

interface HookPath {
  readonly Params: { readonly dialect: string; readonly name?: string };
  readonly Body: unknown;
}

/** What is known about a request before its body has been read. */
interface Head {
  readonly hook: CompiledHook;
  readonly heldBytes: number;
  /** Who delivers with a token; null without one. */
  readonly sender: string | null;
}

/**
 * `POST /change_hook/DIALECT` and `/change_hook/DIALECT/NAME`. They are routes of Fastify, not of a controller, because their bodies are
 * other than those of the listener's other routes: bytes of any type, as they were signed, and larger.
 */
@Injectable()
export class HookRoutes {
  private readonly budget = new ByteBudget(MAX_HELD_BYTES);
  private readonly lines = new PerMinute(LINES_PER_MINUTE);
  private readonly heads = new WeakMap<object, Head>();

  constructor(
    private readonly receiver: HookReceiver,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /** Adds the routes to a listener. */
  async addTo(http: Http): Promise<void> {
    await http.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, done) =>
        done(null, body),
      );
      scope.setErrorHandler((error, _request, reply) => {
        if (!(error instanceof MillraceError)) throw error;
        const { status, body } = errorAnswer(error);
        if (status >= 500) this.warn(error);
        return reply.status(status).header('connection', 'close').send(body);
      });
      const onRequest = (request: FastifyRequest<HookPath>, reply: FastifyReply) => this.readHead(request, reply);
      for (const url of ['/change_hook/:dialect', '/change_hook/:dialect/:name'])
        scope.post<HookPath>(url, { onRequest }, (request, reply) => this.receive(request, reply));
      for (const url of ['/change_hook', '/change_hook/*']) {
        scope.post(url, ({ url: address }) => this.receiver.unknown(address));
        scope.route({
          url,
          method: ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
          onRequest: async (_request, reply) =>
            reply.status(405).headers({ allow: 'POST', connection: 'close' }).send(ONLY_POST),
          handler: () => undefined,
        });
      }
    });
  }

  /** Finds the hook of a request, checks what it can without the body, and takes room for the body. */
  private async readHead(request: FastifyRequest<HookPath>, reply: FastifyReply): Promise<void> {
    const { dialect, name = dialect } = request.params;
    const hook = await this.receiver.hook(dialect, name);
    const sender = await this.receiver.checkHead(hook, plain(request.headers), request.ip);
    const heldBytes = bytesOf(request.headers);
    if (!this.budget.take(heldBytes))
      throw new OperationalError('too-busy', 'too many large deliveries are being received: send it again later');
    this.heads.set(request, { hook, heldBytes, sender });
    reply.raw.once('close', () => this.release(request));
  }

  private async receive(request: FastifyRequest<HookPath>, reply: FastifyReply): Promise<void> {
    const { hook, sender } = this.heads.get(request)!;
    const answer = await this.receiver.receive(hook, {
      sender,
      headers: plain(request.headers),
      query: request.url.split('?').slice(1).join('?'),
      body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    });
    await reply.status(202).send(answer);
  }

  private warn(error: Error): void {
    const held = this.lines.pass(performance.now());
    if (held !== null) this.log.warn({ err: error, held }, 'a delivery was not accepted');
  }

  private release(request: object): void {
    const head = this.heads.get(request);
    if (head === undefined || !this.heads.delete(request)) return;
    this.budget.giveBack(head.heldBytes);
  }
}

/** Returns the length of a body, or the greatest possible when the sender does not say. */
function bytesOf(headers: IncomingHttpHeaders): number {
  if (headers['transfer-encoding'] !== undefined) return MAX_BODY_BYTES;
  return Math.min(Number(headers['content-length'] ?? 0), MAX_BODY_BYTES);
}

function plain(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}
