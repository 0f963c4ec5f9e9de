import { locate } from '../../location.js';
import type { HookDialect } from '../kind.js';
import type { HookOptions } from '../options.js';
import { badDelivery } from '../payload.js';

export interface PollerHookOptions extends HookOptions {
  /** Names of the change sources that may be polled. The default is all. */
  readonly allowed?: readonly string[];
}

export interface PollerHookDefinition extends PollerHookOptions {
  readonly dialect: 'poller';
}

/** Defines a hook that makes change sources poll now: `POST /change_hook/poller` with `poller=NAME`. */
export function pollerHook(options: PollerHookOptions): PollerHookDefinition {
  return locate(pollerHook, { ...options, dialect: 'poller' });
}

/** Most change sources that one delivery names. */
const MAX_SOURCES = 100;

export const pollerDialect: HookDialect<{ readonly allowed: readonly string[] | null }> = {
  name: 'poller',
  compile: (reader) => ({ allowed: reader.has('allowed') ? reader.texts('allowed') : null }),
  proof: () => ({ kind: 'authorization' }),
  deliveryHeaders: ['idempotency-key'],
  read({ allowed }, { body, query }) {
    const named = [...new URLSearchParams(query).getAll('poller'), ...new URLSearchParams(body).getAll('poller')];
    const sources = [...new Set(named)];
    if (sources.length === 0) throw badDelivery('name the change source: poller=NAME', 'poller');
    if (sources.length > MAX_SOURCES) throw badDelivery(`names more than ${MAX_SOURCES} change sources`, 'poller');
    const refused = sources.find((source) => allowed !== null && !allowed.includes(source));
    if (refused !== undefined)
      return { kind: 'ignored', reason: `change source '${refused}' is not among those that this hook may poll` };
    return { kind: 'poll', sources };
  },
};
