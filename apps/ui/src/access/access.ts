import { Inject, Injectable } from '@nestjs/common';
import {
  asksForPlaces,
  type Deed,
  EVERYBODY_MAY,
  mayEverybody,
  refusedEverywhere,
  RIGHTS_ACTIONS,
  type RightsAction,
  type RightsPolicy,
  UserError,
  type Verdict,
  verdict,
} from '@millrace/domain';
import { type Caller, personOf } from '../resources/caller.js';
import { AccessPolicy } from './access-policy.js';

/** Decides what callers may do: the one place that every read, command and event asks. */
@Injectable()
export class Access {
  constructor(@Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>) {}

  private get rights(): RightsPolicy {
    return this.policy.www.authz ?? EVERYBODY_MAY;
  }

  /** Whether a deed has to say more than its action, because some rule asks. */
  get asksForPlaces(): boolean {
    return asksForPlaces(this.rights);
  }

  /** Whether every caller may do this anywhere, so that nobody has to be asked. */
  mayEverybody(action: RightsAction): boolean {
    return mayEverybody(this.rights, action);
  }

  may(caller: Caller, deed: Deed): boolean {
    return isInScope(caller, deed.action) && verdict(this.rights, personOf(caller), deed).allowed;
  }

  /**
   * Checks that a caller may do something.
   * @throws UserError `forbidden`
   */
  demand(caller: Caller, deed: Deed): void {
    const { action } = deed;
    if (!isInScope(caller, action)) {
      throw new UserError('forbidden', `the scopes of the token do not include '${action}'`, { action });
    }
    const found = verdict(this.rights, personOf(caller), deed);
    if (!found.allowed) throw new UserError('forbidden', why(found, action), { action, rule: found.rule });
  }

  /** Returns what a caller may do nowhere, with the reasons. */
  refused(caller: Caller): Partial<Record<RightsAction, string>> {
    return Object.fromEntries(
      RIGHTS_ACTIONS.flatMap((action) => {
        const found = refusedEverywhere(this.rights, personOf(caller), action);
        return found === null ? [] : [[action, why(found, action)]];
      }),
    );
  }
}

function isInScope(caller: Caller, action: RightsAction): boolean {
  return caller.kind !== 'token' || caller.scopes.includes(action);
}

function why({ role, rule }: Extract<Verdict, { allowed: false }>, action: RightsAction): string {
  return rule === null
    ? `no rule allows '${action}'`
    : `you need to have role '${role}' (rule ${rule}, about '${action}')`;
}
