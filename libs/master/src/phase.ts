export type Phase = 'starting' | 'running' | 'draining' | 'stopping';

/** The phase of this master's life. */
export class MasterPhase {
  current: Phase = 'starting';
}
