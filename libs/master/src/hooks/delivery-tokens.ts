import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { CompiledHook } from '@millrace/contracts';
import { ApiTokenStore } from '@millrace/database';
import { EVERYBODY_MAY, LoginThrottle, mayDeliver, monotonicMs, UserError } from '@millrace/domain';
import { ConfiguredHooks } from './configured-hooks.js';

/** Tokens of `millrace token`. */
const API_TOKEN = /^Bearer +(mrt_[\w-]{43})$/i;

/** Finds out who delivers to a hook with an API token. It stands in for the signature where a rule says so. */
@Injectable()
export class DeliveryTokens {
  private readonly throttle = new LoginThrottle();

  constructor(
    private readonly hooks: ConfiguredHooks,
    private readonly tokens: ApiTokenStore,
  ) {}

  /**
   * Returns the user and the purpose of a delivery's token; null without one, and where nobody has tokens.
   * @throws UserError `unauthorized`, `forbidden`
   */
  async sender(hook: CompiledHook, authorization: string | undefined, address: string): Promise<string | null> {
    const token = API_TOKEN.exec(authorization ?? '')?.[1];
    if (token === undefined) return null;
    const { auth, authz = EVERYBODY_MAY } = await this.hooks.www();
    if (!auth) return null;
    const holder = await this.tokens.find(token);
    await delay(this.throttle.judged(holder !== null, hook.name, address, monotonicMs()));
    if (!holder) throw new UserError('unauthorized', 'the token does not work: it is unknown, revoked or over');
    const found = mayDeliver(authz, holder, hook.name);
    if (!found.allowed) throw new UserError('forbidden', found.why, { hook: hook.name });
    return holder.purpose === '' ? holder.account.username : `${holder.account.username}: ${holder.purpose}`;
  }
}
