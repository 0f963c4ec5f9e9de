import { UserError } from '@millrace/domain';

/** The caller of a request. There is no login yet, so everybody is anonymous. */
export type Caller = { readonly kind: 'anonymous' };

export const ANONYMOUS: Caller = { kind: 'anonymous' };

/**
 * A permission: `view` reads and listens, `force` starts builds by a form, `rebuild` repeats one, `stop` ends builds and requests, `enable`
 * switches schedulers, `control` is everything else (the order of the queue, workers).
 */
export type Permission = 'view' | 'force' | 'rebuild' | 'stop' | 'enable' | 'control';

/** Decides whether a caller has a permission. */
export type Rights = (caller: Caller, permission: Permission) => boolean;

/** `Rights` */
export const RIGHTS = Symbol('RIGHTS');

/** Everybody who reaches the listener may do everything. */
export const EVERYBODY_MAY: Rights = () => true;

/**
 * Checks a permission.
 * @throws UserError `forbidden`
 */
export function demand(rights: Rights, caller: Caller, permission: Permission): void {
  if (rights(caller, permission)) return;
  throw new UserError('forbidden', `${caller.kind} callers may not '${permission}' here`, { permission });
}
