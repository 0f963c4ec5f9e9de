import type { TokenHolder } from '@millrace/database';

/** Whoever triggers builds. */
export type TriggerCaller =
  /** Has the token of the setting, and may do everything. */
  | { readonly kind: 'operator' }
  /** Has a token of `millrace token`. */
  | ({ readonly kind: 'token' } & TokenHolder)
  /** Has none, where none is asked for. */
  | { readonly kind: 'stranger' };

export const STRANGER: TriggerCaller = { kind: 'stranger' };
