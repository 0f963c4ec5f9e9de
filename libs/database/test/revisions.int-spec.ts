import { expect, it } from '@jest/globals';
import { ConfigurationStore, RevisionReads } from '@millrace/database';
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
});
