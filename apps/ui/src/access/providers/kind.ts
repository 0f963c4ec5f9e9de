import type { CompiledProvider } from '@millrace/contracts';
import type { Identity } from '@millrace/database';
import type { Logger } from '@millrace/master';

/** A way to sign in beside the accounts of Millrace's own. `name` and an identity's subject say who somebody is. */
export type Provider = PasswordProvider | PageProvider;

interface ProviderCommon {
  readonly kind: CompiledProvider['kind'];
  readonly name: string;
  readonly label: string;
}

/** A provider that is asked about a name and a password. */
export interface PasswordProvider extends ProviderCommon {
  readonly asks: 'password';
  /**
   * Returns whose name and password these are; null when they are wrong.
   * @throws OperationalError `provider-unavailable`, `bad-provider-answer`, `busy`
   */
  check(username: string, password: string): Promise<Identity | null>;
}

/** A provider with a page of its own, which browsers are sent to and come back from. */
export interface PageProvider extends ProviderCommon {
  readonly asks: 'page';
  readonly icon: string;
  readonly autologin: boolean;
  /** Known to every UI and to nobody else: made from the client's secret. Seals what a login has to remember. */
  readonly sealingKey: Uint8Array;
  /**
   * Begins a login.
   * @param callback the address to which the provider has to send the browser back
   * @throws OperationalError `provider-unavailable`
   */
  begin(callback: string): Promise<BegunLogin>;
  /**
   * Ends a login.
   * @param answer the callback with what the provider has added
   * @throws UserError `login-refused`; OperationalError `provider-unavailable`, `bad-provider-answer`
   */
  finish(answer: URL, proofs: LoginProofs): Promise<Identity>;
}

/** What a browser has to bring back, and what the provider's answer is checked by. */
export interface LoginProofs {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface BegunLogin {
  /** Where the browser has to go. */
  readonly url: URL;
  readonly proofs: LoginProofs;
}

/** What providers get from the UI. */
export interface ProviderEnvironment {
  /** The variables with the secrets. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Pick<Logger, 'warn'>;
  /** Longest time for an answer. */
  readonly answerMs: number;
}

/** A kind of provider. The configuration has its other half, `libs/config/src/www/providers`. */
export interface ProviderKind<Compiled extends CompiledProvider = CompiledProvider> {
  readonly kind: Compiled['kind'];
  /** @throws OperationalError `no-secret` when a variable is not set */
  make(compiled: Compiled, environment: ProviderEnvironment): Provider;
}
