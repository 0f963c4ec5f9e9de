import type { RightsPolicy } from '@millrace/domain';

/** How people sign in, and what they may do. A part that is not configured is missing. */
export interface CompiledWww {
  readonly auth?: CompiledAuth;
  readonly authz?: RightsPolicy;
}

/** How long people stay signed in. */
export interface CompiledAuth {
  /** Time without a request after which a session ends. */
  readonly idleMs: number;
  /** Time after which a session ends in any case. */
  readonly sessionMs: number;
}
