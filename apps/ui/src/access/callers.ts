import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { ApiTokenStore, SessionStore } from '@millrace/database';
import { UserError } from '@millrace/domain';
import { SETTINGS, type UiSettings } from '@millrace/master';
import { ANONYMOUS, type Caller } from '../resources/caller.js';
import { AccessPolicy } from './access-policy.js';
import { cookieFor, cookieOf } from './cookies.js';
import { proxyUser } from './proxy-user.js';

const BEARER = /^Bearer +(mrt_[\w-]{43})$/i;
const SECRET = /^[\w-]{43}$/;

/** Finds out whose request it is: a token's, a proxy's, a session's, or a stranger's, who costs no look into the database. */
@Injectable()
export class Callers {
  private readonly cookieName: string;

  constructor(
    @Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>,
    private readonly sessions: SessionStore,
    private readonly tokens: ApiTokenStore,
    @Inject(SETTINGS) { publicUrl }: Pick<UiSettings, 'publicUrl'>,
  ) {
    this.cookieName = cookieFor('session', publicUrl).name;
  }

  /**
   * Returns the caller of a request. A session that is over makes a stranger.
   * @throws UserError `unauthorized` for a token that does not work
   */
  async of(headers: IncomingHttpHeaders, address: string): Promise<Caller> {
    const { authorization, cookie } = headers;
    const { auth } = this.policy.www;
    if (!auth) return ANONYMOUS;
    if (authorization !== undefined && /^bearer /i.test(authorization)) {
      const token = BEARER.exec(authorization)?.[1];
      const holder = token === undefined ? null : await this.tokens.find(token);
      if (!holder) throw new UserError('unauthorized', 'the token does not work: it is unknown, revoked or over');
      return { kind: 'token', ...holder };
    }
    const known = auth.proxy ? proxyUser(auth.proxy, headers, address) : null;
    if (known) return { kind: 'user', account: known };
    const secret = this.secretOf(cookie);
    const account = secret === null ? null : await this.sessions.find(secret, auth.idleMs);
    return account === null ? ANONYMOUS : { kind: 'user', account };
  }

  /** Returns what the session's cookie holds. */
  secretOf(cookie: string | undefined): string | null {
    const secret = cookieOf(cookie, this.cookieName);
    return secret !== null && SECRET.test(secret) ? secret : null;
  }
}
