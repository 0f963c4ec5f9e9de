import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { MillraceError, OperationalError } from '@millrace/domain';
import { LOG, type Logger, SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ClientAddresses } from '../http/client-addresses.js';
import { AuditLog } from './audit-log.js';
import { cookieFor } from './cookies.js';
import { sendLoginFailure } from './login-failure.js';
import { ProviderLogins } from './provider-logins.js';
import { Providers } from './providers/providers.js';
import { refuseForeign, targetOf } from './site-links.js';

/** Signing in by providers with pages of their own: the addresses that browsers leave from and come back to. */
@Controller('auth/login')
export class ProviderController {
  private readonly session: ReturnType<typeof cookieFor>;

  constructor(
    private readonly providers: Providers,
    private readonly logins: ProviderLogins,
    private readonly audit: AuditLog,
    private readonly addresses: ClientAddresses,
    @Inject(SETTINGS) private readonly settings: Pick<UiSettings, 'publicUrl' | 'listenerRule'>,
    @Inject(LOG) private readonly log: Logger,
  ) {
    this.session = cookieFor('session', settings.publicUrl);
  }

  /** Sends the browser to a provider's page. */
  @Get(':provider')
  async begin(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('provider') name: string,
    @Query('redirect') redirect: unknown,
  ): Promise<void> {
    refuseForeign(request);
    await this.orFailure(request, reply, async () => {
      const { url, cookie } = await this.logins.begin(
        this.providers.page(name),
        targetOf(this.settings, request, redirect),
      );
      void reply.status(302).headers({ 'set-cookie': cookie, 'cache-control': 'no-store', location: url });
      await reply.send('');
    });
  }

  /** Takes the browser back, and begins a session. The link is on the provider's site; the cookie shows that the login began here. */
  @Get(':provider/callback')
  async finish(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('provider') name: string,
  ): Promise<void> {
    void reply.header('set-cookie', this.logins.over);
    await this.orFailure(request, reply, async () => {
      const provider = this.providers.page(name);
      const { raw, headers } = request;
      const address = this.addresses.of(raw);
      const search = new URL(raw.url ?? '', 'http://localhost').search;
      const signedIn = await this.logins.finish(provider, { cookie: headers.cookie, search, address });
      const { account, secret, sessionMs, target } = signedIn;
      const caller = { kind: 'user', account } as const;
      await this.audit.done({ caller, action: 'login', address, target: '', params: { provider: name } });
      const cookie = this.session.set(secret, sessionMs / 1000);
      void reply.status(302).headers({ 'set-cookie': cookie, 'cache-control': 'no-store', location: target });
      await reply.send('');
    });
  }

  private async orFailure(request: FastifyRequest, reply: FastifyReply, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      if (error instanceof OperationalError) this.log.warn({ err: error }, `a login failed: ${error.message}`);
      await sendLoginFailure(request, reply, { error, again: `${this.settings.publicUrl}/login` });
    }
  }
}
