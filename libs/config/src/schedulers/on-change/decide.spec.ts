import { describe, expect, it } from '@jest/globals';
import type { CompiledScheduler } from '@millrace/contracts';
import { NO_SOURCE } from '@millrace/domain';
import { anyBranchKind } from '../any-branch/index.js';
import type { Answer, Decision, SchedulerState, SeenChange, WaitingChange } from '../kind.js';
import { singleBranchKind } from '../single-branch/index.js';
import type { OnChange } from './compile.js';

type Scheduler = CompiledScheduler & OnChange;

const scheduler = (options: Partial<Scheduler> = {}): Scheduler => ({
  ...{ kind: 'any-branch', name: 's', builders: ['b', 'c'], reason: '', properties: { own: 1 }, priority: 3 },
  ...{ filter: {}, treeStableMs: null, isImportant: null, onlyImportant: false, codebases: null, isAbsolute: false },
  ...options,
});
const change = (changeId: number, rest: Partial<SeenChange> = {}): SeenChange => ({
  ...{ changeId, author: `author ${changeId}`, comments: '', branch: 'main', revision: `r${changeId}` },
  ...{ repository: 'r', project: 'p', codebase: '', category: null, whenMs: 5, files: ['f'], properties: {} },
  ...rest,
});
const state = (rest: Partial<SchedulerState> = {}): SchedulerState => ({
  nowMs: 10_000,
  wakeAtMs: null,
  known: [],
  call: null,
  ...rest,
});

describe.each([anyBranchKind, singleBranchKind])('$name, called for a change', (kind) => {
  const decide = (options: Partial<Scheduler>, answers: Record<string, Answer> = {}, at = state()) =>
    kind.on.change!(scheduler(options), at, { change: change(7), answers: new Map(Object.entries(answers)) });
  const callback = (handle: string) => ({ kind: 'callback', handle }) as const;
  const passing = { filter: { project: { kind: 'values', values: ['p'] } } } as const;
  const foreign = { filter: { project: { kind: 'values', values: ['q'] } } } as const;
  const asking = { filter: { project: callback('one'), branch: callback('two') }, isImportant: 'three' } as const;
  const mark = { changeId: 7, was: 'new' } as const;

  it.each<[string, Partial<Scheduler>, Record<string, Answer>, object]>([
    ['builds it', {}, {}, { ...mark, now: 'built', important: true }],
    ['builds what its filter lets pass', passing, {}, { ...mark, now: 'built', important: true }],
    [
      'ignores what its filter does not',
      foreign,
      {},
      { ...mark, now: 'ignored', reason: 'project filter: `p` is not `q`' },
    ],
    [
      'ignores it after the first no',
      asking,
      { one: true, two: false },
      { ...mark, now: 'ignored', reason: 'branch filter: `main` is refused by a callback' },
    ],
    [
      'ignores what is not important',
      { isImportant: 'three' },
      { three: false },
      { ...mark, now: 'ignored', reason: 'not important' },
    ],
    [
      'keeps the failure of a callback as its decision',
      asking,
      { one: { failed: 'boom' } },
      { ...mark, now: 'failed', reason: 'boom' },
    ],
    [
      'keeps the failure of isImportant, too',
      { isImportant: 'three' },
      { three: { failed: 'boom' } },
      { ...mark, now: 'failed', reason: 'boom' },
    ],
    [
      'keeps that an expression cannot be compared',
      { filter: { branch: { kind: 'regex', source: '(?=a)', flags: '' } } },
      {},
      { ...mark, now: 'failed', reason: expect.any(String) },
    ],
    ['waits with a timer', { treeStableMs: 500 }, {}, { ...mark, now: 'waiting', important: true }],
    [
      'lets what is not important wait for a ride',
      { treeStableMs: 500, isImportant: 'three' },
      { three: false },
      { ...mark, now: 'waiting', important: false },
    ],
    [
      'but not with onlyImportant',
      { treeStableMs: 500, isImportant: 'three', onlyImportant: true },
      { three: false },
      { ...mark, now: 'ignored', reason: 'not important' },
    ],
  ])('%s', (_what, options, answers, expected) => {
    const decision = decide(options, answers) as Decision;
    expect(decision.marks).toEqual([expected]);
    expect(decision.buildsets).toHaveLength(decision.marks[0]!.now === 'built' ? 1 : 0);
  });

  it.each<[Record<string, Answer>, object]>([
    [{}, { handle: 'one', value: 'p' }],
    [{ one: true }, { handle: 'two', value: 'main' }],
    [
      { one: true, two: true },
      { handle: 'three', value: expect.objectContaining({ id: 7, when: 5, files: ['f'] }) },
    ],
  ])('asks one callback after the other: %j', (answers, ask) => {
    expect(decide(asking, answers)).toEqual({ ask });
  });

  it('does not ask callbacks about changes that plain data refuses', () => {
    expect(decide({ filter: { ...foreign.filter, branch: callback('two') } })).toMatchObject({
      marks: [{ now: 'ignored' }],
    });
  });

  it('returns every attribute of the buildset', () => {
    expect((decide({}) as Decision).buildsets).toEqual([
      {
        cause: 'change:7',
        reason: "scheduler 's' saw a change on main",
        sourceStamps: [{ branch: 'main', revision: 'r7', repository: 'r', project: 'p', codebase: '' }],
        changeIds: [7],
        properties: {
          own: [1, 'Scheduler'],
          scheduler: ['s', 'Scheduler'],
          owners: [['author 7'], 'Build'],
        },
        builders: ['b', 'c'],
        priority: 3,
      },
    ]);
    expect((decide({ reason: 'why' }) as Decision).buildsets[0]!.reason).toBe('why');
  });

  it.each<[string, number | null, Record<string, Answer>, number | null]>([
    ['when it will have been quiet', null, { three: true }, 10_500],
    ['earlier, where something else is due', 10_200, { three: true }, 10_200],
    ['not at all for what is not important', null, { three: false }, null],
  ])('wants to be asked again %s', (_what, wakeAtMs, answers, expected) => {
    const options = { treeStableMs: 500, isImportant: 'three' };
    expect(decide(options, answers, state({ wakeAtMs }))).toMatchObject({ wakeAtMs: expected });
  });
});

describe('called when time has passed', () => {
  const waiting = (changeId: number, ageMs: number, rest: Partial<SeenChange> = {}): WaitingChange => ({
    ...{ change: change(changeId, rest), important: true, sinceMs: 10_000 - ageMs },
  });
  const decide = (kind: typeof anyBranchKind, list: WaitingChange[], hasMore = false): Decision =>
    kind.on.time!(scheduler({ treeStableMs: 500 }), state(), { waiting: list, hasMore });
  const built = (decision: Decision): (readonly number[])[] => decision.buildsets.map(({ changeIds }) => changeIds);

  it('any-branch builds each branch separately, single-branch all changes of a repository together', () => {
    const list = [waiting(1, 900), waiting(2, 800, { branch: 'other' }), waiting(3, 700, { repository: 'r2' })];
    expect(built(decide(anyBranchKind, list))).toEqual([[1], [2], [3]]);
    expect(built(decide(singleBranchKind, list))).toEqual([[1, 2], [3]]);
  });

  it("prefers a change's properties to its scheduler's, except for the scheduler's name", () => {
    const properties = { own: [2, 'Change'], scheduler: ['x', 'Change'], owners: ['x', 'Change'] } as const;
    expect(decide(anyBranchKind, [waiting(1, 900, { properties })])).toMatchObject({
      buildsets: [
        {
          properties: {
            own: [2, 'Change'],
            scheduler: ['s', 'Scheduler'],
            owners: [['author 1'], 'Build'],
          },
        },
      ],
    });
  });

  it('makes one buildset of a batch, with the last change and the properties of all', () => {
    const list = [waiting(1, 900, { properties: { a: [1, 'Change'] } }), waiting(2, 800)];
    expect(decide(anyBranchKind, list)).toMatchObject({
      buildsets: [
        {
          cause: 'changes:1-2',
          reason: "scheduler 's' saw 2 changes on main",
          sourceStamps: [{ revision: 'r2' }],
          properties: { a: [1, 'Change'], owners: [['author 1', 'author 2'], 'Build'] },
        },
      ],
      marks: [
        { changeId: 1, was: 'waiting', now: 'built' },
        { changeId: 2, was: 'waiting', now: 'built' },
      ],
      wakeAtMs: null,
    });
  });

  it('asks to be called when the next batch is due, and marks nothing', () => {
    expect(decide(anyBranchKind, [waiting(1, 100)])).toEqual({ buildsets: [], marks: [], wakeAtMs: 10_400 });
  });

  it('marks a change that waits since a time in the future, so that it waits from now on', () => {
    const { marks, wakeAtMs } = decide(anyBranchKind, [waiting(1, -3_600_000)]);
    expect(marks).toEqual([{ changeId: 1, was: 'waiting', now: 'waiting', important: true }]);
    expect(wakeAtMs).toBe(10_500);
  });

  it('looks again at once when more changes wait than it was given', () => {
    expect(decide(anyBranchKind, [waiting(1, 900)], true)).toMatchObject({ wakeAtMs: 10_000 });
    const alone = { ...waiting(1, 900), important: false };
    expect(decide(anyBranchKind, [alone], true)).toMatchObject({
      marks: [{ changeId: 1, was: 'waiting', now: 'ignored' }],
      wakeAtMs: 10_000,
    });
    expect(decide(anyBranchKind, [alone])).toEqual({ buildsets: [], marks: [], wakeAtMs: null });
  });

  it('builds waiting changes at once when the configuration has no timer any more', () => {
    const decision = anyBranchKind.on.time!(scheduler(), state(), { waiting: [waiting(1, 0)], hasMore: false });
    expect(built(decision)).toEqual([[1]]);
  });
});

describe.each([anyBranchKind, singleBranchKind])('$name of several codebases', (kind) => {
  const app = { ...NO_SOURCE, codebase: 'app', repository: 'a' };
  const lib = { ...NO_SOURCE, codebase: 'lib', repository: 'l', branch: 'stable' };
  const last = { ...lib, revision: 'last' };
  const options = { codebases: [app, lib] };
  const decide = (rest: Partial<Scheduler>, codebase: string, known = [last]) =>
    kind.on.change!(scheduler({ ...options, ...rest }), state({ known }), {
      change: change(7, { codebase, repository: 'r' }),
      answers: new Map(),
    }) as Decision;
  const changed = { branch: 'main', revision: 'r7', repository: 'r', project: 'p', codebase: 'app' };

  it('builds the default of the codebases that have not changed', () => {
    const { buildsets, remember } = decide({}, 'app');
    expect([buildsets[0]!.sourceStamps, remember]).toEqual([[changed, lib], undefined]);
  });

  it('builds their last known revision with absolute source stamps, and remembers the new one', () => {
    const { buildsets, remember } = decide({ isAbsolute: true }, 'app');
    expect([buildsets[0]!.sourceStamps, remember]).toEqual([[changed, last], [changed]]);
  });

  it('builds the default of what it has never seen', () => {
    expect(decide({ isAbsolute: true }, 'app', []).buildsets[0]!.sourceStamps).toEqual([changed, lib]);
  });

  it('remembers a change that waits', () => {
    expect(decide({ isAbsolute: true, treeStableMs: 5 }, 'app')).toMatchObject({ buildsets: [], remember: [changed] });
  });

  it('ignores a codebase that is not its own', () => {
    expect(decide({}, 'other').marks).toEqual([
      { changeId: 7, was: 'new', now: 'ignored', reason: "the codebase 'other' is not one of its own" },
    ]);
  });
});

it('changes of different codebases wait by themselves, but for a single branch together', () => {
  const both = scheduler({ codebases: [NO_SOURCE, { ...NO_SOURCE, codebase: 'lib' }], treeStableMs: 500 });
  const waiting: WaitingChange[] = [
    { change: change(1), important: true, sinceMs: 1 },
    { change: change(2, { codebase: 'lib', repository: 'l' }), important: true, sinceMs: 9_900 },
  ];
  const built = (kind: typeof anyBranchKind) =>
    kind.on.time!(both, state(), { waiting, hasMore: false }).buildsets.map(({ changeIds }) => changeIds);
  expect([built(anyBranchKind), built(singleBranchKind)]).toEqual([[[1]], []]);
});
