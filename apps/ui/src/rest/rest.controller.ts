import { All, Controller, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiDispatcher } from './api-dispatcher.js';

@Controller()
export class RestController {
  constructor(private readonly api: ApiDispatcher) {}

  @All('api')
  versions(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.api.versions(request, reply);
  }

  @All('api/*')
  handle(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.api.handle(request, reply);
  }
}
