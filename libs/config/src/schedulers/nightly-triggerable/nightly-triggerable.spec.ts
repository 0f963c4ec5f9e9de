import { describe, expect, it } from '@jest/globals';
import type { CompiledScheduler } from '@millrace/contracts';
import { NO_SOURCE } from '@millrace/domain';
import { compileConfig } from '../../compile.js';
import type { Call } from '../kind.js';
import { schedulerKind } from '../registry.js';
import { nightlyTriggerable, type NightlyTriggerableOptions } from './index.js';

const HOUR = 3_600_000;
const kind = schedulerKind('nightly-triggerable');
const compiled = (rest: Partial<NightlyTriggerableOptions> = {}): CompiledScheduler =>
  compileConfig({
    workers: [{ name: 'w' }],
    builders: ['a', 'b'].map((name) => ({ name, workers: ['w'], factory: [] })),
    schedulers: [nightlyTriggerable('s', { builders: ['a', 'b'], hour: '*/3', properties: { own: 1 }, ...rest })],
  }).revision.schedulers[0]!;
const called: Call = {
  ...{ id: 'c1', builders: null, reason: null, priority: null, properties: { given: [2, 'Trigger'] } },
  sourceStamps: [{ ...NO_SOURCE, revision: 'abc' }],
};
const tell = (
  { nowMs, wakeAtMs = 3 * HOUR, call = called }: { nowMs: number; wakeAtMs?: number | null; call?: Call | null },
  options: Partial<NightlyTriggerableOptions> = {},
) => kind.on.time!(compiled(options), { nowMs, wakeAtMs, known: [], call }, { waiting: [], hasMore: false });

describe('a scheduler that is called, and builds at its times', () => {
  it.each([
    ['waits for the next time at first', { nowMs: HOUR, wakeAtMs: null }, {}, [], 3],
    ['waits until it is time', { nowMs: 2 * HOUR }, {}, [], 3],
    ['builds the call when it is time', { nowMs: 3 * HOUR }, {}, ['trigger:c1'], 6],
    ['builds nothing when nobody has called', { nowMs: 3 * HOUR, call: null }, {}, [], 6],
    ['builds once for all times that were missed', { nowMs: 10 * HOUR }, {}, ['trigger:c1'], 12],
    ['keeps the call where missed times are skipped', { nowMs: 10 * HOUR }, { missed: 'skip' as const }, [], 12],
    ['takes no time from another configuration', { nowMs: 2 * HOUR, wakeAtMs: HOUR }, {}, [], 3],
  ])('%s', (_what, state, options, causes, wake) => {
    const decision = tell(state, options);
    expect(decision).toMatchObject({ marks: [], wakeAtMs: wake * HOUR });
    expect(decision.buildsets.map(({ cause }) => cause)).toEqual(causes);
    expect(decision.takesCall ?? false).toBe(causes.length > 0);
  });

  const at = { nowMs: 3 * HOUR };
  const slot = new Date(3 * HOUR).toISOString();
  it.each<[string, Partial<Call>, Partial<NightlyTriggerableOptions>, object]>([
    [
      'the source stamps of the call, and the properties of both',
      {},
      {},
      {
        sourceStamps: [{ ...NO_SOURCE, revision: 'abc' }],
        properties: { own: [1, 'Scheduler'], given: [2, 'Trigger'], scheduler: ['s', 'Scheduler'] },
        reason: `scheduler 's' at ${slot}, called before`,
        ...{ builders: ['a', 'b'], priority: 0 },
      },
    ],
    ['its own reason and priority', {}, { reason: 'why', priority: 5 }, { reason: 'why', priority: 5 }],
    ['those of the call', { reason: 'x', priority: 7 }, { reason: 'why', priority: 5 }, { reason: 'x', priority: 7 }],
    ['the builders of the call that it still starts', { builders: ['b', 'gone'] }, {}, { builders: ['b'] }],
  ])('builds %s', (_what, call, options, expected) => {
    expect(tell({ ...at, call: { ...called, ...call } }, options).buildsets).toMatchObject([expected]);
  });

  it('forgets a call of which it starts no builder any more', () => {
    const decision = tell({ ...at, call: { ...called, builders: ['gone'] } });
    expect(decision).toMatchObject({ buildsets: [], takesCall: true });
  });

  it('answers a call with what it would build, completed by its codebases', () => {
    const scheduler = compiled({ codebases: { lib: { branch: 'main' } } });
    const lib = { ...NO_SOURCE, codebase: 'lib', branch: 'main' };
    expect(kind.on.call!(scheduler, called).sourceStamps).toEqual([...called.sourceStamps, lib]);
    expect(() => kind.on.call!(scheduler, { ...called, builders: ['gone'] })).toThrow(/does not start 'gone'/);
  });
});
