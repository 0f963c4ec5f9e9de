import { Readable } from 'node:stream';
import { Controller, Delete, Get, Inject, Options, Patch, Put, Req, Res, UseFilters } from '@nestjs/common';
import { UserError } from '@millrace/domain';
import { SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiErrorFilter } from '../http/api-error.filter.js';
import { apiRequest } from '../http/api-request.js';
import { Traffic } from '../http/traffic.js';
import { RestApi } from './rest-api.js';

const PATHS = ['api', 'api/*'];

/** The HTTP side of reading `/api`. */
@Controller()
@UseFilters(ApiErrorFilter)
export class RestController {
  constructor(
    private readonly api: RestApi,
    private readonly traffic: Traffic,
    @Inject(SETTINGS) private readonly settings: UiSettings,
  ) {}

  @Get('api')
  versions(): object {
    return { api_versions: { v2: `${this.settings.publicUrl}/api/v2` } };
  }

  @Get('api/*')
  async get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const accept = request.headers.accept?.includes('application/json') ? 'json' : 'text';
    const { status, headers, body } = await this.api.get(
      apiRequest(request, await this.traffic.callerOf(request)),
      accept,
    );
    if (headers['etag'] !== undefined && request.headers['if-none-match'] === headers['etag']) {
      await reply.status(304).headers({ etag: headers['etag'], 'cache-control': 'no-cache' }).send();
      return;
    }
    await reply
      .status(status)
      .headers(headers)
      .send(typeof body === 'string' ? body : Readable.from(body, { objectMode: false }));
  }

  @Options(PATHS)
  preflight(@Res() reply: FastifyReply): void {
    void reply.status(200).send('');
  }

  @Put(PATHS)
  put(): never {
    throw noSuchMethod();
  }

  @Patch(PATHS)
  patch(): never {
    throw noSuchMethod();
  }

  @Delete(PATHS)
  delete(): never {
    throw noSuchMethod();
  }
}

function noSuchMethod(): UserError {
  return new UserError('bad-method', 'invalid HTTP method');
}
