import { BuildActionStore, openDatabase, storesOf } from '@millrace/database';
import { say } from '../output.js';
import { recorded } from './recorded.js';

/** Runs `millrace rebuild`: builds again what a build has built; with `failed` it keeps the good ones of the builds that it triggered. */
export async function rebuild(databaseUrl: string, buildId: number, failed: boolean): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { audit, catalog } = storesOf(db);
    const what = failed ? 'failed' : 'all';
    const { requests } = await recorded(
      audit,
      { action: 'rebuild', target: `builds/${buildId}`, params: { what } },
      () => new BuildActionStore(db).rebuild(buildId, what),
    );
    const builders = new Map((await catalog.builders()).map(({ builderid, name }) => [builderid, name]));
    for (const { builderId, requestId, uuid } of requests)
      say(`${builders.get(builderId) ?? builderId}: build request ${requestId}, /requests/${uuid}`);
    return 0;
  } finally {
    await db.close();
  }
}
