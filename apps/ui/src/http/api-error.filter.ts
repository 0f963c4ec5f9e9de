import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from '@nestjs/common';
import { MillraceError, messageOf } from '@millrace/domain';
import { httpStatusOf, LOG, type Logger } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Answers errors of `/api` handlers as Buildbot does: JSON as text. A bug is logged, and no details of it are sent. */
@Catch()
export class ApiErrorFilter implements ExceptionFilter<unknown> {
  constructor(@Inject(LOG) private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const status = httpStatusOf(error);
    const body =
      status !== 500 && error instanceof MillraceError
        ? { code: error.code, error: error.message }
        : { error: 'internal error; the log of this master says more' };
    if (status === 500) {
      const path = http.getRequest<FastifyRequest>().raw.url;
      this.log.error({ err: error, path }, `request failed: ${messageOf(error)}`);
    }
    const reply = http.getResponse<FastifyReply>();
    const retryAfterS = error instanceof MillraceError ? error.fields['retryAfterS'] : undefined;
    if (typeof retryAfterS === 'number') void reply.header('retry-after', String(retryAfterS));
    void reply.status(status).type('text/plain; charset=utf-8').send(JSON.stringify(body));
  }
}
