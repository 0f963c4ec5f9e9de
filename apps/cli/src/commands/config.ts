import { userInfo } from 'node:os';
import { openDatabase, storesOf } from '@millrace/database';
import { diffJson, UserError } from '@millrace/domain';
import { say, sayTable } from '../output.js';
import { sayAnswers } from './reconfig.js';
import { recorded } from './recorded.js';

/** Most revisions that are listed. */
const LISTED = 50;
/** Digits of a fingerprint that are shown. */
const SHOWN = 12;

/** Runs `millrace config list`: prints the newest revisions, and which masters have them. */
export async function listRevisions(databaseUrl: string): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const revisions = await storesOf(db).revisions.newest(LISTED);
    if (revisions.length === 0) say('No master has read a configuration yet.');
    else
      sayTable([
        ['REVISION', 'FIRST READ', 'MASTERS'],
        ...revisions.map(({ fingerprint, createdAtMs, masters }) => [
          fingerprint.slice(0, SHOWN),
          new Date(createdAtMs).toISOString(),
          masters.join(', ') || '-',
        ]),
      ]);
    for (const revert of await storesOf(db).reverts.all()) {
      const [now, file] = [revert.fingerprint, revert.instead_of].map((digits) => digits.slice(0, SHOWN));
      const where = revert.masters.length > 0 ? `in force on ${revert.masters.join(', ')}` : 'in force nowhere yet';
      say(`\n${revert.made_by} asked to go back to ${now} from ${file}, which the file has. It is ${where}.`);
      for (const { master, why } of revert.missing) say(`${master} stays with what it has: ${why}`);
    }
    return 0;
  } finally {
    await db.close();
  }
}

/**
 * Runs `millrace config diff`: prints what differs between two revisions, by default the two newest ones.
 * @throws UserError `not-found`, `ambiguous`, `bad-revision`
 */
export async function diffRevisions(databaseUrl: string, before?: string, after?: string): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { revisions } = storesOf(db);
    const [newest, previous] = await revisions.newest(2);
    const from = before ?? previous?.fingerprint;
    const to = after ?? newest?.fingerprint;
    if (from === undefined || to === undefined)
      throw new UserError('not-found', 'there is nothing to compare: fewer than two revisions are stored');
    const lines = diffJson(await revisions.body(from), await revisions.body(to));
    say(`from ${from.slice(0, SHOWN)} to ${to.slice(0, SHOWN)}`);
    for (const line of lines) say(line);
    if (lines.length === 0) say('The compiled configurations are equal: only the text of callbacks or files differs.');
    return 0;
  } finally {
    await db.close();
  }
}

/**
 * Runs `millrace config revert`: puts an earlier revision in force in place of what the file says, or ends that, and prints each master's
 * answer.
 * @param revision beginning of a fingerprint; null to end it
 * @throws UserError `not-found`, `ambiguous`, `bad-revision`, `no-masters`, `not-reverted`
 */
export async function revertConfiguration(databaseUrl: string, revision: string | null): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { audit, commands, reverts, revisions } = storesOf(db);
    const fingerprint = revision === null ? null : await revisions.fingerprint(revision);
    const deed =
      fingerprint === null
        ? { action: 'config revert --end', target: 'revisions' }
        : { action: 'config revert', target: 'revisions', params: { revision: fingerprint } };
    const asked = await recorded(audit, deed, () =>
      fingerprint === null ? reverts.end() : reverts.revert(fingerprint, userInfo().username),
    );
    return await sayAnswers(commands, asked);
  } finally {
    await db.close();
  }
}
