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
    { nowMs: 1, wakeAtMs: 9, known: [], call: null },
    {
      ...{ buildsetId: 7, schedulerName: 'up', results: Result.SUCCESS, sourceStamps: stamps, gotRevision: null },
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

it.each<[string, FinishedBuildset['gotRevision'], (string | null)[]]>([
  ['a map', { app: 'x', lib: 'f00d' }, ['app1', 'f00d']],
  ['a map without it', { app: 'x' }, ['app1', null]],
  ['one text, which is for no codebase', 'f00d', ['app1', null]],
  ['nothing', null, ['app1', null]],
])('a revision that nobody has named is the one that was checked out: %s', (_what, gotRevision, revisions) => {
  const open = stamps.map((stamp) => (stamp.codebase === 'lib' ? { ...stamp, revision: null } : stamp));
  const { buildsets } = decide({ sourceStamps: open, gotRevision });
  expect(buildsets[0]!.sourceStamps.map(({ revision }) => revision)).toEqual(revisions);
});
