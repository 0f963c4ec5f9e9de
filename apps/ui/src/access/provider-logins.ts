import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type UiSettings } from '@millrace/master';
import { cookieFor, cookieOf } from './cookies.js';
import { LOGIN_SECONDS, openLogin, sealLogin } from './pending-login.js';
import type { PageProvider } from './providers/kind.js';
import { SignIn, type SignedIn } from './sign-in.js';

/** What a browser comes back with. */
export interface ComingBack {
  readonly cookie: string | undefined;
  /** The query of its address, with the question mark. */
  readonly search: string;
  /** The address of the client. */
  readonly address: string;
}

/** Logins at the pages of providers: the way there, and the way back, which may be to another UI. */
@Injectable()
export class ProviderLogins {
  private readonly publicUrl: string;
  private readonly cookie: ReturnType<typeof cookieFor>;

  constructor(
    private readonly signIn: SignIn,
    @Inject(SETTINGS) { publicUrl }: Pick<UiSettings, 'publicUrl'>,
  ) {
    this.publicUrl = publicUrl;
    this.cookie = cookieFor('login', publicUrl);
  }

  /** The cookie that ends a login, whatever came of it. */
  get over(): string {
    return this.cookie.clear;
  }

  /**
   * Begins a login that leads to a page of this site.
   * @throws OperationalError `provider-unavailable`
   */
  async begin(provider: PageProvider, target: string): Promise<{ readonly url: string; readonly cookie: string }> {
    const { url, proofs } = await provider.begin(this.callbackOf(provider));
    const sealed = await sealLogin(provider, { proofs, target });
    return { url: url.href, cookie: this.cookie.set(sealed, LOGIN_SECONDS) };
  }

  /**
   * Ends a login.
   * @throws UserError `login-over`, `login-refused`, `name-taken`, `bad-user`; OperationalError `provider-unavailable`, `bad-provider-answer`
   */
  async finish(
    provider: PageProvider,
    { cookie, search, address }: ComingBack,
  ): Promise<SignedIn & { readonly target: string }> {
    const answer = new URL(this.callbackOf(provider) + search);
    const sealed = cookieOf(cookie, this.cookie.name);
    const { proofs, target } = await openLogin(provider, sealed, answer.searchParams.get('state'));
    const identity = await provider.finish(answer, proofs);
    return { ...(await this.signIn.withIdentity(provider, identity, address)), target };
  }

  private callbackOf({ name }: PageProvider): string {
    return `${this.publicUrl}/auth/login/${name}/callback`;
  }
}
