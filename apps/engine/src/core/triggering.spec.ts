import { describe, expect, it } from '@jest/globals';
import { NO_SOURCE } from '@millrace/domain';
import { type AskedBuilds, checkAsked, checkChain, TRIGGER_LIMITS } from './triggering.js';

const asked = (more: object = {}): AskedBuilds => ({
  ...{ schedulers: [{ name: 's', properties: {} }], sourceStamps: [], relationship: 'Triggered from', priority: null },
  ...more,
});

describe('what a step asks for', () => {
  it.each([
    ['one scheduler', {}],
    ['source stamps', { sourceStamps: [NO_SOURCE, { ...NO_SOURCE, codebase: 'lib', revision: 'f00' }] }],
    ['properties and a priority', { schedulers: [{ name: 's', properties: { a: [1] } }], priority: -3 }],
  ])('may be %s', (_what, more) => expect(() => checkAsked(asked(more))).not.toThrow());

  it.each([
    ['no scheduler', { schedulers: [] }, /schedulers has to be a list of 1 to 50/],
    ['no list', { schedulers: 's' }, /schedulers/],
    ['too many', { schedulers: Array(51).fill({ name: 's', properties: {} }) }, /1 to 50/],
    ['a name that is none', { schedulers: [{ name: 1, properties: {} }] }, /list of names/],
    ['properties that are none', { schedulers: [{ name: 's', properties: [] }] }, /properties has to be an object/],
    ['source stamps that are none', { sourceStamps: null }, /sourceStamps has to be a list/],
    ['a branch that is too long', { sourceStamps: [{ ...NO_SOURCE, branch: 'x'.repeat(191) }] }, /sourceStamps.branch/],
    ['a repository that is null', { sourceStamps: [{ ...NO_SOURCE, repository: null }] }, /sourceStamps.repository/],
    [
      'a repository with a password',
      { sourceStamps: [{ ...NO_SOURCE, repository: 'https://u:hunter2@h/x' }] },
      /password|secret/,
    ],
    ['a long relationship', { relationship: 'x'.repeat(191) }, /parentRelationship/],
    ['half a priority', { priority: 0.5 }, /priority/],
  ])('must not be %s', (_what, more, message) => expect(() => checkAsked(asked(more))).toThrow(message));
});

describe('a chain of builds', () => {
  const chain = (...names: string[]) => names.map((builderName) => ({ builderName, builderId: builderName.length }));
  it.each([
    ['is fine with a new builder', chain('a'), [2], null],
    ['may start the same builder twice', chain('a'), [2, 2], null],
    ['must not start its own builder', chain('a'), [1], "'a' → 'a'"],
    ['must not start a builder further up', chain('ccc', 'bb', 'a'), [4, 2], "'bb' → 'ccc' → 'bb'"],
    ['must not start its beginning', chain('ccc', 'bb', 'a'), [1], "'a' → 'bb' → 'ccc' → 'a'"],
  ])('%s', (_what, builds, ids, path) => {
    const check = () =>
      checkChain(
        builds,
        ids.map((builderId) => ({ builderId })),
      );
    if (path === null) expect(check).not.toThrow();
    else expect(check).toThrow(path);
  });

  it('has a limit, which is reached before it is read to its end', () => {
    const builds = Array.from({ length: TRIGGER_LIMITS.depth }, (_, i) => ({ builderId: i, builderName: `b${i}` }));
    expect(() => checkChain(builds, [{ builderId: 100 }])).toThrow(/30 builds/);
    expect(() => checkChain(builds.slice(1), [{ builderId: 100 }])).not.toThrow();
  });
});
