import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';

/** Lets pages with an allowed origin read the answers of `/api`. The listener has refused all others. */
@Injectable()
export class CorsInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const { origin } = http.getRequest<FastifyRequest>().headers;
    if (origin !== undefined) {
      void http.getResponse<FastifyReply>().headers({
        'access-control-allow-origin': origin,
        'access-control-allow-headers': 'Content-Type',
        'access-control-max-age': '3600',
        vary: 'origin',
      });
    }
    return next.handle();
  }
}
