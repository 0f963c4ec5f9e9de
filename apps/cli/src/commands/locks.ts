import type { LockPartyResource, LockResource } from '@millrace/contracts';
import { openDatabase, storesOf } from '@millrace/database';
import { say, sayTable } from '../output.js';

/** Runs `millrace locks`: prints who has each lock, and who waits for it. */
export async function listLocks(databaseUrl: string): Promise<number> {
  const db = openDatabase(databaseUrl);
  try {
    const { locks, catalog } = storesOf(db);
    const [all, workers] = await Promise.all([locks.all(), catalog.workers()]);
    const workerNames = new Map(workers.map(({ workerid, name }) => [workerid, name]));
    if (all.length === 0) say('No lock is configured.');
    else sayTable([['LOCK', 'AT MOST', 'WHO', 'WHAT', 'SINCE'], ...all.flatMap((lock) => rowsOf(lock, workerNames))]);
    return 0;
  } finally {
    await db.close();
  }
}

function rowsOf(lock: LockResource, workerNames: ReadonlyMap<number, string>): string[][] {
  const row = (party: LockPartyResource, does: string, since: number): string[] => {
    const units = party.mode === 'exclusive' ? 'alone' : `${party.count}`;
    const where = party.workerid === null ? '' : ` on ${workerNames.get(party.workerid) ?? party.workerid}`;
    return [lock.name, `${lock.max_count}`, whoIs(party), `${does} ${units}${where}`, timeOf(since)];
  };
  const parties = [
    ...lock.holders.map((holder) =>
      row(holder, holder.resources.length > 0 ? `has ${holder.resources.join(', ')}:` : 'has', holder.taken_at),
    ),
    ...lock.waiters.map((waiter) => row(waiter, 'waits for', waiter.since)),
  ];
  return parties.length > 0 ? parties : [[lock.name, `${lock.max_count}`, '-', 'free', '-']];
}

function whoIs({
  builder_name: builder,
  build_number: number,
  buildrequestid,
  step_number: step,
}: LockPartyResource): string {
  const who = number === null ? `${builder} request ${buildrequestid}` : `${builder} #${number}`;
  return step === null ? who : `${who} step ${step}`;
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
