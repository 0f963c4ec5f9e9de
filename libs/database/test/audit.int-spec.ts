import { beforeEach, expect, it } from '@jest/globals';
import { AuditReads, AuditStore, BuildActionStore, EVERYTHING } from '@millrace/database';
import { onEveryDatabase } from './databases.js';

const DAY_MS = 86_400_000;
const FOR_EVER = { keepMs: 1000 * DAY_MS, mostRows: 1_000_000 };
const deed = (more: object = {}) => ({
  ...({
    username: 'ann',
    via: 'session',
    tokenId: null,
    address: '192.0.2.1',
    action: 'stop',
    target: 'builds/1',
  } as const),
  params: { reason: 'why' },
  ...more,
});

onEveryDatabase('the audit log', (get) => {
  let store: AuditStore;
  let reads: AuditReads;
  beforeEach(async () => {
    await get().db.run(`DELETE FROM audit`);
    store = new AuditStore(get().db);
    reads = new AuditReads(get().db);
  });
  const all = async () => (await reads.list(EVERYTHING)).rows;

  it('has what was begun, how it ended, and what was refused, with who and from where', async () => {
    const [open, good, bad] = [await store.begun(deed()), await store.begun(deed()), await store.begun(deed())];
    await store.ended(good, 'done');
    await store.ended(bad, 'failed', 'no such build');
    await store.refused(deed({ username: 'bob', via: 'token', tokenId: 7 }), 'not you');
    await store.done(deed({ username: null, via: 'none' }));
    const entries = await all();
    expect(entries.map(({ outcome, error }) => [outcome, error])).toEqual([
      ['begun', null],
      ['done', null],
      ['failed', 'no such build'],
      ['refused', 'not you'],
      ['done', null],
    ]);
    expect(entries[3]).toMatchObject({ username: 'bob', via: 'token', tokenid: 7, address: '192.0.2.1' });
    expect(await reads.one(open)).toMatchObject({ username: 'ann', target: 'builds/1', params: { reason: 'why' } });
    expect(Math.abs(entries[0]!.at * 1000 - Date.now())).toBeLessThan(60_000);
  });

  it('has a forced build when there is one, and nothing of one that could not be made', async () => {
    const force = (builderId: number | null) =>
      new BuildActionStore(get().db).force({
        ...{
          schedulerId: 1,
          schedulerName: 's',
          builderIds: [builderId as number],
          reason: '',
          owner: 'ann',
          sourceStamps: [],
          properties: {},
        },
        ...{ priority: 0, deed: deed({ action: 'force' }) },
      });
    await force(1);
    await expect(force(null)).rejects.toThrow(/builder_id/);
    const forced = await get().db.get(`SELECT COUNT(*) AS n FROM buildsets`);
    expect([(await all()).map(({ action, outcome }) => [action, outcome]), forced]).toEqual([
      [['force', 'done']],
      { n: 1 },
    ]);
  });

  it('keeps the beginning of what is long', async () => {
    const long = deed({ params: { reason: 'x'.repeat(10_000) }, target: 'y'.repeat(8000), action: 'z'.repeat(100) });
    await store.refused({ ...long, address: 'a'.repeat(100) }, 'e'.repeat(5000));
    const [entry] = await all();
    expect([entry!.target.length, entry!.action.length, entry!.address.length, entry!.error!.length]).toEqual([
      190, 64, 64, 1000,
    ]);
    expect(entry!.params).toEqual({ beginning: `{"reason":"${'x'.repeat(1989)}` });
  });

  it('is found by user, the newest first', async () => {
    for (const username of ['ann', 'bob', 'ann']) await store.done(deed({ username }));
    const query = {
      ...EVERYTHING,
      order: [{ field: 'auditid', descending: true }],
      filters: [{ field: 'username', op: 'eq', values: ['ann'] }],
    };
    const { rows } = await reads.list(query as never);
    expect(rows.map(({ username }) => username)).toEqual(['ann', 'ann']);
    expect(rows[0]!.auditid).toBeGreaterThan(rows[1]!.auditid);
  });

  it('is bounded by age and by number', async () => {
    for (let i = 0; i < 5; i++) await store.done(deed({ target: `builds/${i}` }));
    expect(await store.prune(FOR_EVER)).toBe(0);
    await get().db.run(`UPDATE audit SET at_ms = at_ms - ? WHERE target IN ('builds/0', 'builds/1')`, [10 * DAY_MS]);
    expect(await store.prune({ ...FOR_EVER, keepMs: 9 * DAY_MS })).toBe(2);
    expect(await store.prune({ ...FOR_EVER, mostRows: 2 })).toBe(1);
    expect((await all()).map(({ target }) => target)).toEqual(['builds/3', 'builds/4']);
  });
});
