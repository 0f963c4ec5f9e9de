import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FETCHED, firstFetch, furtherFetches, listedRefs, refsOf, wantedOf } from './wanted.js';

const ID = '0123456789abcdef0123456789abcdef01234567';
const EVERYTHING = ['+refs/heads/*:refs/millrace/heads/*', '+refs/tags/*:refs/millrace/tags/*'];
const of = (ref: string, target = FETCHED) => ({ refspecs: [`+${ref}:${FETCHED}`], target });

describe('what is fetched', () => {
  it.each([
    ['the default branch', null, null, of('HEAD')],
    ['a branch', 'main', null, of('refs/heads/main')],
    ['a branch with a slash', 'feature/x', null, of('refs/heads/feature/x')],
    ['a full name', 'refs/pull/7/head', null, of('refs/pull/7/head')],
    ['an id', 'main', ID, of(ID)],
    ['an id of sha256', 'main', 'ab'.repeat(32), of('ab'.repeat(32))],
    ['the beginning of an id', 'main', '0123abc', of('refs/heads/main', '0123abc')],
    ['the beginning of an id alone', null, '0123abc', of('HEAD', '0123abc')],
    ['the name of a tag', 'main', 'v1.2', of('refs/tags/v1.2')],
    ['the full name of a tag', null, 'refs/tags/v1.2', of('refs/tags/v1.2')],
    ['the head, said so', 'main', 'HEAD', of('refs/heads/main')],
    ['nothing, said by empty texts', '', '', of('HEAD')],
  ])('first for %s', (_what, branch, revision, expected) => {
    expect(firstFetch(wantedOf(branch, revision))).toEqual(expected);
  });

  it.each<[string, string | null, string | null, string[], ReturnType<typeof furtherFetches>]>([
    ['a branch that is a tag', 'v1', null, ['refs/tags/v1'], [of('refs/tags/v1')]],
    ['a branch that is something else', 'pull/7/head', null, ['refs/pull/7/head'], [of('refs/pull/7/head')]],
    ['a branch that is there', 'main', null, ['refs/heads/main'], []],
    ['a branch that is not there', 'main', null, ['refs/heads/other/refs/heads/main'], null],
    ['an empty repository', null, null, [], null],
    ['a revision that is a branch', null, 'main', ['HEAD', 'refs/heads/main'], [of('refs/heads/main')]],
    ['a revision that is nothing', 'main', 'v9', ['refs/heads/main'], null],
    [
      'an id that the server does not hand out',
      'main',
      ID,
      ['refs/heads/main'],
      [of('refs/heads/main', ID), { refspecs: EVERYTHING, target: ID }],
    ],
    ['an id of a branch that is gone', 'gone', ID, [], [{ refspecs: EVERYTHING, target: ID }]],
    [
      'the beginning of an id that another branch has',
      'main',
      'abc1234',
      ['refs/heads/main'],
      [{ refspecs: EVERYTHING, target: 'abc1234' }],
    ],
    [
      'a tag that looks like the beginning of an id',
      'main',
      '20240101',
      ['refs/heads/main', 'refs/tags/20240101'],
      [of('refs/tags/20240101'), { refspecs: EVERYTHING, target: '20240101' }],
    ],
  ])('then for %s', (_what, branch, revision, listed, expected) => {
    expect(furtherFetches(wantedOf(branch, revision), new Set(listed))).toEqual(expected);
  });

  it('is never the same again, and contains only what the server has', () => {
    const name = fc.constantFrom(null, 'main', 'v1', 'abc1234', ID, 'refs/heads/main', 'refs/tags/v1');
    fc.assert(
      fc.property(
        name,
        name,
        fc.subarray(['HEAD', 'refs/heads/main', 'refs/tags/v1', 'refs/heads/abc1234']),
        (b, r, listed) => {
          const wanted = wantedOf(b, r);
          const further = furtherFetches(wanted, new Set(listed)) ?? [];
          expect(further).not.toContainEqual(firstFetch(wanted));
          const refs = further.flatMap(({ refspecs }) => refspecs).filter((spec) => !EVERYTHING.includes(spec));
          for (const spec of refs) expect(listed).toContain(spec.slice(1, spec.indexOf(':')));
        },
      ),
    );
  });

  it('is found among refs by complete names', () => {
    expect(refsOf(wantedOf('main', 'v1'))).toEqual([
      'refs/tags/v1',
      'refs/heads/v1',
      'refs/v1',
      'refs/heads/main',
      'refs/tags/main',
      'refs/main',
    ]);
    expect(listedRefs(`${ID}\tHEAD\n${ID}\trefs/tags/v1\n${ID}\trefs/tags/v1^{}\n`)).toEqual(
      new Set(['HEAD', 'refs/tags/v1', 'refs/tags/v1^{}']),
    );
  });

  it.each([
    ['branch', '--upload-pack=touch x', null],
    ['revision', 'main', '--orphan'],
    ['branch', 'a..b', null],
    ['branch', 'a b', null],
    ['branch', 'a:b', null],
    ['revision', null, 'x'.repeat(1_001)],
  ])('is no %s that git would take for something else', (what, branch, revision) => {
    const error = expect.objectContaining({ code: 'bad-git-name', message: expect.stringContaining(what) });
    expect(() => wantedOf(branch, revision)).toThrow(error);
  });
});
