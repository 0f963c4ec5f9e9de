import { describe, expect, it } from '@jest/globals';
import { builder, compileConfig, customStep, lock, worker, workerLock } from '@millrace/config';
import { assemble } from './revision.js';

describe('the locks of a revision', () => {
  const db = lock('db');
  const disk = workerLock('disk', { maxCountForWorker: { 'big-1': 4 } });
  const { revision: config } = compileConfig({
    workers: [worker('plain', { password: 'x' }), worker('big-*', { locks: [disk.access('counting')] })],
    builders: [
      builder('free', { workers: ['plain'], factory: [customStep('do', () => 0)] }),
      builder('locked', { workers: ['plain'], locks: [db.access('exclusive')], factory: [customStep('do', () => 0)] }),
      builder('both', {
        workers: ['plain', 'big-*'],
        locks: [db.access('counting')],
        factory: [customStep('do', () => 0)],
      }),
      builder('by-worker', { workers: ['big-*'], factory: [customStep('do', () => 0)] }),
      builder('asks', { workers: ['big-*'], maxBuilds: 3, locks: () => [], factory: [customStep('do', () => 0)] }),
    ],
  });
  const ids = {
    projects: new Map<string, number>(),
    builders: new Map(['free', 'locked', 'both', 'by-worker', 'asks'].map((name, i) => [name, 10 + i])),
    workers: new Map(['plain', 'big-1', 'big-2'].map((name, i) => [name, 20 + i])),
    schedulers: new Map<string, number>(),
    locks: new Map(['db', 'disk', 'builder:asks'].map((name, i) => [name, 30 + i])),
  };
  const { isLocked, locksOf } = assemble(
    {
      config,
      configFile: 'master.config.ts',
      fingerprint: 'f',
      fileFingerprint: 'f',
      missing: null,
      snapshot: {},
      variables: { masters: [], steps: [] },
      workerDigests: {},
      callbacks: null,
    },
    ids,
  );

  it.each([
    ['free', false],
    ['locked', true],
    ['both', true],
    ['by-worker', true],
    ['asks', true],
  ])('a builder is locked when it or one of its workers has locks, or may have: %s', (name, expected) =>
    expect(isLocked(ids.builders.get(name)!)).toBe(expected),
  );

  it.each([
    ['free', 'plain', []],
    ['locked', 'plain', ['30/0 of 1']],
    ['both', 'plain', ['30/0 of 1']],
    ['both', 'big-1', ['30/0 of 1', '31/21 of 4']],
    ['both', 'big-2', ['30/0 of 1', '31/22 of 1']],
    ['by-worker', 'big-2', ['31/22 of 1']],
  ])('%s on %s needs %j', (name, on, expected) => {
    const needs = locksOf(ids.builders.get(name)!, ids.workers.get(on)!, []);
    expect(needs.map(({ lockId, workerId, capacity }) => `${lockId}/${workerId} of ${capacity}`)).toEqual(expected);
  });

  it('a build needs what its callback names beside what all builds of its builder and worker need', () => {
    const asked = [db.access('exclusive').access, disk.access('counting', 2).access];
    const needs = locksOf(ids.builders.get('asks')!, ids.workers.get('big-1')!, asked);
    expect(needs.map(({ lockId, workerId, count }) => `${count} of ${lockId}/${workerId}`)).toEqual([
      '1 of 32/0',
      '1 of 30/0',
      '2 of 31/21',
    ]);
  });
});
