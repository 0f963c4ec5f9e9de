import { expect, it } from '@jest/globals';
import { ConfigurationStore, EVERYTHING, RevisionReads } from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

onEveryDatabase('revisions', (get) => {
  it('are listed with their masters, and found by the beginning of their fingerprints', async () => {
    const { db } = get();
    const nothing = { projects: [], builders: [], workers: [], schedulers: [], changeSources: [] };
    const [one, two] = [await register(db, 'engine', { name: 'one' }), await register(db, 'engine', { name: 'two' })];
    const store = new ConfigurationStore(db);
    const apply = (me: typeof one, fingerprint: string, title: string) =>
      store.apply(me, { fingerprint, body: JSON.stringify({ title }) }, nothing, { serves: true });
    await apply(one, 'aaaa1', 'first');
    await apply(two, 'aaaa2', 'second');
    await apply(one, 'bbbb1', 'third');
    const revisions = new RevisionReads(db);
    expect((await revisions.newest(2)).map(({ fingerprint, masters }) => [fingerprint, masters])).toEqual([
      ['bbbb1', ['one']],
      ['aaaa2', ['two']],
    ]);
    expect(await revisions.body('bbbb')).toEqual({ title: 'third' });
    expect(await revisions.body('aaaa2')).toEqual({ title: 'second' });
    await expect(revisions.body('aaaa')).rejects.toMatchObject({ code: 'ambiguous' });
    await expect(revisions.body('cccc')).rejects.toMatchObject({ code: 'not-found' });
    await expect(revisions.body('%%%%')).rejects.toMatchObject({ code: 'bad-revision' });
    await expect(revisions.body('abc')).rejects.toMatchObject({ code: 'bad-revision' });
  });

  it('tell how much and what they change', async () => {
    const { db } = get();
    const nothing = { projects: [], builders: [], workers: [], schedulers: [], changeSources: [] };
    const me = await register(db, 'engine', { name: 'three' });
    const store = new ConfigurationStore(db);
    const revisions = new RevisionReads(db);
    const newest = async (limit: number) =>
      (await revisions.list({ ...EVERYTHING, order: [{ field: 'revisionid', descending: true }], limit })).rows;
    const apply = async (fingerprint: string, body: object): Promise<number> => {
      await store.apply(me, { fingerprint, body: JSON.stringify(body) }, nothing, { serves: true });
      return (await newest(1))[0]!.revisionid;
    };
    const first = await apply('1111a', { title: 'CI', builders: [{ name: 'a' }, { name: 'b' }] });
    const second = await apply('2222a', { title: 'CI', builders: [{ name: 'a', tags: ['x'] }, { name: 'c' }] });
    const third = await apply('3333a', { title: 'CD', builders: [{ name: 'c' }] });
    // A configuration that is read again stays what it was.
    await apply('2222a', {});
    expect((await newest(2)).map(({ revisionid, changed, masters }) => ({ revisionid, changed, masters }))).toEqual([
      {
        revisionid: third,
        changed: {
          builders: { added: 0, removed: 1, changed: 0 },
          other: { added: 0, removed: 0, changed: 2 },
        },
        masters: [],
      },
      { revisionid: second, changed: { builders: { added: 1, removed: 1, changed: 1 } }, masters: ['three'] },
    ]);
    expect(await revisions.differences(second)).toEqual([
      {
        section: 'builders',
        counts: { added: 1, removed: 1, changed: 1 },
        added: ['c'],
        removed: ['b'],
        changed: [{ name: 'a', lines: ['+ tags: ["x"]'] }],
        lines: [],
      },
    ]);
    expect(await revisions.differences(third, first)).toMatchObject([
      { section: 'builders', added: ['c'], removed: ['a', 'b'] },
      { section: 'other', lines: ['- title: "CI"', '+ title: "CD"'] },
    ]);
    expect(await revisions.differences(third + 1)).toBeNull();
    expect(await revisions.differences(third, third + 1)).toBeNull();
  });

  it('are returned in part where they differ in very much', async () => {
    const { db } = get();
    const nothing = { projects: [], builders: [], workers: [], schedulers: [], changeSources: [] };
    const me = await register(db, 'engine', { name: 'four' });
    const names = Array.from({ length: 600 }, (_, i) => ({ name: `b${i}`, text: 'x' }));
    const store = new ConfigurationStore(db);
    const apply = (fingerprint: string, body: object) =>
      store.apply(me, { fingerprint, body: JSON.stringify(body) }, nothing, { serves: true });
    await apply('4444a', { builders: names });
    await apply('5555a', { builders: names.map((one) => ({ ...one, text: 'y'.repeat(1000) })) });
    await apply('6666a', { builders: [] });
    const revisions = new RevisionReads(db);
    const [third, second] = await revisions.newest(2);
    const [changed] = (await revisions.differences(second!.revisionId))!;
    expect([changed!.counts.changed, changed!.changed.length, changed!.changed[0]!.lines[1]!.length]).toEqual([
      600, 200, 301,
    ]);
    const [removed] = (await revisions.differences(third!.revisionId))!;
    expect([removed!.counts.removed, removed!.removed.length]).toEqual([600, 500]);
  });
});
