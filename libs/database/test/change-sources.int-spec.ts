import { expect, it } from '@jest/globals';
import {
  CatalogReads,
  ChangeSourceStore,
  ConfigurationStore,
  IntakeStore,
  MasterStore,
  OwnershipStore,
  type SourceState,
} from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

onEveryDatabase('change sources', (get) => {
  it('have the state that their owner gives them, as long as it is the owner', async () => {
    const { db } = get();
    const me = await register(db, 'scheduler');
    const none = { projects: [], builders: [], workers: [], schedulers: [] };
    const revision = { fingerprint: 'sources', body: '{}' };
    const definitions = { ...none, changeSources: [{ name: 'r' }, { name: 'other' }] };
    await new ConfigurationStore(db).apply(me, revision, definitions, { serves: false });
    const sources = new ChangeSourceStore(db);
    const read = async () => (await new CatalogReads(db).changeSources()).find(({ name }) => name === 'r')!;
    expect(await read()).toMatchObject({ state: 'unpolled', state_since: null, error: null, master: null });

    const owner = (await new OwnershipStore(db).acquire('poller:r', me, true))!;
    expect(await read()).toMatchObject({
      state: 'new',
      state_since: null,
      error: null,
      master: { masterid: me.masterId },
    });
    const states: SourceState[] = [
      { state: 'ok' },
      { state: 'failing', error: 'no such host ✗' },
      { state: 'failing', error: 'refused' },
      { state: 'partial', error: 'a branch is not watched' },
      { state: 'ok' },
    ];
    for (const state of states) {
      await sources.setState(owner, 'r', state);
      expect(await read()).toMatchObject({ error: null, ...state, state_since: expect.any(Number) });
    }
    await sources.setState(owner, 'no such source', { state: 'ok' });

    await expect(
      sources.setState({ ...owner, epoch: owner.epoch + 1 }, 'r', { state: 'failing', error: 'old' }),
    ).rejects.toMatchObject({ code: 'fenced' });
    await sources.setState(owner, 'r', { state: 'failing', error: 'gone' });
    await new MasterStore(db).stop(me);
    expect(await read()).toMatchObject({ state: 'unpolled', state_since: null, error: null, master: null });
  });

  it.each([
    [1_795_795_447_000_000_000, 253_402_300_799_000],
    [1.8446744073709552e22, 253_402_300_799_000],
    [Number.NaN, 0],
    [-1, 0],
    [1_700_000_000_000.5, 1_700_000_000_000],
  ])('may give a change any time: of %s it has %s', async (whenMs, kept) => {
    const intake = new IntakeStore(get().db);
    const [id] = await intake.addChanges([
      {
        ...{ dedupKey: `at-${whenMs}`, author: 'a'.repeat(5000), committer: null, comments: '', revlink: '', whenMs },
        ...{ branch: 'main', revision: '1', repository: '', project: '', codebase: '', category: null },
        ...{ files: [], properties: {} },
      },
    ]);
    const [change] = await intake.changes([id!]);
    expect(change).toMatchObject({ whenMs: kept, author: 'a'.repeat(1000) });
  });
});
