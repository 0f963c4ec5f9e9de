import { type RightsAction, type RightsPolicy, verdict } from './rights.js';
import type { Person } from './person.js';

/** Why somebody may not deliver to a hook with an API token, or that they may. */
type DeliveryVerdict = { readonly allowed: true } | { readonly allowed: false; readonly why: string };

/**
 * Decides whether a token may stand in for the signature of a delivery. Its scopes have to include `deliver`, and a rule has to allow that:
 * it is nobody's by default.
 */
export function mayDeliver(
  policy: RightsPolicy,
  holder: { readonly account: Person; readonly scopes: readonly RightsAction[] },
  hook: string,
): DeliveryVerdict {
  const action = 'deliver';
  if (!holder.scopes.includes(action))
    return { allowed: false, why: `the scopes of the token do not include '${action}'` };
  const found = verdict(policy, holder.account, { action, resource: 'hook', hook });
  if (found.allowed) return found;
  const { rule, role } = found;
  const why = role === null ? `no rule allows '${action}'` : `you need to have role '${role}' (rule ${rule})`;
  return { allowed: false, why };
}
