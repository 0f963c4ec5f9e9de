import { EVERYTHING, openDatabase, storesOf } from '@millrace/database';
import { say, sayTable } from '../output.js';

/** Most entries that are listed. */
const MOST = 200;

/** Runs `millrace audit`: prints the newest entries, the newest last. */
export async function listAudit(databaseUrl: string, user: string | undefined): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { rows } = await storesOf(db).auditReads.list({
      ...EVERYTHING,
      limit: MOST,
      order: [{ field: 'auditid', descending: true }],
      filters: user === undefined ? [] : [{ field: 'username', op: 'eq', values: [user] }],
    });
    if (rows.length === 0) say('Nobody has done anything yet.');
    else {
      const cells = rows
        .reverse()
        .map((entry) => [
          new Date(entry.at * 1000).toISOString(),
          entry.username ?? '-',
          entry.via === 'token' ? `token ${entry.tokenid}` : entry.via,
          entry.address || '-',
          `${entry.action} ${entry.target}`.trim(),
          entry.error === null ? entry.outcome : `${entry.outcome}: ${entry.error}`,
        ]);
      sayTable([['WHEN', 'WHO', 'BY', 'FROM', 'WHAT', 'OUTCOME'], ...cells]);
    }
    return 0;
  } finally {
    await db.close();
  }
}
