import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { CatalogReads } from '@millrace/database';
import { printable, UserError } from '@millrace/domain';
import { Hints, SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access } from '../access/access.js';
import { userOf } from '../access/auth.controller.js';
import { AccessPolicy } from '../access/access-policy.js';
import { Callers } from '../access/callers.js';
import { Providers } from '../access/providers/providers.js';
import { SignIn } from '../access/sign-in.js';
import { addressOf } from '../http/api-request.js';
import { StockFrontend } from './stock-frontend.js';
import { isOfStock, STOCK_PATH, stockPlaceOf } from './stock-paths.js';
import { WebApp } from './web-app.js';

/** First words of addresses that are for programs. */
const FOR_PROGRAMS = /^\/(api|auth|avatar|badges|change_hook|config|metrics|sse|ws)(\/|$)/;

/** Settings of Buildbot's server that there is nothing to say about here. Its clients read them all the same. */
const NOTHING_OF_STOCK = { authz: {}, debug: false, logfileName: '', ui_default_config: {} };

@Controller()
export class PagesController {
  constructor(
    private readonly webApp: WebApp,
    private readonly stock: StockFrontend,
    private readonly catalog: CatalogReads,
    private readonly hints: Hints,
    private readonly access: Access,
    private readonly policy: AccessPolicy,
    private readonly callers: Callers,
    private readonly providers: Providers,
    private readonly signIn: SignIn,
    @Inject(SETTINGS) private readonly settings: UiSettings,
  ) {}

  /**
   * Answers with the data that the page needs first, under the names that Buildbot's frontend reads, `bus`, what the caller may do nowhere
   * (`refused`), and the ways to sign in (`sign_in`).
   */
  @Get('config')
  async config(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await reply.header('cache-control', 'no-store').send(await this.siteConfig(request));
  }

  private async siteConfig(request: FastifyRequest): Promise<Record<string, unknown>> {
    const caller = await this.callers.of(request.headers, addressOf(request.raw));
    const revision = await this.catalog.currentRevision();
    const { publicUrl, httpPort } = this.settings;
    const { avatars = 'initials' } = this.policy.www;
    return {
      ...NOTHING_OF_STOCK,
      port: `tcp:${httpPort}`,
      auth: this.authOfStock(),
      avatar_methods: [{ name: typeof avatars === 'object' ? 'services' : avatars }],
      buildbotURL: `${publicUrl}/`,
      bus: this.hints.state,
      multiMaster: true,
      plugins: {},
      title: revision?.config.title ?? 'Millrace',
      titleURL: revision?.config.url ?? `${publicUrl}/`,
      refused: this.access.refused(caller),
      sign_in: {
        passwords: this.signIn.takesPasswords,
        providers: this.providers.pages.map(({ name, label }) => ({ name, label })),
      },
      user: userOf(caller),
      user_any_access_allowed: this.access.may(caller, { action: 'view', resource: 'page' }),
      versions: [['Millrace', '0.1.0']],
    };
  }

  /** Returns what Buildbot's frontend wants to know, which has one way to sign in. */
  private authOfStock(): object {
    const [page] = this.providers.pages;
    if (page) return { name: page.label, oauth2: true, fa_icon: page.icon, autologin: page.autologin };
    return { name: this.policy.www.auth ? 'UserPasswordAuth' : 'NoAuth' };
  }

  /** `/ws` is for WebSockets only. */
  @Get('ws')
  ws(@Res() reply: FastifyReply): void {
    void reply.status(426).header('upgrade', 'websocket').send('');
  }

  /**
   * Answers with a file or the app's page; never to a program, which would take the page for an answer.
   * @throws UserError `invalid-path`
   */
  @Get('*')
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const path = (request.raw.url ?? '/').split('?')[0]!;
    if (FOR_PROGRAMS.test(path))
      throw new UserError('invalid-path', `there is nothing at ${printable(path, 200)}: see docs/api.md`, {});
    if (this.stock.isWanted && isOfStock(path)) return this.stockPage(request, reply, path);
    await this.webApp.send(reply, path);
  }

  /** Answers with a file of Buildbot's own frontend, or the data that it needs first. */
  private async stockPage(request: FastifyRequest, reply: FastifyReply, path: string): Promise<void> {
    const { publicUrl } = this.settings;
    const place = stockPlaceOf(path);
    switch (place.kind) {
      case 'root':
        // Its addresses are relative, so that it needs the slash.
        await reply.redirect(`${publicUrl}${STOCK_PATH}/`, 302);
        return;
      case 'config': {
        const config = await this.siteConfig(request);
        const own = { buildbotURL: `${publicUrl}${STOCK_PATH}/`, plugins: this.stock.plugins() };
        await reply.header('cache-control', 'no-store').send({ ...config, ...own });
        return;
      }
      case 'file':
        await this.stock.send(reply, place.file);
        return;
      case 'nothing':
        throw new UserError('invalid-path', `there is nothing at ${printable(path, 200)}`);
    }
  }
}
