import { Controller, Get, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { SessionStore } from '@millrace/database';
import { parseJson, UserError } from '@millrace/domain';
import { SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { addressOf } from '../http/api-request.js';
import { ClientAddresses } from '../http/client-addresses.js';
import type { Caller } from '../resources/caller.js';
import { AuditLog } from './audit-log.js';
import { Callers } from './callers.js';
import { cookieFor } from './cookies.js';
import { Providers } from './providers/providers.js';
import { SignIn, type SignedIn } from './sign-in.js';
import { refuseForeign, siteOf, targetOf } from './site-links.js';

const BASIC = /^Basic +([A-Za-z\d+/]{1,2000}={0,2})$/i;
const LOGIN_LIMITS = { maxDepth: 2, maxValues: 10, maxCharacters: 4_000 };

/** Signing in and out: for pages by JSON, for scripts and Buildbot's own pages by the addresses that they know. */
@Controller('auth')
export class AuthController {
  private readonly cookie: ReturnType<typeof cookieFor>;

  constructor(
    private readonly signIn: SignIn,
    private readonly callers: Callers,
    private readonly sessions: SessionStore,
    private readonly providers: Providers,
    private readonly audit: AuditLog,
    private readonly addresses: ClientAddresses,
    @Inject(SETTINGS) private readonly settings: Pick<UiSettings, 'publicUrl' | 'listenerRule'>,
  ) {
    this.cookie = cookieFor('session', settings.publicUrl);
  }

  /**
   * Signs in with a basic login, and goes on to a page. Without one it begins a login at the first provider with a page of its own, which is what
   * Buildbot's frontend expects here.
   */
  @Get('login')
  async loginByHeader(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query('redirect') redirect: unknown,
  ): Promise<void> {
    refuseForeign(request);
    const given = basicLogin(request.headers.authorization);
    const provider = given === null ? this.providers.pages[0] : undefined;
    if (provider) {
      const query = new URLSearchParams(typeof redirect === 'string' ? { redirect } : {});
      await reply
        .status(302)
        .header('location', `${siteOf(this.settings, request)}/auth/login/${provider.name}?${query.toString()}`)
        .send('');
      return;
    }
    const signedIn = given && (await this.tried(request, given));
    if (!signedIn) {
      await reply
        .status(401)
        .headers({ 'www-authenticate': 'basic realm="buildbot"' })
        .type('text/html')
        .send('Unauthorized');
      return;
    }
    await reply
      .status(302)
      .headers(this.begun(signedIn))
      .header('location', targetOf(this.settings, request, redirect))
      .send('');
  }

  @Post('login')
  async login(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const given = parseJson(typeof request.body === 'string' ? request.body : '', LOGIN_LIMITS, 'the login');
    const { username, password } = (typeof given === 'object' && given !== null ? given : {}) as Record<
      string,
      unknown
    >;
    if (typeof username !== 'string' || typeof password !== 'string')
      throw new UserError('bad-login', 'the login needs a username and a password');
    const signedIn = await this.withPassword(request, username, password);
    await reply
      .status(200)
      .headers(this.begun(signedIn))
      .send({ user: userOf({ kind: 'user', account: signedIn.account }) });
  }

  @Get('logout')
  async logoutByLink(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query('redirect') redirect: unknown,
  ): Promise<void> {
    refuseForeign(request);
    await this.ended(request, reply);
    await reply
      .status(302)
      .header('location', targetOf(this.settings, request, redirect))
      .send('');
  }

  @Post('logout')
  async logout(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.ended(request, reply);
    await reply.status(200).send({ user: userOf({ kind: 'anonymous' }) });
  }

  @Get('userinfo')
  async userInfo(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const user = userOf(await this.callers.of(request.headers, addressOf(request.raw)));
    await reply.header('cache-control', 'no-store').send({ user });
  }

  @Get('*')
  @HttpCode(404)
  unknown(): object {
    return { error: 'there is nothing at this address', code: 'not-found' };
  }

  /** Returns null where a login is wrong, so that a browser asks again. */
  private async tried(
    request: FastifyRequest,
    [username, password]: readonly [string, string],
  ): Promise<SignedIn | null> {
    try {
      return await this.withPassword(request, username, password);
    } catch (error) {
      if (error instanceof UserError && error.code === 'unauthorized') return null;
      throw error;
    }
  }

  private async withPassword(request: FastifyRequest, username: string, password: string): Promise<SignedIn> {
    const signedIn = await this.signIn.withPassword(username, password, this.addresses.of(request.raw));
    await this.record('login', { kind: 'user', account: signedIn.account }, request);
    return signedIn;
  }

  private record(action: 'login' | 'logout', caller: Caller, { raw }: FastifyRequest): Promise<void> {
    return this.audit.done({ caller, action, address: this.addresses.of(raw), target: '', params: {} });
  }

  private begun({ secret, sessionMs }: SignedIn): Record<string, string> {
    return { 'set-cookie': this.cookie.set(secret, sessionMs / 1000), 'cache-control': 'no-store' };
  }

  private async ended(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const secret = this.callers.secretOf(request.headers.cookie);
    if (secret !== null) {
      const caller = await this.callers.of(request.headers, addressOf(request.raw));
      await this.sessions.end(secret);
      if (caller.kind === 'user') await this.record('logout', caller, request);
    }
    void reply.headers({ 'set-cookie': this.cookie.clear, 'cache-control': 'no-store' });
  }
}

/** Returns a caller as pages see it, in Buildbot's words. */
export function userOf(caller: Caller): object {
  if (caller.kind === 'anonymous') return { anonymous: true };
  const { username, email, fullName, groups } = caller.account;
  return { username, email: email ?? username, ...(fullName !== null && { full_name: fullName }), groups };
}

function basicLogin(authorization: string | undefined): readonly [string, string] | null {
  const encoded = BASIC.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const at = text.indexOf(':');
  return at < 0 ? null : [text.slice(0, at), text.slice(at + 1)];
}
