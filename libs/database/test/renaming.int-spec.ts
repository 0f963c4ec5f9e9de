import { beforeAll, expect, it } from '@jest/globals';
import { ConfigurationStore, type DefinitionIds, type Incarnation } from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

onEveryDatabase('renaming a builder', (get) => {
  let me: Incarnation;
  beforeAll(async () => {
    me = await register(get().db, 'engine');
  });

  const apply = async (builders: Readonly<Record<string, readonly string[]>>): Promise<DefinitionIds['builders']> => {
    const { builders: ids } = await new ConfigurationStore(get().db).apply(
      me,
      { fingerprint: JSON.stringify(builders), body: '{}' },
      {
        ...{ projects: [], workers: [], schedulers: [], changeSources: [] },
        builders: Object.entries(builders).map(([name, formerNames]) => ({
          ...{ name, formerNames, tags: [], workers: [], fingerprint: 'f' },
        })),
      },
      { serves: true },
    );
    return ids;
  };
  const names = async (): Promise<string[]> =>
    (await get().db.all<{ name: string }>(`SELECT name FROM builders ORDER BY name`)).map(({ name }) => name);

  it('keeps its row, whatever former name that has', async () => {
    const before = await apply({ a: [], b: [] });
    const after = await apply({ A: ['older', 'a'], b: [] });
    expect(after.get('A')).toBe(before.get('a'));
    expect(after.get('b')).toBe(before.get('b'));
    expect(await names()).toEqual(['A', 'b'].sort());
    expect(await apply({ A: ['older', 'a'], b: [] })).toEqual(after);
  });

  it('leaves alone a builder that has a row under its present name', async () => {
    const before = await apply({ c: [], d: [] });
    expect((await apply({ d: ['c'] })).get('d')).toBe(before.get('d'));
    expect(await names()).toEqual(expect.arrayContaining(['c', 'd']));
  });

  it('may hand a name on: the new builder of that name begins anew', async () => {
    const before = await apply({ e: [] });
    const after = await apply({ f: ['e'] });
    expect(after.get('f')).toBe(before.get('e'));
    const again = await apply({ f: [], e: [] });
    expect(again.get('f')).toBe(before.get('e'));
    expect(again.get('e')).not.toBe(before.get('e'));
  });
});
