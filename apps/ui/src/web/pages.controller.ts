import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { CatalogReads } from '@millrace/database';
import { Hints, SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WebApp } from './web-app.js';

@Controller()
export class PagesController {
  constructor(
    private readonly webApp: WebApp,
    private readonly catalog: CatalogReads,
    private readonly hints: Hints,
    @Inject(SETTINGS) private readonly settings: UiSettings,
  ) {}

  /** Answers with the data that the page needs first, under the names that Buildbot's frontend reads, and `bus`. */
  @Get('config')
  async config(@Res() reply: FastifyReply): Promise<void> {
    const revision = await this.catalog.currentRevision();
    const { publicUrl } = this.settings;
    await reply.header('cache-control', 'no-store').send({
      auth: { name: 'NoAuth' },
      avatar_methods: [],
      buildbotURL: `${publicUrl}/`,
      bus: this.hints.state,
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
