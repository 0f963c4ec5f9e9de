import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UI_HOST, type UiHost } from '../host.js';
import { Reads } from '../reads.js';
import { WebApp } from './web-app.js';

@Controller()
export class PagesController {
  constructor(
    private readonly webApp: WebApp,
    private readonly reads: Reads,
    @Inject(UI_HOST) private readonly host: UiHost,
  ) {}

  /** What the page needs before anything else; the names that Buildbot's frontend reads, and `bus`. */
  @Get('config')
  async config(@Res() reply: FastifyReply): Promise<void> {
    const revision = await this.reads.catalog.currentRevision();
    const { publicUrl } = this.host.settings;
    await reply.header('cache-control', 'no-store').send({
      auth: { name: 'NoAuth' },
      avatar_methods: [],
      buildbotURL: `${publicUrl}/`,
      bus: this.host.hints.state,
      multiMaster: true,
      plugins: {},
      title: revision?.config.title ?? 'Millrace',
      titleURL: revision?.config.url ?? `${publicUrl}/`,
      user: { anonymous: true },
      user_any_access_allowed: true,
      versions: [['Millrace', '0.1.0']],
    });
  }

  @Get('*')
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const path = (request.raw.url ?? '/').split('?')[0]!;
    await this.webApp.send(reply, path);
  }
}
