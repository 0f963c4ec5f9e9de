import { describe, expect, it } from '@jest/globals';
import { NO_SOURCE } from '@millrace/domain';
import { compileConfig } from '../compile.js';
import { ConfigError } from '../problems.js';
import { customStep } from '../step.js';
import { builder, type MasterConfig, worker } from '../vocabulary.js';
import { failingBuildsetCanceller } from './failing-buildset-canceller.js';
import type { ServiceKind } from './kind.js';
import { oldBuildCanceller } from './old-build-canceller.js';
import { serviceKind, type ServiceDefinition } from './registry.js';

function compiled(...services: ServiceDefinition[]) {
  const config: MasterConfig = {
    workers: [worker('w')],
    builders: ['fast', 'slow', 'other'].map((name) =>
      builder(name, { workers: ['w'], factory: [customStep('do', () => Promise.resolve(0))] }),
    ),
    services,
  };
  return compileConfig(config, { env: {} }).revision.services!;
}

function kindOf(name: string): ServiceKind['on'] {
  return serviceKind(name).on;
}

const main = { ...NO_SOURCE, branch: 'main', repository: '/repo' };
const open = ['fast', 'slow', 'other'].map((name, i) => ({ requestId: i + 1, builder: name }));

describe('what is old', () => {
  const [service] = compiled(
    oldBuildCanceller('tidy', {
      filters: [{ builders: ['fast'] }, { builders: ['slow', 'fast'], filter: { branch: /^feature-/, codebase: '' } }],
    }),
  );
  it.each([
    ['main', [1]],
    ['feature-x', [1, 2]],
    [null, [1]],
  ])('on the branch %s is cancelled by a newer change: %s', (branch, expected) => {
    const change = { ...main, branch, changeId: 7, category: null, properties: {} };
    const cancelled = kindOf('old-build-canceller').change!(service!, { change, older: open });
    expect(cancelled.map(({ requestId }) => requestId)).toEqual(expected);
    expect(new Set(cancelled.map(({ reason }) => reason))).toEqual(
      new Set(['tidy: change 7 of the same branch is newer']),
    );
  });
});

describe('the branches that count as one', () => {
  it.each([
    [undefined, null],
    [({ branch }: { branch: string | null }) => branch, 'services.0.branchKey'],
  ])('are named by the callback of the configuration, if any', (branchKey, handle) => {
    const [service] = compiled(oldBuildCanceller('tidy', { filters: [], ...(branchKey && { branchKey }) }));
    expect(serviceKind('old-build-canceller').branchKey!(service!)).toBe(handle);
  });
});

describe('the rest of a buildset', () => {
  const [service] = compiled(
    failingBuildsetCanceller('give-up', {
      filters: [
        { builders: ['fast'], filter: { branch: 'main' } },
        { builders: ['slow'], cancels: ['other'] },
      ],
    }),
  );
  it.each([
    ['fast', 'main', ['slow', 'other']],
    ['fast', 'release', []],
    ['slow', 'release', ['other']],
    ['other', 'main', []],
  ])('after a failure of %s on %s is cancelled: %s', (failed, branch, expected) => {
    const rest = open.filter(({ builder: name }) => name !== failed);
    const cancelled = kindOf('failing-buildset-canceller').failure!(service!, {
      failed: { requestId: 9, builder: failed },
      sourceStamps: [
        { ...main, codebase: 'library', branch: 'library-branch' },
        { ...main, branch },
      ],
      rest,
    });
    expect(cancelled.map(({ requestId }) => open[requestId - 1]!.builder)).toEqual(expected);
  });
});

describe('requests of removed builders', () => {
  it('are all cancelled, each with the name of its builder', () => {
    const service = { name: 'removed-builders', kind: 'removed-builders' };
    expect(kindOf('removed-builders').removed!(service, [{ requestId: 1, builder: 'gone' }])).toEqual([
      { requestId: 1, reason: "no configuration has the builder 'gone' any more" },
    ]);
  });

  it.each([
    [undefined, []],
    ['wait', []],
    ['cancel', [{ name: 'removed-builders', kind: 'removed-builders' }]],
  ] as const)('are looked for as the configuration says: %s', (removedBuilders, expected) => {
    const builders = [builder('b', { workers: ['w'], factory: [customStep('do', () => Promise.resolve(0))] })];
    const config = { workers: [worker('w')], builders, ...(removedBuilders && { removedBuilders }) };
    expect(compileConfig(config, { env: {} }).revision.services).toEqual(expected);
  });
});

describe('a configuration of cancellers', () => {
  it.each<[string, ServiceDefinition[], string]>([
    ['an unknown builder', [oldBuildCanceller('s', { filters: [{ builders: ['fsat'] }] })], "did you mean 'fast'?"],
    ['no builder', [oldBuildCanceller('s', { filters: [{ builders: [] }] })], 'at least one builder'],
    [
      'a callback',
      [oldBuildCanceller('s', { filters: [{ builders: ['fast'], filter: { branch: () => true } }] })],
      'no callbacks',
    ],
    [
      'a key that is no callback',
      [oldBuildCanceller('s', { filters: [], branchKey: 'branch' as never })],
      'services[0].branchKey',
    ],
    [
      'a name used twice',
      [oldBuildCanceller('s', { filters: [] }), failingBuildsetCanceller('s', { filters: [] })],
      'another name than that of services[0]',
    ],
  ])('is refused for %s', (_what, services, expected) => {
    let problems: string[] = [];
    try {
      compiled(...services);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems = error.problems.map(({ message }) => message);
    }
    expect(problems.join('\n')).toContain(expected);
  });
});
