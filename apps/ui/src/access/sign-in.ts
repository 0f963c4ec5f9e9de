import { Inject, Injectable } from '@nestjs/common';
import type { CompiledAuth } from '@millrace/contracts';
import { type Account, type Identity, isUsername, SessionStore, UserStore } from '@millrace/database';
import { LoginThrottle, type MillraceError, monotonicMs, OperationalError, UserError } from '@millrace/domain';
import { AccessPolicy } from './access-policy.js';
import type { Provider } from './providers/kind.js';
import { Providers } from './providers/providers.js';
import { Turns } from './turns.js';

/** A session that has begun. */
export interface SignedIn {
  readonly account: Account;
  /** What the cookie has to hold. */
  readonly secret: string;
  readonly sessionMs: number;
}

/** Somebody whose name and password are right. */
type Accepted =
  { readonly by: 'account'; readonly account: Account } | { readonly by: Provider; readonly identity: Identity };

/**
 * Signs people in: with the accounts of `millrace user`, and by the providers of the configuration. Guessing is slowed down for whoever guesses,
 * by the account and by the address; the right password is never refused.
 */
@Injectable()
export class SignIn {
  private readonly throttle = new LoginThrottle();
  /** Each password that is checked takes 20 MB, and a core for a while. */
  private readonly turns = new Turns(2, 500);

  constructor(
    @Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>,
    private readonly users: UserStore,
    private readonly sessions: SessionStore,
    private readonly providers: Providers,
  ) {}

  /** Whether there is anything that a name and a password could be of. */
  get takesPasswords(): boolean {
    const { auth } = this.policy.www;
    return auth !== undefined && (auth.accounts !== false || this.providers.passwords.length > 0);
  }

  /**
   * Signs in with a name and a password. The accounts of Millrace's own come first, so that they need no provider.
   * @throws UserError `unauthorized`, `no-accounts`, `name-taken`; OperationalError `busy`, or that of a provider that could not be asked
   */
  async withPassword(username: string, password: string, address: string): Promise<SignedIn> {
    if (!this.takesPasswords) throw noAccounts();
    const answer = await this.ask(username, password);
    const isRight = 'by' in answer;
    // Directories do not tell small letters from large ones.
    const name = username.slice(0, 200).normalize('NFKC').toLowerCase();
    const delayMs = this.throttle.judged(isRight, name, address, monotonicMs());
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (!isRight) throw answer.failure;
    return answer.by === 'account'
      ? this.begin(answer.account, 'account', address)
      : this.withIdentity(answer.by, answer.identity, address);
  }

  /**
   * Signs in somebody whom a provider has told.
   * @throws UserError `no-accounts`, `name-taken`, `bad-user`
   */
  async withIdentity({ kind, name }: Provider, identity: Identity, address: string): Promise<SignedIn> {
    return this.begin(await this.users.signedIn(name, identity), kind, address);
  }

  private async ask(username: string, password: string): Promise<Accepted | { readonly failure: MillraceError }> {
    if (this.auth.accounts !== false) {
      const account = await this.turns.take(() => this.users.check(username, password));
      if (account) return { by: 'account', account };
    }
    let failure: MillraceError = new UserError('unauthorized', 'there is no account with this name and password');
    if (!isUsername(username) || password === '') return { failure };
    for (const provider of this.providers.passwords) {
      try {
        const identity = await provider.check(username, password);
        if (identity) return { by: provider, identity };
      } catch (error) {
        if (!(error instanceof OperationalError)) throw error;
        failure = error;
      }
    }
    return { failure };
  }

  private async begin(account: Account, signedInBy: string, address: string): Promise<SignedIn> {
    const { sessionMs } = this.auth;
    const secret = await this.sessions.begin({ account, signedInBy, address, sessionMs });
    return { account, secret, sessionMs };
  }

  private get auth(): CompiledAuth {
    const { auth } = this.policy.www;
    if (!auth) throw noAccounts();
    return auth;
  }
}

function noAccounts(): UserError {
  return new UserError(
    'no-accounts',
    'nobody can sign in here with a password: the configuration has no www.auth for it',
  );
}
