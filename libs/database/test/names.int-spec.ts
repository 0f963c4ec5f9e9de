import { expect, it } from '@jest/globals';
import { CatalogReads, ConfigurationStore, type Definitions, OwnershipStore } from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

/** Names that a database or a program might confuse: padding, letters, accents, members that every object has. */
const NAMES = [
  'app',
  'app ',
  'App',
  'äpp',
  'a\u0308pp',
  'app\u00a0',
  '构建',
  '__proto__',
  'constructor',
  'toString',
  ' app',
];

onEveryDatabase('names', (get) => {
  it('that differ in anything are names of different things', async () => {
    const { db } = get();
    const engine = await register(db, 'engine');
    const named = NAMES.map((name) => ({ name }));
    const definitions: Definitions = {
      projects: named,
      builders: NAMES.map((name) => ({ name, project: name, tags: [], workers: NAMES, fingerprint: 'f' })),
      workers: NAMES.map((name) => ({ name, maxBuilds: 1 })),
      schedulers: NAMES.map((name) => ({ name, kind: 'any-branch' })),
      changeSources: named,
    };
    const store = new ConfigurationStore(db);
    const apply = () => store.apply(engine, { fingerprint: 'names', body: '{}' }, definitions, { serves: true });
    const ids = await apply();
    for (const kind of ['builders', 'workers', 'schedulers'] as const) {
      expect([...ids[kind].keys()].sort()).toEqual([...NAMES].sort());
      expect(new Set(ids[kind].values()).size).toBe(NAMES.length);
    }
    expect(await apply()).toEqual(ids);

    const catalog = new CatalogReads(db);
    for (const name of NAMES) {
      expect(await catalog.builderId(name)).toBe(ids.builders.get(name));
      expect(await catalog.workerId(name)).toBe(ids.workers.get(name));
    }
    expect(await catalog.builderId('app  ')).toBeNull();
    const projects = await catalog.projects({ tellActive: true });
    expect(projects.map(({ name }) => name).sort()).toEqual([...NAMES].sort());
    expect(new Set(projects.map(({ slug }) => slug)).size).toBe(NAMES.length);
    expect(projects.find(({ name }) => name === 'app')!.slug).toBe('app');
  });

  it('have separate owners', async () => {
    const { db } = get();
    const [one, two] = [await register(db, 'scheduler'), await register(db, 'scheduler')];
    const ownerships = new OwnershipStore(db);
    expect(await ownerships.acquire('poller:app', one, true)).not.toBeNull();
    expect(await ownerships.acquire('poller:app ', two, true)).not.toBeNull();
    expect(await ownerships.acquire('poller:app', two, true)).toBeNull();
  });
});
