import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';

/**
 * Lets everything else go before the calling thread, which is to run the user's code (I5). After loading, which others wait for. Linux alone
 * has priorities for single threads; elsewhere nothing happens.
 */
export function giveWay(): void {
  if (process.platform === 'linux')
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), constants.priority.PRIORITY_BELOW_NORMAL);
}
