import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClaimStore, createBuildset, type Database, Journal, migrate, openDatabase } from '@millrace/database';
import { Result } from '@millrace/domain';
import { Balancer, type MariaDb, requireService, startMariaDb } from '@millrace/testing';
import { configure, register } from './databases.js';

const ANSWER_WITHIN_MS = 300;
const NO_SOURCE = { branch: null, revision: null, repository: '', project: '', codebase: '' };

/** The state after a failover that TCP does not notice. */
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

/** Passes everything on. On request it loses the answer to the next commit together with the connection. */
class CommitLoser {
  armed = false;
  lost = 0;

  private constructor(private readonly server: Server) {}

  static async before(port: number): Promise<CommitLoser> {
    const server = createServer((client) => {
      const backend = connect(port, '127.0.0.1');
      let isLosing = false;
      client.on('data', (bytes) => {
        if (loser.armed && bytes.includes('COMMIT')) {
          loser.armed = false;
          isLosing = true;
        }
        backend.write(bytes);
      });
      backend.on('data', (bytes) => {
        if (!isLosing) return void client.write(bytes);
        loser.lost += 1;
        client.destroy();
        backend.destroy();
      });
      for (const [one, other] of [
        [client, backend],
        [backend, client],
      ] as const)
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
    });
    const loser = new CommitLoser(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return loser;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
  }
}

(requireService('mariadb') ? describe : describe.skip)('a commit whose answer is lost, on MariaDB', () => {
  let server: MariaDb;
  let network: CommitLoser;
  let db: Database;
  beforeAll(async () => {
    server = await startMariaDb();
    const url = new URL(await server.createDatabase());
    await migrate(url.href);
    network = await CommitLoser.before(Number(url.port));
    url.port = String(network.port);
    db = openDatabase(url.href);
  }, 60_000);
  afterAll(async () => {
    await db.close();
    network.close();
    await server.stop();
  });

  it('is not written twice by the journal, and its callers learn that it was written', async () => {
    const me = await register(db, 'engine');
    const ids = await configure(db, me, { builders: 1, workers: 1 });
    const builderId = ids.builders.get('b0')!;
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: 'lost-commit',
        reason: 'test',
        sourceStamps: [NO_SOURCE],
        properties: {},
        builderIds: [builderId],
      }),
    );
    const [build] = await new ClaimStore(db).claim(me, [
      {
        requestId: created!.requests[0]!.requestId,
        builderId,
        builderName: 'b0',
        workerId: ids.workers.get('w0')!,
        workerName: 'w0',
        properties: {},
      },
    ]);
    let troubles = 0;
    const journal = new Journal(db, me, () => troubles++);

    network.armed = true;
    const begun = await journal.write(build!, [
      { kind: 'step-started', number: 0, name: 'make', hidden: false },
      { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: 'oone\n', lines: 1 },
    ]);
    const step = (await db.get<{ id: number }>(`SELECT id FROM steps WHERE build_id = ?`, [build!.buildId]))!;
    const log = (await db.get<{ id: number }>(`SELECT id FROM logs WHERE build_id = ?`, [build!.buildId]))!;
    expect(begun).toMatchObject({
      steps: [{ stepId: step.id, event: 'started' }],
      logs: [{ stepId: step.id, logId: log.id, event: 'new' }],
    });
    await journal.write(build!, [
      { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: 'otwo\n', lines: 1 },
      { kind: 'step-finished', number: 0, results: Result.SUCCESS, stateString: 'made', hidden: false },
    ]);
    network.armed = true;
    const { ended } = await journal.write(build!, [
      { kind: 'build-finished', end: { results: Result.SUCCESS, stateString: 'build successful' } },
    ]);
    expect(ended).toMatchObject({ buildId: build!.buildId, requeued: false });
    expect([network.lost, troubles]).toEqual([2, 2]);

    expect(await db.all(`SELECT name, results FROM steps WHERE build_id = ?`, [build!.buildId])).toEqual([
      { name: 'make', results: Result.SUCCESS },
    ]);
    expect(await db.all(`SELECT num_lines AS count, complete FROM logs WHERE build_id = ?`, [build!.buildId])).toEqual([
      { count: 2, complete: 1 },
    ]);
  });
});
