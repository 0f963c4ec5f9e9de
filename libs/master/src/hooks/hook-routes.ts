import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { CompiledHook } from '@millrace/contracts';
import { MillraceError, OperationalError } from '@millrace/domain';
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

interface HookPath {
  readonly Params: { readonly dialect: string; readonly name?: string };
  readonly Body: unknown;
}

/** What is known about a request before its body has been read. */
interface Head {
  readonly hook: CompiledHook;
  readonly heldBytes: number;
}

/**
 * `POST /change_hook/DIALECT` and `/change_hook/DIALECT/NAME`. They are routes of Fastify, not of a controller, because their bodies are
 * other than those of the listener's other routes: bytes of any type, as they were signed, and larger.
 */
@Injectable()
export class HookRoutes {
  private readonly budget = new ByteBudget(MAX_HELD_BYTES);
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
        if (status >= 500) this.log.warn({ err: error }, 'a delivery was not accepted');
        return reply.status(status).header('connection', 'close').send(body);
      });
      scope.addHook<HookPath>('onRequest', async (request, reply) => {
        const { dialect, name = dialect } = request.params;
        const hook = await this.receiver.hook(dialect, name);
        await this.receiver.checkHead(hook, plain(request.headers));
        const heldBytes = bytesOf(request.headers);
        if (!this.budget.take(heldBytes))
          throw new OperationalError('too-busy', 'too many large deliveries are being received: send it again later');
        this.heads.set(request, { hook, heldBytes });
        reply.raw.once('close', () => this.release(request));
      });
      const receive = async (request: { body: unknown; headers: IncomingHttpHeaders; url: string }) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const query = request.url.split('?').slice(1).join('?');
        return this.receiver.receive(this.heads.get(request)!.hook, { headers: plain(request.headers), query, body });
      };
      for (const url of ['/change_hook/:dialect', '/change_hook/:dialect/:name'])
        scope.post<HookPath>(url, async (request, reply) => reply.status(202).send(await receive(request)));
    });
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
