import { UserError } from '@millrace/domain';

/** Who asks. Nobody logs in yet, so that everybody is anonymous. */
export type Caller = { readonly kind: 'anonymous' };

export const ANONYMOUS: Caller = { kind: 'anonymous' };

/**
 * What one may be allowed to do: `view` reads and listens, `force` begins builds by a form, `rebuild` begins one again, `stop` ends builds
 * and requests, `enable` switches schedulers, `control` is the rest (the order of the queue, workers).
 */
export type Permission = 'view' | 'force' | 'rebuild' | 'stop' | 'enable' | 'control';

/** Says who may do what. */
export type Rights = (caller: Caller, permission: Permission) => boolean;

/** `Rights` */
export const RIGHTS = Symbol('RIGHTS');

/** Whoever reaches the listener may do everything. */
export const EVERYBODY_MAY: Rights = () => true;

/** @throws UserError `forbidden` */
export function demand(rights: Rights, caller: Caller, permission: Permission): void {
  if (rights(caller, permission)) return;
  throw new UserError('forbidden', `${caller.kind} callers may not '${permission}' here`, { permission });
}
