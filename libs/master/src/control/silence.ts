export interface Silence {
  /** Since the main loop last turned. */
  readonly silentMs: number;
  /** By how much this very check comes late. */
  readonly lateMs: number;
  readonly leaseMs: number;
  readonly isLeaseOver: boolean;
}

/**
 * What the control thread does about its main loop: a hung one gets no renewals, and its process ends once the lease is over. When the
 * check itself is late by as much, the whole process stood still (a laptop asleep, a paused virtual machine) and the main loop is
 * judged at the next check: nobody may have taken over, and if somebody has, the fences hold.
 */
export function judgeSilence({ silentMs, lateMs, leaseMs, isLeaseOver }: Silence): 'renew' | 'wait' | 'end' {
  if (silentMs <= leaseMs / 2) return 'renew';
  if (lateMs > leaseMs / 4) return 'wait';
  return isLeaseOver ? 'end' : 'wait';
}
