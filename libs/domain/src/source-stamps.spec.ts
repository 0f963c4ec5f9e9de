import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { interpolate, withCodebaseValue } from './properties.js';
import {
  byCodebase,
  checkAddresses,
  checkPatch,
  checkSourceStamps,
  mainSourceStamp,
  NO_SOURCE,
  type Patch,
  PATCH_LIMITS,
  sourceProperties,
  type SourceStamp,
  sourceStampOf,
  withGotRevisions,
} from './source-stamps.js';

const of = (...codebases: string[]): SourceStamp[] =>
  codebases.map((codebase) => ({ ...NO_SOURCE, branch: `branch of ${codebase || 'none'}`, codebase }));

describe('a build of several source stamps', () => {
  it.each<[string[], string, string | undefined]>([
    [[''], '', ''],
    [['app'], '', 'app'],
    [['app'], 'app', 'app'],
    [['app'], 'lib', undefined],
    [[''], 'lib', undefined],
    [['', 'lib'], '', ''],
    [['', 'lib'], 'lib', 'lib'],
    [['app', 'lib'], '', undefined],
    [['app', 'lib'], 'lib', 'lib'],
    [[], '', undefined],
  ])('of %j has for %j that of %j', (codebases, codebase, expected) => {
    expect(sourceStampOf(of(...codebases), codebase)?.codebase).toBe(expected);
  });

  it.each<[string[], object]>([
    [[], { branch: null, revision: null, repository: '', project: '', codebase: '' }],
    [[''], { branch: 'branch of none', codebase: '' }],
    [['app'], { branch: 'branch of app', codebase: 'app' }],
    [['', 'lib'], { branch: 'branch of none', codebase: '' }],
  ])('of %j has properties of its main one', (codebases, expected) => {
    expect(sourceProperties(of(...codebases))).toMatchObject(expected);
  });

  it('has no source properties when all codebases are named', () => {
    expect(sourceProperties(of('app', 'lib'))).toEqual({});
    expect(mainSourceStamp(of('app', 'lib'))).toBeUndefined();
  });

  it.each<[string, string]>([
    ['%(src:app:branch)s', 'branch of app'],
    ['%(src:lib:branch)s and %(src:app:codebase)s', 'branch of lib and app'],
    ['%(src:lib:revision)s', ''],
    ['%(src:lib:revision:~HEAD)s', 'HEAD'],
    ['%(src:lib:branch:-main)s', 'branch of lib'],
    ['%(src:docs:branch)s', ''],
    ['%(src:docs:branch:-main)s', 'main'],
    ['%(src:docs:branch:~main)s', 'main'],
    ['%(src:docs:branch:+there)s', ''],
    ['%(src:lib:branch:+there)s', 'there'],
    ['%(src:lib:nothing:-none)s', 'none'],
    ['%(src:lib:toString)s', ''],
    ['%(src::branch)s', ''],
  ])('fills %s in as %j', (template, expected) => {
    const sources = { properties: {}, sourceStamps: of('app', 'lib') };
    expect(interpolate(template, sources)).toBe(expected);
    expect(interpolate(template, sources, { plain: true })).toBe(expected);
  });

  it('has them in an order that does not depend on the input', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 9 }), (codebases) => {
        expect(byCodebase(of(...codebases))).toEqual(byCodebase(of(...codebases.toReversed())));
      }),
    );
  });

  it('has at most one per codebase, and a limited number', () => {
    const many = (count: number) => of(...Array.from({ length: count }, (_, i) => `c${i}`));
    expect(() => checkSourceStamps(many(50))).not.toThrow();
    expect(() => checkSourceStamps(many(51))).toThrow(/^sourceStamps has 51 members: expected at most 50$/);
    expect(() => checkSourceStamps(of('a', '', 'a'))).toThrow(/^sourceStamps has two of the codebase 'a'/);
    expect(() => checkSourceStamps(of('', ''))).toThrow(expect.objectContaining({ code: 'bad-source-stamps' }));
  });

  it('contains no secrets', () => {
    expect(() => checkAddresses({ ...NO_SOURCE, repository: 'https://u:hunter2@h/x' })).toThrow(
      /'https:\/\/\*\*\*@h\/x'/,
    );
  });
});

describe('withCodebaseValue', () => {
  it.each([
    ['the only one', undefined, '', 'r1', 'r1'],
    ['the only one again', 'r1', '', 'r2', 'r2'],
    ['the first that has a name', undefined, 'app', 'r1', { app: 'r1' }],
    ['another that has a name', { app: 'r1' }, 'lib', 'r2', { app: 'r1', lib: 'r2' }],
    ['the same again', { app: 'r1', lib: 'r2' }, 'app', 'r3', { app: 'r3', lib: 'r2' }],
    ['one with a name beside one without', 'r1', 'lib', 'r2', { '': 'r1', lib: 'r2' }],
    ['one without a name beside one with', { lib: 'r2' }, '', 'r1', { lib: 'r2', '': 'r1' }],
    ['what was something else', [1], 'lib', 'r1', { lib: 'r1' }],
  ] as const)('adds %s', (_what, before, codebase, value, expected) => {
    expect(withCodebaseValue(before, codebase, value)).toEqual(expected);
  });
});

const stamp = (codebase: string, revision: string | null = null): SourceStamp => ({ ...NO_SOURCE, codebase, revision });

it.each([
  ['nothing', undefined, [stamp(''), stamp('a')]],
  ['one text', 'f00', [stamp('', 'f00'), stamp('a')]],
  ['a map', { a: 'f00', b: 'x' }, [stamp(''), stamp('a', 'f00')]],
  ['nonsense', [1], [stamp(''), stamp('a')]],
])('got revisions: %s', (_what, got, expected) => {
  expect(withGotRevisions([stamp(''), stamp('a')], got)).toEqual(expected);
});
it('one text is the revision of the only source stamp, whatever its codebase', () => {
  expect(withGotRevisions([stamp('a')], 'f00')).toEqual([stamp('a', 'f00')]);
});

describe('checkPatch', () => {
  const patch: Patch = { body: 'diff', level: 1, author: 'Ada', comment: 'try it', subdir: '.' };
  it.each<[string, Partial<Patch>]>([
    ['a usual one', {}],
    ['no level, no words', { level: 0, author: '', comment: '', subdir: '' }],
    ['a folder', { subdir: 'src/lib.git/..a' }],
    ['as long as may be', { body: 'x'.repeat(PATCH_LIMITS.bodyCharacters) }],
  ])('accepts %s', (_what, given) => expect(() => checkPatch({ ...patch, ...given })).not.toThrow());

  it.each<[Partial<Record<keyof Patch, unknown>>, string]>([
    [{ body: ' \n' }, 'body'],
    [{ body: 1 }, 'body'],
    [{ body: 'x'.repeat(PATCH_LIMITS.bodyCharacters + 1) }, 'body'],
    [{ level: -1 }, 'level'],
    [{ level: 1.5 }, 'level'],
    [{ level: 21 }, 'level'],
    [{ author: 'a'.repeat(191) }, 'author'],
    [{ comment: 'a'.repeat(10_001) }, 'comment'],
    ...['/etc', '..', 'a/../b', 'a/..', '.git', 'a/.GIT/hooks', 'a\nb', 'a\\b', 'a'.repeat(501)].map(
      (subdir): [Partial<Patch>, string] => [{ subdir }, 'subdir'],
    ),
  ])('refuses %j', (given, field) => {
    expect(() => checkPatch({ ...patch, ...given } as Patch)).toThrow(
      expect.objectContaining({ code: 'bad-patch', fields: { field: `patch.${field}` } }),
    );
  });
});
