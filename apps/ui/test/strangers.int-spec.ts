import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenStore, type Database, openDatabase, UserStore } from '@millrace/database';
import { eventually, type MariaDb, requireService, startMariaDb } from '@millrace/testing';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

/** Reads of strangers at a time, and waiting for their turn. */
const STRANGERS = { atATime: 8, waiting: 500 };
const PATIENCE = { timeoutMs: 60_000 } as const;

(requireService('mariadb') ? describe : describe.skip)('strangers who read', () => {
  let server: MariaDb;
  let site: Site;
  let ui: UiServer;
  /** Somebody who keeps the builds from being read. */
  let holder: Database;
  let reader: Record<string, string>;
  beforeAll(async () => {
    server = await startMariaDb();
    const url = await server.createDatabase();
    site = await Site.on(url);
    // Nothing but what is asked for reads builds.
    ui = await startUi(site, {
      pollIntervalMs: 600_000,
      policy: { www: { auth: { idleMs: 60_000, sessionMs: 600_000 } } },
    });
    holder = openDatabase(url, { connections: 1 });
    await new UserStore(site.db).add({
      ...{ username: 'ann', fullName: null, email: null, password: 'long enough', groups: [] },
    });
    const token = await new ApiTokenStore(site.db).create({
      ...{ username: 'ann', purpose: 'x', scopes: ['view'], lifeMs: null },
    });
    reader = { authorization: `Bearer ${token}` };
  }, 180_000);
  afterAll(async () => {
    await holder?.close();
    await ui?.close();
    await site?.close();
    await server?.stop();
  });

  const statusOf = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
    const answer = await fetch(`${ui.url}/api/v2/${path}`, { headers });
    await answer.text();
    return answer.status;
  };
  /** Returns how many reads of builds the server is asked for now. */
  const held = async (): Promise<number> => {
    const rows = await holder.all<{ Info: string | null }>(`SHOW FULL PROCESSLIST`);
    return rows.filter(({ Info }) => Info?.includes('FROM builds b')).length;
  };

  it('take turns, so that whoever is signed in is answered at once, and beyond so many are sent away', async () => {
    const answers: Promise<number>[] = [];
    const count = STRANGERS.atATime + STRANGERS.waiting + 20;
    await holder.run(`LOCK TABLES builds WRITE`);
    let sentAway = 0;
    try {
      for (let i = 0; i < count; i++) {
        // Different reads: the same ones share an answer.
        answers.push(statusOf(`builds?order=-buildid&limit=10&offset=${i}`));
      }
      for (const answer of answers) void answer.then((status) => (sentAway += status === 503 ? 1 : 0));
      await eventually(() => sentAway === 20, { ...PATIENCE, what: 'those for whom there is no room' });
      await eventually(async () => (await held()) === STRANGERS.atATime, {
        ...PATIENCE,
        what: 'the reads of strangers',
      });
      for (const path of ['changes', 'buildrequests', 'masters']) expect(await statusOf(path, reader)).toBe(200);
      // There is no room for another stranger, whatever it reads.
      expect(await statusOf('changes')).toBe(503);
      expect([await held(), sentAway]).toEqual([STRANGERS.atATime, 20]);
    } finally {
      await holder.run(`UNLOCK TABLES`);
    }
    const statuses = await Promise.all(answers);
    expect(statuses.filter((status) => status === 200)).toHaveLength(STRANGERS.atATime + STRANGERS.waiting);
    expect(await statusOf('builds')).toBe(200);
  }, 180_000);
});
