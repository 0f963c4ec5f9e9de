import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import type { CompiledConfig } from '@millrace/contracts';
import { ApiTokenStore } from '@millrace/database';
import {
  type Deed,
  EVERYBODY_MAY,
  isLoopback,
  mayEverybody,
  type Person,
  type RightsPolicy,
  type Sight,
  UserError,
  verdict,
} from '@millrace/domain';
import { ConfigSight, type SchedulerSettings, SETTINGS } from '@millrace/master';
import { SchedulerConfiguration } from '../configuration/scheduler-configuration.js';
import { STRANGER, type TriggerCaller } from './trigger-caller.js';

export interface Refusal {
  readonly error: string;
  readonly code: string;
}

/** Tokens of `millrace token`. */
const API_TOKEN = /^Bearer +(mrt_[\w-]{43})$/i;

/**
 * Lets only holders of a token trigger: of the setting, who may do everything, or of `millrace token`, who may do what the rules of the
 * configuration say. The check runs before the body is read, which is earlier than Nest's own guards: without a token nothing is parsed.
 */
@Injectable()
export class TriggerGuard {
  private readonly token: string | null;
  private readonly callers = new WeakMap<IncomingMessage, TriggerCaller>();
  private readonly sights = new WeakMap<CompiledConfig, ConfigSight>();

  /** @throws UserError `trigger-token-missing` when without a token everybody beyond this machine could trigger */
  constructor(
    private readonly configuration: SchedulerConfiguration,
    private readonly tokens: ApiTokenStore,
    @Inject(SETTINGS) { triggerHost, triggerToken }: SchedulerSettings,
  ) {
    if (!isLoopback(triggerHost) && !triggerToken) {
      throw new UserError(
        'trigger-token-missing',
        `MILLRACE_TRIGGER_HOST is '${triggerHost}': whoever reaches it could start builds; set MILLRACE_TRIGGER_TOKEN too`,
        { setting: 'MILLRACE_TRIGGER_TOKEN' },
      );
    }
    this.token = triggerToken;
  }

  /** Returns the refusal of a request; null when it is allowed, and `callerOf` knows whose it is. */
  async refuse(request: IncomingMessage): Promise<Refusal | null> {
    const caller = await this.find(request);
    if (caller === null) {
      return {
        error:
          'send a token that works: Authorization: Bearer TOKEN (the setting MILLRACE_TRIGGER_TOKEN, or one of millrace token)',
        code: 'bad-token',
      };
    }
    this.callers.set(request, caller);
    return null;
  }

  callerOf(request: IncomingMessage): TriggerCaller {
    return this.callers.get(request) ?? STRANGER;
  }

  /** Returns what a caller sees; null for everything. */
  sightOf(caller: TriggerCaller): Sight | null {
    if (caller.kind === 'operator') return null;
    const { config } = this.configuration.current;
    let sights = this.sights.get(config);
    if (sights === undefined) this.sights.set(config, (sights = new ConfigSight(config)));
    return sights.of(personOf(caller));
  }

  /** Whether it depends on the place whether a caller may trigger builds. */
  asksForPlaces(caller: TriggerCaller): boolean {
    return caller.kind !== 'operator' && !mayEverybody(this.rights, 'trigger');
  }

  /**
   * Checks that a caller may trigger builds at these places, and at all.
   * @throws UserError `forbidden`
   */
  demand(caller: TriggerCaller, places: readonly Omit<Deed, 'action' | 'resource'>[]): void {
    if (caller.kind === 'operator') return;
    const action = 'trigger';
    if (caller.kind === 'token' && !caller.scopes.includes(action))
      throw new UserError('forbidden', `the scopes of the token do not include '${action}'`, { action });
    const person = personOf(caller);
    for (const place of places) {
      const found = verdict(this.rights, person, { action, resource: 'scheduler', ...place });
      if (found.allowed) continue;
      const { rule, role } = found;
      const why = role === null ? `no rule allows '${action}'` : `you need to have role '${role}' (rule ${rule})`;
      throw new UserError('forbidden', why, { action, rule });
    }
  }

  private get rights(): RightsPolicy {
    return this.configuration.current.config.www?.authz ?? EVERYBODY_MAY;
  }

  /** Returns whose request it is; null when its token does not work, or is missing where the setting asks for one. */
  private async find({ headers: { authorization } }: IncomingMessage): Promise<TriggerCaller | null> {
    const token = this.configuration.current.config.www?.auth && API_TOKEN.exec(authorization ?? '')?.[1];
    if (token) {
      const holder = await this.tokens.find(token);
      return holder && { kind: 'token', ...holder };
    }
    if (this.token === null) return STRANGER;
    return isBearer(authorization, this.token) ? { kind: 'operator' } : null;
  }
}

function personOf(caller: TriggerCaller): Person | null {
  return caller.kind === 'token' ? caller.account : null;
}

function isBearer(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization?.replace(/^Bearer /i, '') ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
