import { describe, expect, it } from '@jest/globals';
import { type BranchMove, knownTo, planPoll, planRound } from './git-plan.js';

const move = (branch: string, from: string | null, to: string, headOnly = false): BranchMove => ({
  branch,
  from,
  to,
  headOnly,
});
const nothing = { moved: [], gone: [], remembered: new Map() };
const map = (object: Readonly<Record<string, string>>) => new Map(Object.entries(object));

describe('planPoll', () => {
  it.each([
    [
      'only remembers the heads on first sight',
      {},
      false,
      { main: 'a', dev: 'b' },
      false,
      { remembered: map({ dev: 'b', main: 'a' }) },
    ],
    [
      'takes in heads alone on first sight where wanted',
      {},
      false,
      { main: 'a' },
      true,
      { moved: [move('main', null, 'a', true)] },
    ],
    ['has nothing to do in an empty repository', {}, false, {}, false, {}],
    [
      'takes in the first branch of one that was empty',
      {},
      true,
      { main: 'a' },
      false,
      { moved: [move('main', null, 'a')] },
    ],
    [
      'goes on with a first round that was cut short: what has a cursor moved, the others are first seen',
      { dev: 'd', main: 'a' },
      false,
      { dev: 'd', main: 'b', topic: 't' },
      true,
      { moved: [move('main', 'a', 'b'), move('topic', null, 't', true)] },
    ],
    [
      'takes a cursor for the end of a first round that only remembers',
      { main: 'a' },
      false,
      { main: 'a', topic: 't' },
      false,
      { moved: [move('topic', null, 't')] },
    ],
    [
      'takes in moved and new branches, forgets those that are gone, leaves the rest alone',
      { main: 'a', old: 'x', same: 's' },
      true,
      { main: 'b', same: 's', fresh: 'n' },
      false,
      { moved: [move('fresh', null, 'n'), move('main', 'a', 'b')], gone: ['old'] },
    ],
  ] as const)('%s', (_what, cursors, seen, heads, build, expected) => {
    expect(planPoll({ cursors: map(cursors), seen }, map(heads), build)).toEqual({ ...nothing, ...expected });
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('knows a branch that is called %s', (name) => {
    const at = (head: string) => new Map([[name, head]]);
    const moved = [move(name, null, 'a')];
    expect(planPoll({ cursors: new Map(), seen: true }, at('a'), false)).toEqual({ ...nothing, moved });
    expect(planPoll({ cursors: at('a'), seen: true }, at('a'), false)).toEqual(nothing);
    expect(planPoll({ cursors: at('a'), seen: true }, new Map(), false)).toEqual({ ...nothing, gone: [name] });
  });

  it('neither takes in nor forgets an undecided branch', () => {
    const cursors = map({ main: 'a', odd: 'x' });
    expect(planPoll({ cursors, seen: true }, map({ main: 'a' }), false, new Set(['odd']))).toEqual(nothing);
  });
});

describe('planRound', () => {
  const V1 = 'refs/tags/v1';
  const V2 = 'refs/tags/v2';
  it.each([
    [
      'only remembers the tags of a repository that it sees first, whatever becomes of its branches',
      { cursors: {}, seen: false, seenTags: false },
      { main: 'a', [V1]: 'a' },
      { moved: [move('main', null, 'a', true)], remembered: map({ [V1]: 'a' }) },
    ],
    [
      'only remembers the tags of one whose branches it knows',
      { cursors: { main: 'a' }, seen: true, seenTags: false },
      { main: 'b', [V1]: 'a' },
      { moved: [move('main', 'a', 'b')], remembered: map({ [V1]: 'a' }) },
    ],
    [
      'takes in a new tag and one that moved, alone, and after the branches',
      { cursors: { 'z-main': 'a', [V1]: 'a' }, seen: true, seenTags: true },
      { 'z-main': 'b', [V1]: 'b', [V2]: 'b' },
      { moved: [move('z-main', 'a', 'b'), move(V1, 'a', 'b', true), move(V2, null, 'b', true)] },
    ],
    [
      'forgets a tag that is gone, and not one of which nobody knows',
      { cursors: { [V1]: 'a', [V2]: 'a' }, seen: true, seenTags: true },
      {},
      { gone: [V1] },
    ],
  ] as const)('%s', (_what, { cursors, seen, seenTags }, heads, expected) => {
    const options = { buildHeadsOnFirstSight: true, undecided: new Set([V2]) };
    const state = { cursors: map(cursors), seen, seenTags };
    expect(planRound(state, map(heads), options)).toEqual({ ...nothing, ...expected });
  });
});

describe('knownTo', () => {
  const cursors = map({ main: 'm1', topic: 't1' });
  const heads = map({ main: 'm2', topic: 't2', fresh: 'f1' });
  it.each<[string, BranchMove, string[], readonly string[] | null]>([
    ['everything that was taken in', move('main', 'm1', 'm2'), [], ['m1', 't1']],
    ['nothing on first sight', move('main', null, 'm2', true), [], null],
    ['not what another branch lost', move('main', 'm1', 'm2'), ['t1'], ['m1']],
    ['only the head of a branch that lost its own', move('topic', 't1', 't2'), ['t1'], null],
    [
      'the heads of today for a new branch, where one lost its own',
      move('fresh', null, 'f1'),
      ['m1'],
      ['t1', 'm2', 't2'],
    ],
  ])('%s', (_what, moved, missing, known) => {
    expect(knownTo(moved, cursors, heads, new Set(missing))).toEqual(known);
  });
});
