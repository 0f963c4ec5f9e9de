import { decodeJelly, encodeJelly, type Jelly, Tagged, textOf } from './jelly.js';

const COPIED_FAILURE = 'twisted.spread.pb.CopyableFailure';
export const UNAUTHORIZED_LOGIN = 'twisted.cred.error.UnauthorizedLogin';
export const NO_SUCH_METHOD = 'twisted.spread.flavors.NoSuchMethod';

/**
 * Encodes an exception in the smallest form that every Twisted version understands (`docs/protocols.md#the-login-over-pb`). Without
 * `parents` a refused worker stays connected and idle for ever, or exits, depending on its version.
 */
export function encodeFailure(type: string, message = ''): Tagged {
  const state: Jelly = new Map<Jelly, Jelly>([
    ['type', Buffer.from(type, 'utf8')],
    ['value', message],
    ['traceback', ''],
    ['parents', [type]],
  ]);
  return new Tagged(COPIED_FAILURE, [encodeJelly(state)]);
}

/** Returns `type: message` of a failure. */
export function describeFailure(failure: Jelly): string {
  if (!(failure instanceof Tagged)) return textOf(failure) ?? 'unknown failure';
  const [first] = failure.parts;
  const decoded = first === undefined ? null : decodeJelly(first);
  if (!(decoded instanceof Map)) return failure.tag;
  const state = decoded as ReadonlyMap<Jelly, Jelly>;
  const type = textOf(state.get('type')) ?? failure.tag;
  const value = textOf(state.get('value'));
  return value ? `${type}: ${value}` : type;
}
