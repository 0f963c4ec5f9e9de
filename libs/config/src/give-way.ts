import { readFileSync, readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;
/** What the kernel counts CPU time in, on every architecture of Linux. */
const TICK_MS = 10;

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

/** Returns the CPU time that a thread of this process has used, by its thread id; null when the thread has ended. */
export function cpuMsOf(threadId: number): number | null {
  try {
    const stat = readFileSync(`/proc/self/task/${threadId}/stat`, 'latin1');
    // Behind the name, which may be anything: state, parent, … The 12th and 13th are the time in user and kernel mode.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
