import { describe, expect, it } from '@jest/globals';
import type { CompiledScheduler } from '@millrace/contracts';
import { NO_SOURCE } from '@millrace/domain';
import type { Decision, SeenChange, TimeCause, WaitingChange } from '../kind.js';
import type { Timed } from './compile.js';
import { TIMED } from './decide.js';

const HOUR = 3_600_000;
const scheduler = (rest: Partial<CompiledScheduler & Timed> = {}): CompiledScheduler & Timed => ({
  ...{ kind: 'periodic', name: 's', builders: ['b'], reason: '', properties: {}, priority: 0 },
  ...{ slots: { kind: 'every', everyMs: HOUR }, forceAt: null, onlyIfChanged: false, missed: 'run-once' },
  ...{
    codebases: [{ ...NO_SOURCE, branch: 'main' }],
    isAbsolute: false,
    filter: {},
    isImportant: null,
    onlyImportant: false,
  },
  ...rest,
});
const change = (changeId: number, rest: Partial<SeenChange> = {}): SeenChange => ({
  ...{ changeId, author: `author ${changeId}`, comments: '', branch: 'main', revision: `r${changeId}` },
  ...{ repository: 'r', project: 'p', codebase: '', category: null, whenMs: 5, files: ['f'], properties: {} },
  ...rest,
});
const waits = (changeId: number, important = true, rest: Partial<SeenChange> = {}): WaitingChange => ({
  ...{ change: change(changeId, rest), important, sinceMs: 1 },
});
const nothingWaits: TimeCause = { waiting: [], hasMore: false };
const tell = (rest: Partial<CompiledScheduler & Timed>, nowMs: number, wakeAtMs: number | null, cause = nothingWaits) =>
  TIMED.time!(scheduler(rest), { nowMs, wakeAtMs, known: [], call: null }, cause);

describe('a scheduler by time', () => {
  const skip = { missed: 'skip' } as const;
  const changed = { onlyIfChanged: true } as const;
  const waiting = { waiting: [waits(1), waits(2, false)], hasMore: false };
  const unimportant = { waiting: [waits(1, false)], hasMore: false };
  const forced = { ...changed, forceAt: { kind: 'every', everyMs: 2 * HOUR } } as const;
  const daily = { slots: { kind: 'cron', pattern: '0 0 * * *', timeZone: 'UTC' } } as const;

  it.each<[string, Partial<Timed>, number, number | null, TimeCause, number | null, number | null]>([
    ['waits for the next slot at first', {}, 2.5 * HOUR, null, nothingWaits, null, 3],
    ['waits until it is time', {}, 2.5 * HOUR, 3 * HOUR, nothingWaits, null, 3],
    ['runs when it is time', {}, 3 * HOUR, 3 * HOUR, nothingWaits, 3, 4],
    ['runs once for all slots that were missed', {}, 9.5 * HOUR, 3 * HOUR, nothingWaits, 3, 10],
    ['skips slots that were missed', skip, 9.5 * HOUR, 3 * HOUR, nothingWaits, null, 10],
    ['runs a late slot that was not missed', skip, 3 * HOUR + 60_000, 3 * HOUR, nothingWaits, 3, 4],
    ['finds its next slot when a clock is set back', {}, 1.5 * HOUR, 9 * HOUR, nothingWaits, null, 2],
    ['takes no slot from another configuration', daily, 25 * HOUR, 23 * HOUR, nothingWaits, null, 48],
    ['runs when something has changed', changed, 3 * HOUR, 3 * HOUR, waiting, 3, 4],
    ['runs not when nothing has', changed, 3 * HOUR, 3 * HOUR, nothingWaits, null, 4],
    ['runs not for what is unimportant', changed, 3 * HOUR, 3 * HOUR, unimportant, null, 4],
    ['runs at a time that is forced', forced, 4 * HOUR, 4 * HOUR, nothingWaits, 4, 5],
    ['runs at no other', forced, 3 * HOUR, 3 * HOUR, nothingWaits, null, 4],
  ])('%s', (_what, options, nowMs, wakeAtMs, cause, slot, wake) => {
    const decision = tell(options, nowMs, wakeAtMs, cause);
    expect({ causes: decision.buildsets.map(({ cause }) => cause), wakeAtMs: decision.wakeAtMs }).toEqual({
      causes: slot === null ? [] : [`time:${new Date(slot * HOUR).toISOString()}`],
      wakeAtMs: wake === null ? null : wake * HOUR,
    });
  });

  it('builds the last change, with all that waited', () => {
    const decision = tell(changed, 3 * HOUR, 3 * HOUR, waiting);
    expect(decision.buildsets).toMatchObject([
      {
        changeIds: [1, 2],
        sourceStamps: [{ branch: 'main', revision: 'r2', repository: 'r', project: 'p', codebase: '' }],
        properties: { owners: [['author 1', 'author 2'], 'Build'] },
      },
    ]);
    expect(decision.marks).toEqual([
      { changeId: 1, was: 'waiting', now: 'built', important: true },
      { changeId: 2, was: 'waiting', now: 'built', important: false },
    ]);
  });

  it('builds each codebase, by default where nothing has changed', () => {
    const app = { ...NO_SOURCE, codebase: 'app' };
    const lib = { ...NO_SOURCE, codebase: 'lib', branch: 'stable', repository: 'l' };
    const decision = tell({ ...changed, codebases: [app, lib] }, 3 * HOUR, 3 * HOUR, {
      waiting: [waits(1, true, { codebase: 'app' })],
      hasMore: false,
    });
    expect(decision.buildsets[0]!.sourceStamps).toEqual([
      { branch: 'main', revision: 'r1', repository: 'r', project: 'p', codebase: 'app' },
      lib,
    ]);
  });

  it.each<[string, Partial<CompiledScheduler & Timed>, Partial<SeenChange>, object]>([
    ['waits for its time', changed, {}, { now: 'waiting', important: true }],
    [
      'starts nothing where every time is built',
      {},
      {},
      { now: 'ignored', reason: expect.stringMatching(/its times/) },
    ],
    ['of another branch', changed, { branch: 'dev' }, { now: 'ignored', reason: expect.stringMatching(/'main'/) }],
    ['of another codebase', changed, { codebase: 'x' }, { now: 'ignored', reason: expect.stringMatching(/'x'/) }],
    [
      'that is filtered',
      { ...changed, filter: { project: { kind: 'values', values: ['q'] } } },
      {},
      { now: 'ignored' },
    ],
  ])('is told of a change that %s', (_what, options, rest, mark) => {
    const state = { nowMs: 1, wakeAtMs: 5, known: [], call: null };
    const decision = TIMED.change!(scheduler(options), state, { change: change(7, rest), answers: new Map() });
    expect(decision).toMatchObject({ buildsets: [], marks: [{ changeId: 7, was: 'new', ...mark }], wakeAtMs: 5 });
  });

  it('makes room when more changes wait than are looked at, and keeps what they stand for', () => {
    const many = Array.from({ length: 1000 }, (_, i) => waits(i, i === 7, { codebase: i === 3 ? 'lib' : '' }));
    const decision: Decision = tell(changed, 3 * HOUR, 3 * HOUR, { waiting: many, hasMore: true });
    expect(decision).toMatchObject({ buildsets: [], wakeAtMs: 3 * HOUR });
    const gone = new Set(decision.marks.map(({ changeId }) => changeId));
    expect(gone.size).toBe(497);
    expect([3, 7, 499, 500].filter((id) => gone.has(id))).toEqual([]);
  });
});
