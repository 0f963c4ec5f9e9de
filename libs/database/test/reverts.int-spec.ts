import { expect, it } from '@jest/globals';
import { CommandStore, ConfigurationStore, RevertStore } from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

const NOTHING = { projects: [], builders: [], workers: [], schedulers: [], changeSources: [] };

onEveryDatabase('reverts', (get) => {
  it('hold while a living master has the file, for each file, and go over to another revision', async () => {
    const { db } = get();
    const reverts = new RevertStore(db);
    const store = new ConfigurationStore(db);
    await expect(reverts.revert('one', 'ann')).rejects.toMatchObject({ code: 'not-found' });
    const [a, b] = [await register(db, 'engine', { name: 'a' }), await register(db, 'scheduler', { name: 'b' })];
    const apply = (me: typeof a, fingerprint: string, fileFingerprint = fingerprint) =>
      store.apply(me, { fingerprint, body: '{}', standing: { fileFingerprint, missing: null } }, NOTHING, {
        serves: me === a,
      });
    await apply(a, 'one');
    await db.run(`UPDATE masters SET file_fingerprint = NULL`);
    await expect(reverts.revert('one', 'ann')).rejects.toMatchObject({ code: 'no-masters' });
    await expect(reverts.end()).rejects.toMatchObject({ code: 'not-reverted' });

    await apply(a, 'two');
    await apply(b, 'three');
    const asked = await reverts.revert('one', 'ann');
    expect(asked.map(({ name }) => name)).toEqual(['a', 'b']);
    const commands = await new CommandStore(db).openCommands(a.masterId);
    expect(commands).toMatchObject([{ id: asked[0]!.commandId, kind: 'reconfig' }]);
    expect(await reverts.inForceFor('two')).toBe('one');
    expect(await reverts.inForceFor('three')).toBe('one');
    expect(await reverts.inForceFor('four')).toBe('four');

    await apply(a, 'one', 'two');
    await reverts.report(b, { fileFingerprint: 'three', missing: 'it is not kept' });
    expect((await reverts.all()).sort((x, y) => (x.instead_of < y.instead_of ? 1 : -1))).toMatchObject([
      { instead_of: 'two', fingerprint: 'one', made_by: 'ann', masters: ['a'], missing: [] },
      { instead_of: 'three', masters: [], missing: [{ master: 'b', why: 'it is not kept' }] },
    ]);

    // The file of one is edited. What holds for the other's goes on.
    await apply(b, 'four');
    expect(await reverts.all()).toMatchObject([{ instead_of: 'two', masters: ['a'] }]);
    await reverts.revert('three', 'bob');
    expect((await reverts.all()).map(({ fingerprint }) => fingerprint)).toEqual(['three', 'three']);
    // Going back to what the files say is the end of it.
    await apply(b, 'two');
    await reverts.revert('two', 'bob');
    expect(await reverts.all()).toEqual([]);

    await reverts.revert('one', 'ann');
    await expect(reverts.end('three')).rejects.toMatchObject({ code: 'not-reverted' });
    expect((await reverts.end('one')).map(({ name }) => name)).toEqual(['a', 'b']);
    expect(await reverts.inForceFor('two')).toBe('two');
  });

  it('outlive the masters that have them: nobody alive ends what holds for the file that is read next', async () => {
    const { db } = get();
    const reverts = new RevertStore(db);
    const store = new ConfigurationStore(db);
    await db.run(`UPDATE masters SET lease_until_ms = 0`);
    const me = await register(db, 'engine', { name: 'c' });
    await store.apply(me, { fingerprint: 'bad', body: '{}' }, NOTHING, { serves: true });
    await reverts.revert('one', 'ann');
    await db.run(`UPDATE masters SET lease_until_ms = 0`);
    const other = await register(db, 'engine', { name: 'd' });
    const standing = { fileFingerprint: 'bad', missing: null };
    await store.apply(other, { fingerprint: 'one', body: '{}', standing }, NOTHING, { serves: true });
    expect(await reverts.all()).toMatchObject([{ instead_of: 'bad', fingerprint: 'one', masters: ['d'] }]);
  });
});
