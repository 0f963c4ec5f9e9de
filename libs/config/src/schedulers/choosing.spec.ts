import { describe, expect, it } from '@jest/globals';
import type { CompiledScheduler } from '@millrace/contracts';
import { type Choice, questionAbout, withBuilders, without, withPriority } from './choosing.js';
import type { PlannedBuildset, SeenChange } from './kind.js';

const scheduler: CompiledScheduler = {
  ...{ kind: 'any-branch', name: 's', builders: ['a', 'b', 'c'], reason: '', properties: {}, priority: 0 },
};
const planned: PlannedBuildset = {
  ...{ cause: 'change:7', reason: '', changeIds: [7], properties: {}, builders: ['a', 'b', 'c'], priority: 0 },
  sourceStamps: [{ branch: 'main', revision: 'r', repository: '', project: '', codebase: '' }],
};
const value = (chosen: Extract<Choice, { value: unknown }>['value']): Choice => ({ value: chosen });
const failed = (reason: unknown) => ({ refused: 'failed', reason });

describe('a callback chooses', () => {
  it.each<[string, Choice, object]>([
    ['some builders', value(['b', 'a', 'b']), { builders: ['b', 'a'] }],
    ['one builder', value('c'), { builders: ['c'] }],
    ['no builder', value([]), { refused: 'ignored', reason: 'its callback chose no builder' }],
    ['another builder', value(['a', 'x']), failed('the callback builders returned "x"; expected names of builders')],
    ['nothing', value(null), failed('the callback builders returned null; expected names of builders')],
    ['and fails', { failed: 'boom' }, failed('boom')],
  ])('builders: %s', (_what, choice, expected) => {
    expect(withBuilders(scheduler, planned, choice)).toMatchObject(expected);
  });

  it.each<[string, Choice, object]>([
    ['a number', value(-3), { priority: -3, builders: ['a', 'b', 'c'] }],
    ['half a number', value(0.5), failed(expect.stringMatching(/returned 0.5; expected a whole number/))],
    ['too much', value(1e9), failed(expect.stringMatching(/whole number from -1000000 to 1000000/))],
    ['text', value('1'), failed(expect.stringMatching(/returned "1"/))],
    ['and fails', { failed: 'boom' }, failed('boom')],
  ])('a priority: %s', (_what, choice, expected) => {
    expect(withPriority(planned, choice)).toMatchObject(expected);
  });

  it('knowing the changes, the source stamps and the builders', () => {
    const change: SeenChange = {
      ...{ changeId: 7, author: 'Ada', comments: 'c', category: null, whenMs: 5, files: ['f'], properties: {} },
      ...planned.sourceStamps[0]!,
    };
    expect(questionAbout('h', planned, [change])).toMatchObject({
      handle: 'h',
      value: {
        changes: [{ id: 7, author: 'Ada', files: ['f'] }],
        sourceStamps: planned.sourceStamps,
        builders: ['a', 'b', 'c'],
      },
    });
  });
});

it('a buildset that is refused leaves the reason with its changes, and with no others', () => {
  const other = { ...planned, cause: 'change:8', changeIds: [8] };
  const decision = {
    buildsets: [planned, other],
    marks: [
      { changeId: 7, was: 'new', now: 'built', important: true },
      { changeId: 8, was: 'new', now: 'built', important: true },
    ],
    wakeAtMs: 5,
  } as const;
  expect(without(decision, planned, { refused: 'failed', reason: 'boom' })).toEqual({
    buildsets: [other],
    marks: [{ changeId: 7, was: 'new', now: 'failed', reason: 'boom' }, decision.marks[1]],
    wakeAtMs: 5,
  });
});
