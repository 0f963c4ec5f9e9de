import { Controller, Post, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiErrorFilter } from '../http/api-error.filter.js';
import { apiRequest } from '../http/api-request.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { Traffic } from '../http/traffic.js';
import { ActionApi } from './action-api.js';

/** The HTTP side of commands to `/api`. */
@Controller()
@UseFilters(ApiErrorFilter)
export class ActionController {
  constructor(
    private readonly api: ActionApi,
    private readonly traffic: Traffic,
    private readonly addresses: ClientAddresses,
  ) {}

  @Post('api/*')
  async post(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const text = typeof request.body === 'string' ? request.body : '';
    const call = apiRequest(request, await this.traffic.callerOf(request));
    const address = this.addresses.of(request.raw);
    const { status, body } = await this.api.post({ ...call, address }, request.headers['content-type'] ?? '', text);
    await reply.status(status).header('content-type', 'application/json').send(body);
  }
}
