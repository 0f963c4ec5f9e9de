import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Database, openDatabase } from '@millrace/database';
import { Balancer, type MariaDb, requireService, startMariaDb } from '@millrace/testing';

const ANSWER_WITHIN_MS = 300;

/** After a failover that nobody told TCP about. */
(requireService('mariadb') ? describe : describe.skip)('a server that falls silent, on MariaDB', () => {
  let server: MariaDb;
  let network: Balancer;
  let db: Database;
  beforeAll(async () => {
    server = await startMariaDb();
    const url = new URL(await server.createDatabase());
    network = await Balancer.start([Number(url.port)]);
    url.port = String(network.port);
    db = openDatabase(url.href, { answerWithinMs: ANSWER_WITHIN_MS });
  }, 60_000);
  afterAll(async () => {
    await db.close();
    await network.stop();
    await server.stop();
  });

  it.each([
    ['a statement', () => db.get(`SELECT 1 AS one`)],
    ['a transaction', () => db.transaction((tx) => tx.get(`SELECT 1 AS one`))],
    [
      'the middle of a transaction',
      () =>
        db.transaction(async (tx) => {
          await tx.get(`SELECT 1 AS one`);
          network.loseNetwork();
          return tx.get(`SELECT 1 AS one`);
        }),
    ],
  ])('is given up in %s, and asked again on another connection', async (_what, ask) => {
    await db.get(`SELECT 1 AS one`);
    network.loseNetwork();
    await expect(ask()).rejects.toMatchObject({ code: 'database-unavailable' });
    network.restoreNetwork();
    await expect(db.get(`SELECT 1 AS one`)).resolves.toEqual({ one: 1 });
  });
});
