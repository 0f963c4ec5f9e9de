import { expect, it } from '@jest/globals';
import { ClaimStore, BuildActionStore, type Database, FinishedBuildsetStore, openDatabase } from '@millrace/database';
import { Result } from '@millrace/domain';
import { createBuildset } from '../src/buildsets.js';
import { configure, onEveryDatabase, register } from './databases.js';

const stamp = (revision: string | null) => ({ branch: 'main', revision, repository: '', project: 'p', codebase: '' });
let made = 0;

onEveryDatabase('finished buildsets', (get) => {
  const buildset = (db: Database, builderIds: readonly number[], source?: { revision: string | null }) => {
    const cause = `test:${++made}`;
    return db.transaction(
      async (tx) =>
        (await createBuildset(tx, {
          ...{
            schedulerId: null,
            schedulerName: 'all',
            cause,
            reason: '',
            sourceStamps: [stamp(source ? source.revision : cause)],
            properties: {},
          },
          builderIds,
        }))!,
    );
  };
  const lastSeq = async (): Promise<number> =>
    (await get().db.get<{ value: number }>(`SELECT value FROM counters WHERE name = 'buildset-seq'`))!.value;

  it('are seen once each by a reader with a cursor, while several masters finish them', async () => {
    const { db, url } = get();
    const me = await register(db, 'engine');
    const { builders, workers } = await configure(db, me, { builders: 3, workers: 45 });
    const engines = [db, openDatabase(url), openDatabase(url)];
    const sets = await Promise.all(
      Array.from({ length: 45 }, (_, i) => buildset(engines[i % 3]!, [[...builders.values()][i % 3]!])),
    );
    const reader = new FinishedBuildsetStore(openDatabase(url));
    let cursor = await lastSeq();
    const first = cursor;
    const seen: { readonly seq: number; readonly buildsetId: number }[] = [];
    let writing = true;
    const reading = (async () => {
      for (;;) {
        const wasWriting = writing;
        for (const finished of await reader.finishedBuildsetsAfter(cursor, 7)) {
          seen.push(finished);
          cursor = finished.seq;
        }
        if (!wasWriting && (await reader.finishedBuildsetsAfter(cursor, 1)).length === 0) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await Promise.all(
      sets.map(async ({ requests: [request] }, i) => {
        const engine = engines[i % 3]!;
        if (i % 5 === 0) return new BuildActionStore(engine).cancelRequest(request!.requestId, 'no reason');
        const claims = new ClaimStore(engine);
        const [build] = await claims.claim(me, [
          {
            ...{ requestId: request!.requestId, builderId: request!.builderId, builderName: 'b' },
            ...{ workerId: workers.get(`w${i}`)!, workerName: `w${i}`, properties: {} },
          },
        ]);
        return claims.end(build!, { results: Result.SUCCESS, stateString: 'done' });
      }),
    );
    writing = false;
    await reading;
    expect(seen.map(({ seq }) => seq)).toEqual(sets.map((_, i) => first + i + 1));
    expect(new Set(seen.map(({ buildsetId }) => buildsetId))).toEqual(
      new Set(sets.map(({ buildsetId }) => buildsetId)),
    );
  }, 120_000);

  it('contain what they were about and how they ended, also when nothing was to be built', async () => {
    const cursor = await lastSeq();
    const { buildsetId } = await buildset(get().db, []);
    expect(await new FinishedBuildsetStore(get().db).finishedBuildsetsAfter(cursor, 10)).toEqual([
      {
        ...{ seq: cursor + 1, buildsetId, schedulerName: 'all', results: Result.SUCCESS },
        sourceStamps: [stamp(`test:${made}`)],
        gotRevision: null,
      },
    ]);
  });

  it('tell what was checked out when nobody has named the revision', async () => {
    const { db } = get();
    const me = await register(db, 'engine');
    const { builders, workers } = await configure(db, me, { builders: 2, workers: 2 });
    const cursor = await lastSeq();
    const { requests } = await buildset(db, [...builders.values()], { revision: null });
    const claims = new ClaimStore(db);
    for (const [i, { requestId, builderId }] of requests.entries()) {
      const candidate = {
        requestId,
        builderId,
        builderName: 'b',
        workerId: workers.get(`w${i}`)!,
        workerName: `w${i}`,
      };
      const [build] = await claims.claim(me, [{ ...candidate, properties: {} }]);
      const properties = JSON.stringify(i === 0 ? {} : { got_revision: ['f00d', 'Git'] });
      await db.run(`UPDATE builds SET properties = ? WHERE id = ?`, [properties, build!.buildId]);
      await claims.end(build!, { results: Result.SUCCESS, stateString: 'done' });
    }
    expect(await new FinishedBuildsetStore(db).finishedBuildsetsAfter(cursor, 10)).toMatchObject([
      { sourceStamps: [{ revision: null }], gotRevision: 'f00d' },
    ]);
  });

  it('are numbered later when a master of the previous release has finished them', async () => {
    const { db } = get();
    const cursor = await lastSeq();
    const sets = [await buildset(db, [1]), await buildset(db, [1]), await buildset(db, [1])];
    for (const [i, { buildsetId }] of sets.entries())
      await db.run(`UPDATE buildsets SET complete_at_ms = ?, results = 0 WHERE id = ?`, [1000 - i, buildsetId]);
    const readers = [new FinishedBuildsetStore(db), new FinishedBuildsetStore(openDatabase(get().url))];
    await Promise.all(readers.map((reader) => reader.finishedBuildsetsAfter(cursor, 10)));
    const finished = await readers[0]!.finishedBuildsetsAfter(cursor, 10);
    expect(finished.map(({ buildsetId }) => buildsetId)).toEqual(sets.map(({ buildsetId }) => buildsetId).reverse());
  });
});
