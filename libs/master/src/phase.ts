export type Phase = 'starting' | 'running' | 'draining' | 'stopping';

/** Where this master is in its life. */
export class MasterPhase {
  current: Phase = 'starting';
}
