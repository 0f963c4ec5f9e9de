import { type ArgumentsHost, Catch, type ExceptionFilter, NotFoundException } from '@nestjs/common';
import { MillraceError, OperationalError, printable, UserError } from '@millrace/domain';
import type { FastifyReply, FastifyRequest } from 'fastify';

const STATUS: ReadonlyMap<string, number> = new Map([
  ['bad-signature', 401],
  ['unauthorized', 401],
  ['forbidden', 403],
  ['login-refused', 403],
  ['not-found', 404],
  ['invalid-path', 404],
  ['idempotency-conflict', 409],
  ['disabled', 409],
  ['name-taken', 409],
  ['too-many-requests', 429],
  ['method-not-found', 501],
]);

/** Returns 4xx for errors that the caller can fix, 503 for those that may work again later, 500 for bugs. */
export function httpStatusOf(error: unknown): number {
  if (error instanceof UserError) return STATUS.get(error.code) ?? 400;
  return error instanceof OperationalError ? 503 : 500;
}

/** Returns the status and body that answer an error. Of a bug only the code is sent. */
export function errorAnswer(error: MillraceError): { readonly status: number; readonly body: object } {
  const status = httpStatusOf(error);
  const { code } = error;
  return {
    status,
    body:
      status === 500
        ? { error: 'internal error; the log of this master says more', code }
        : { error: error.message, code, ...error.fields },
  };
}

/** Answers an error of a handler, and a request that no handler is for, with `{ error, code, … }`. */
@Catch(MillraceError, NotFoundException)
export class MillraceErrorFilter implements ExceptionFilter<MillraceError | NotFoundException> {
  catch(error: MillraceError | NotFoundException, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const { status, body } = errorAnswer(
      error instanceof MillraceError ? error : nothingAt(http.getRequest<FastifyRequest>()),
    );
    void http.getResponse<FastifyReply>().status(status).send(body);
  }
}

function nothingAt({ method, url }: FastifyRequest): UserError {
  const path = url.split('?')[0]!;
  return new UserError('invalid-path', `there is nothing to ${method} at ${printable(path, 200)}`);
}
