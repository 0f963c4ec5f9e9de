import { expect, it } from '@jest/globals';
import { Result, type SourceStamp } from '@millrace/domain';
import type { FinishedBuildset } from '../kind.js';
import { dependentKind } from './index.js';

const stamps: SourceStamp[] = ['app', 'lib'].map((codebase) => ({
  ...{ codebase, branch: 'main', revision: `${codebase}1`, repository: codebase, project: '' },
}));
const scheduler = {
  ...{ kind: 'dependent', name: 's', builders: ['b'], reason: '', properties: {}, priority: 2, upstream: 'up' },
};
const decide = (rest: Partial<FinishedBuildset>) =>
  dependentKind.on.buildset!(
    scheduler,
    { nowMs: 1, wakeAtMs: 9, known: [] },
    {
      ...{ buildsetId: 7, schedulerName: 'up', results: Result.SUCCESS, sourceStamps: stamps },
      ...rest,
    },
  );

it.each<[string, Partial<FinishedBuildset>, string[]]>([
  ['builds after a success', {}, ['buildset:7']],
  ['builds after warnings', { results: Result.WARNINGS }, ['buildset:7']],
  ['builds not after a failure', { results: Result.FAILURE }, []],
  ['builds not after a cancelled buildset', { results: Result.CANCELLED }, []],
  ['builds not after one that was skipped', { results: Result.SKIPPED }, []],
  ['builds not after another scheduler', { schedulerName: 'other' }, []],
])('a dependent scheduler %s', (_what, finished, causes) => {
  const decision = decide(finished);
  expect(decision.buildsets.map(({ cause }) => cause)).toEqual(causes);
  expect(decision).toMatchObject({ marks: [], wakeAtMs: 9 });
});

it('a dependent scheduler builds the same source stamps', () => {
  expect(decide({}).buildsets[0]).toMatchObject({ sourceStamps: stamps, builders: ['b'], priority: 2, changeIds: [] });
});
