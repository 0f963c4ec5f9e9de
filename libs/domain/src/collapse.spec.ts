import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Collapsible, collapseKey, placeKey } from './collapse.js';
import type { SourceStamp } from './source-stamps.js';

const main: SourceStamp = { branch: 'main', revision: 'r1', repository: '/repo', project: 'p', codebase: '' };
const library: SourceStamp = { ...main, codebase: 'library', repository: '/library' };
const forChanges: Collapsible = {
  sourceStamps: [main],
  properties: { scheduler: ['all', 'Scheduler'], owners: [['jo'], 'Change'] },
  isForChanges: true,
};
const asked: Collapsible = { ...forChanges, isForChanges: false };
const at = (stamp: Partial<SourceStamp>): Pick<Collapsible, 'sourceStamps'> => ({
  sourceStamps: [{ ...main, ...stamp }],
});

describe('the collapse key', () => {
  it.each<[string, Collapsible, Collapsible]>([
    ['changes of different revisions', forChanges, { ...forChanges, ...at({ revision: 'r2' }) }],
    [
      'changes of different people',
      forChanges,
      {
        ...forChanges,
        properties: { scheduler: ['all', 'Scheduler'], owners: [['al'], 'Change'], ticket: [7, 'Change'] },
      },
    ],
    ['the same revision, asked for twice', asked, { ...asked }],
    ['no revision, asked for twice', { ...asked, ...at({ revision: null }) }, { ...asked, ...at({ revision: null }) }],
    [
      'other reasons and owners on a form',
      { ...asked, properties: { owner: ['jo', 'Force Build Form'], reason: ['a', 'Force Build Form'] } },
      { ...asked, properties: { owner: ['al', 'Force Build Form'], reason: ['b', 'Force Build Form'] } },
    ],
    [
      'codebases in another order',
      { ...forChanges, sourceStamps: [main, library] },
      { ...forChanges, sourceStamps: [library, main] },
    ],
    [
      'properties in another order',
      { ...asked, properties: { a: [1, 'Scheduler'], b: [2, 'Trigger'] } },
      { ...asked, properties: { b: [2, 'Trigger'], a: [1, 'Scheduler'] } },
    ],
  ])('is the same for %s', (_what, a, b) => expect(collapseKey(a)).toBe(collapseKey(b)));

  it.each<[string, Collapsible, Collapsible]>([
    ['another branch', forChanges, { ...forChanges, ...at({ branch: 'release' }) }],
    ['the default branch', forChanges, { ...forChanges, ...at({ branch: null }) }],
    ['another repository', forChanges, { ...forChanges, ...at({ repository: '/fork' }) }],
    ['another project', forChanges, { ...forChanges, ...at({ project: 'q' }) }],
    ['another codebase', forChanges, { ...forChanges, ...at({ codebase: 'c' }) }],
    ['one more codebase', forChanges, { ...forChanges, sourceStamps: [main, library] }],
    ['another revision that somebody asked for', asked, { ...asked, ...at({ revision: 'r2' }) }],
    ['a change and a revision that somebody asked for', forChanges, asked],
    ['another scheduler', forChanges, { ...forChanges, properties: { scheduler: ['other', 'Scheduler'] } }],
    [
      'another choice on a form',
      { ...asked, properties: { target: ['debug', 'Force Build Form'] } },
      { ...asked, properties: { target: ['release', 'Force Build Form'] } },
    ],
    [
      'a property that only one has',
      asked,
      { ...asked, properties: { ...asked.properties, deep: [{ a: [1] }, 'Trigger'] } },
    ],
  ])('differs for %s', (_what, a, b) => expect(collapseKey(a)).not.toBe(collapseKey(b)));

  it('is none for what has a patch', () => {
    const patch = { body: 'x', level: 1, author: '', comment: '', subdir: '' };
    const [first] = asked.sourceStamps;
    expect(collapseKey({ ...asked, sourceStamps: [{ ...first!, patch }] })).toBeNull();
  });

  it('does not depend on any order', () => {
    const text = fc.string({ maxLength: 5 });
    const stamps = fc.uniqueArray(
      fc.record({
        branch: fc.option(text),
        revision: fc.option(text),
        repository: text,
        project: text,
        codebase: text,
      }),
      { selector: ({ codebase }) => codebase },
    );
    fc.assert(
      fc.property(
        stamps,
        fc.dictionary(text, fc.tuple(text, text)),
        fc.boolean(),
        (sourceStamps, properties, isForChanges) => {
          const turned = {
            sourceStamps: sourceStamps.toReversed(),
            properties: Object.fromEntries(Object.entries(properties).toReversed()),
            isForChanges,
          };
          expect(collapseKey(turned)).toBe(collapseKey({ sourceStamps, properties, isForChanges }));
        },
      ),
    );
  });
});

describe('the key of builders whose callback decides', () => {
  it.each<[string, readonly SourceStamp[]]>([
    ['other revisions', [{ ...main, revision: 'r2' }]],
    ['no revision', [{ ...main, revision: null }]],
  ])('is the same for %s', (_what, stamps) => expect(placeKey(stamps)).toBe(placeKey([main])));

  it.each<[string, readonly SourceStamp[]]>([
    ['another branch', [{ ...main, branch: 'release' }]],
    ['the default branch', [{ ...main, branch: null }]],
    ['another repository', [{ ...main, repository: '/fork' }]],
    ['another project', [{ ...main, project: 'q' }]],
    ['one more codebase', [main, library]],
    ['none', []],
  ])('differs for %s', (_what, stamps) => expect(placeKey(stamps)).not.toBe(placeKey([main])));

  it('does not depend on the order of codebases, is no key of the usual rule, and none for what has a patch', () => {
    expect(placeKey([main, library])).toBe(placeKey([library, main]));
    expect(placeKey([])).not.toBe(collapseKey({ sourceStamps: [], properties: {}, isForChanges: false }));
    expect(placeKey([{ ...main, patch: { body: 'x', level: 1, author: '', comment: '', subdir: '' } }])).toBeNull();
  });
});
