import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;

/**
 * Lets everything else go before the calling thread, which is to run the user's code (I5). After loading, which others wait for. Linux alone
 * has priorities for single threads; elsewhere nothing happens.
 * @returns what `giveWayToAll` takes
 */
export function giveWay(): number | null {
  if (process.platform !== 'linux') return null;
  const threadId = Number(basename(readlinkSync('/proc/thread-self')));
  setPriority(threadId, PRIORITY_BELOW_NORMAL);
  return threadId;
}

/** Lets other threads that run the user's code go before that one, which keeps a core busy. For good: only root could take it back. */
export function giveWayToAll(threadId: number): void {
  try {
    setPriority(threadId, PRIORITY_LOW);
  } catch (error) {
    // It has ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}
