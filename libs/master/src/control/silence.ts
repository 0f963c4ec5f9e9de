export interface Silence {
  /** Time since the main loop last turned. */
  readonly silentMs: number;
  /** Delay of this check itself. */
  readonly lateMs: number;
  readonly leaseMs: number;
  readonly isLeaseOver: boolean;
}

/**
 * Decides what the control thread does about its main loop. For a hung loop the lease is not renewed, and the process ends once the lease
 * is over. When the check itself is equally late, the whole process stood still (a laptop asleep, a paused virtual machine), and the main
 * loop is judged at the next check: perhaps nobody has taken over, and if somebody has, the fences hold.
 */
export function judgeSilence({ silentMs, lateMs, leaseMs, isLeaseOver }: Silence): 'renew' | 'wait' | 'end' {
  if (silentMs <= leaseMs / 2) return 'renew';
  if (lateMs > leaseMs / 4) return 'wait';
  return isLeaseOver ? 'end' : 'wait';
}
