import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;

/**
 * Lowers the priority of the calling thread, which is about to run the user's code (I5). Call it after loading, which others wait for. Only
 * Linux has priorities for single threads; elsewhere nothing happens.
 * @returns the thread id for `giveWayToAll`
 */
export function giveWay(): number | null {
  if (process.platform !== 'linux') return null;
  const threadId = Number(basename(readlinkSync('/proc/thread-self')));
  setPriority(threadId, PRIORITY_BELOW_NORMAL);
  return threadId;
}

/**
 * Lowers the priority of a thread that keeps a core busy below that of other threads with the user's code. This is final: only root could
 * raise it again.
 */
export function giveWayToAll(threadId: number): void {
  try {
    setPriority(threadId, PRIORITY_LOW);
  } catch (error) {
    // The thread has ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}
