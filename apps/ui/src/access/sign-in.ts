import { Inject, Injectable } from '@nestjs/common';
import { type Account, SessionStore, UserStore } from '@millrace/database';
import { LoginThrottle, monotonicMs, OperationalError, UserError } from '@millrace/domain';
import { AccessPolicy } from './access-policy.js';

/** Passwords that are checked at a time: each takes 20 MB, and a core for a while. */
const AT_A_TIME = 2;
/** Most logins that wait for their turn. */
const MOST_WAITING = 500;

/** A session that has begun. */
export interface SignedIn {
  readonly account: Account;
  /** What the cookie has to hold. */
  readonly secret: string;
  readonly sessionMs: number;
}

/**
 * Signs people in with the accounts of `millrace user`. Guessing is slowed down for whoever guesses, by the account and by the address; the right
 * password is never refused.
 */
@Injectable()
export class SignIn {
  private readonly throttle = new LoginThrottle();
  private free = AT_A_TIME;
  private readonly waiting: (() => void)[] = [];

  constructor(
    @Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>,
    private readonly users: UserStore,
    private readonly sessions: SessionStore,
  ) {}

  /** @throws UserError `unauthorized`, `no-accounts`; OperationalError `busy` */
  async withPassword(username: string, password: string, address: string): Promise<SignedIn> {
    const { auth } = this.policy.www;
    if (!auth) throw new UserError('no-accounts', 'nobody can sign in here: the configuration has no www.auth');
    const account = await this.inTurn(() => this.users.check(username, password));
    const delayMs = this.throttle.judged(account !== null, username.slice(0, 200), address, monotonicMs());
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (account === null) throw new UserError('unauthorized', 'there is no account with this name and password');
    const { sessionMs } = auth;
    const secret = await this.sessions.begin({ account, signedInBy: 'account', address, sessionMs });
    return { account, secret, sessionMs };
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else if (this.waiting.length >= MOST_WAITING)
      throw new OperationalError('busy', 'too many people are signing in: try again in a moment');
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
