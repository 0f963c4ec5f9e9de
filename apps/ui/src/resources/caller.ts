import type { Account } from '@millrace/database';
import type { Deed, Person, RightsAction } from '@millrace/domain';

/** The caller of a request. */
export type Caller =
  | { readonly kind: 'anonymous' }
  /** Somebody who is signed in. */
  | { readonly kind: 'user'; readonly account: Account }
  /** A script. It may do what the account may, as far as the scopes go. */
  | {
      readonly kind: 'token';
      readonly account: Account;
      readonly tokenId: number;
      readonly scopes: readonly RightsAction[];
    };

export const ANONYMOUS: Caller = { kind: 'anonymous' };

/** A permission that an action needs. */
export type Permission = RightsAction;

/** Where a deed takes place, beside its resource. */
export type Place = Omit<Deed, 'action' | 'resource'>;

export function personOf(caller: Caller): Person | null {
  return caller.kind === 'anonymous' ? null : caller.account;
}

/** Returns the name by which others know the caller: as Buildbot does, the e-mail address, or else the user name. */
export function ownerNameOf(caller: Caller): string | null {
  return caller.kind === 'anonymous' ? null : (caller.account.email ?? caller.account.username);
}
