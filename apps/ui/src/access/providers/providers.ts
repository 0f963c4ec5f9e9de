import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { CompiledProvider } from '@millrace/contracts';
import { messageOf, printable, UserError } from '@millrace/domain';
import { LOG, type Logger } from '@millrace/master';
import { AccessPolicy } from '../access-policy.js';
import type { PageProvider, PasswordProvider, Provider } from './kind.js';
import { providerKind } from './registry.js';

/** Longest time for an answer of a provider. */
const ANSWER_MS = 10_000;

/** `NodeJS.ProcessEnv`: where the variables are that a configuration names for the secrets of its providers. */
export const PROVIDER_ENVIRONMENT = Symbol('PROVIDER_ENVIRONMENT');

/** The providers of the configuration in use. One that cannot be used (its secret is missing) is left out, which the log says once. */
@Injectable()
export class Providers implements OnApplicationBootstrap {
  private from: readonly CompiledProvider[] | undefined;
  private usable: readonly Provider[] = [];
  /** By what the configuration says, so that a provider keeps what it knows while it stays the same. */
  private made = new Map<string, Provider | null>();

  constructor(
    @Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>,
    @Inject(PROVIDER_ENVIRONMENT) private readonly env: Readonly<Record<string, string | undefined>>,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /** The log says at start what cannot be used, not when somebody wants to sign in. */
  onApplicationBootstrap(): void {
    this.all();
  }

  get passwords(): readonly PasswordProvider[] {
    return this.all().filter((provider) => provider.asks === 'password');
  }

  get pages(): readonly PageProvider[] {
    return this.all().filter((provider) => provider.asks === 'page');
  }

  /** @throws UserError `not-found` */
  page(name: string): PageProvider {
    const found = this.pages.find((provider) => provider.name === name);
    if (!found)
      throw new UserError('not-found', `nobody signs in by '${printable(name, 100)}' here`, { provider: name });
    return found;
  }

  private all(): readonly Provider[] {
    const compiled = this.policy.www.auth?.providers;
    if (compiled !== this.from) {
      const before = this.made;
      this.made = new Map(
        (compiled ?? []).map((one) => {
          const key = JSON.stringify(one);
          return [key, before.has(key) ? before.get(key)! : this.make(one)];
        }),
      );
      this.usable = [...this.made.values()].filter((provider) => provider !== null);
      this.from = compiled;
    }
    return this.usable;
  }

  private make(compiled: CompiledProvider): Provider | null {
    const { kind, name } = compiled;
    try {
      const known = providerKind(kind);
      if (!known) throw new UserError('unknown-provider', `this UI knows no provider of the kind '${kind}'`, { kind });
      return known.make(compiled, { env: this.env, log: this.log, answerMs: ANSWER_MS });
    } catch (error) {
      this.log.warn({ err: error, provider: name }, `nobody can sign in by '${name}' at this UI: ${messageOf(error)}`);
      return null;
    }
  }
}
