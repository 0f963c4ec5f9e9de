import { describe, expect, it } from '@jest/globals';
import { type Belongings, Sight } from './sight.js';

const BELONGINGS: Belongings = {
  projects: [
    { id: 1, name: 'open', visibleTo: null },
    { id: 2, name: 'secret', visibleTo: ['staff'] },
  ],
  byDefault: ['anyone'],
  builders: [
    { id: 11, name: 'open-tests', projectId: 1 },
    { id: 12, name: 'secret-tests', projectId: 2 },
    { id: 13, name: 'loose', projectId: null },
  ],
  workers: new Map([
    [21, { name: 'both', builderIds: [11, 12] }],
    [22, { name: 'hidden', builderIds: [12] }],
    [23, { name: 'idle', builderIds: [] }],
  ]),
  schedulers: new Map([
    ['all', ['open-tests', 'secret-tests']],
    ['nightly', ['secret-tests']],
  ]),
  changeSources: new Map([
    ['open.git', 'open'],
    ['secret.git', 'secret'],
    ['other.git', ''],
  ]),
  hooks: new Map([
    ['open', 'open'],
    ['secret', 'secret'],
    ['any', null],
  ]),
};

const sightOf = (byDefault: readonly string[], ...roles: string[]): Sight =>
  Sight.of({ ...BELONGINGS, byDefault }, new Set(['anyone', ...roles]))!;

describe('Sight', () => {
  it('is none for whoever sees everything', () => {
    expect(Sight.of(BELONGINGS, new Set(['anyone', 'staff']))).toBeNull();
  });

  it.each<[string, (sight: Sight) => unknown, unknown, unknown]>([
    ['projects', (s) => [1, 2, 3].filter((id) => s.seesProject(id)), [1], [2]],
    ['builders', (s) => [11, 12, 13, 99].filter((id) => s.seesBuilder(id)), [11, 13], [12]],
    [
      'builders by name',
      (s) => ['open-tests', 'secret-tests', 'x'].map((n) => s.seesBuilderNamed(n)),
      [true, false, false],
      [false, true, false],
    ],
    ['workers', (s) => [21, 22, 23, 99].filter((id) => s.seesWorker(id)), [21], [21, 22]],
    [
      'workers by name',
      (s) => ['both', 'hidden', 'x'].map((n) => s.seesWorkerNamed(n)),
      [true, false, false],
      [true, true, false],
    ],
    ['schedulers', (s) => ['all', 'nightly', 'x'].filter((n) => s.seesScheduler(n)), ['all'], ['all', 'nightly']],
    [
      'change sources',
      (s) => ['open.git', 'secret.git', 'other.git', 'x'].filter((n) => s.seesChangeSource(n)),
      ['open.git', 'other.git'],
      ['secret.git'],
    ],
    ['hooks', (s) => s.hookNames, ['open'], ['secret']],
    [
      'projects of changes',
      (s) => ['open', 'secret', '', 'x'].filter((n) => s.seesProjectNamed(n)),
      ['open', '', 'x'],
      ['secret'],
    ],
    [
      'the same projects in a statement',
      (s) => s.changeProjects,
      { are: 'hidden', names: ['secret'] },
      { are: 'visible', names: ['secret'] },
    ],
  ])('has %s, of a stranger and of staff where nothing is visible by default', (_name, look, stranger, staff) => {
    expect(look(sightOf(['anyone']))).toEqual(stranger);
    expect(look(sightOf([], 'staff'))).toEqual(staff);
  });

  it('has one key for all who see the same', () => {
    expect(sightOf([]).key).toBe(sightOf([], 'other').key);
    expect(sightOf([]).key).not.toBe(sightOf([], 'staff').key);
  });
});
