import { describe, expect, it } from '@jest/globals';
import { NO_SOURCE } from '@millrace/domain';
import { compileConfig } from '../../compile.js';
import { schedulerKind } from '../registry.js';
import { triggerable } from './index.js';

const compiled = (codebases?: object) =>
  compileConfig({
    workers: [{ name: 'w' }],
    builders: [{ name: 'b', workers: ['w'], factory: [] }],
    schedulers: [triggerable('s', { builders: ['b'], ...(codebases && { codebases: codebases as never }) })],
  }).revision.schedulers[0]!;

describe('the source stamps of a triggerable', () => {
  const codebases = { app: { repository: 'https://h/app', branch: 'main' }, lib: { revision: 'f00' } };
  const app = { ...NO_SOURCE, codebase: 'app', repository: 'https://h/app', branch: 'main' };
  const lib = { ...NO_SOURCE, codebase: 'lib', revision: 'f00' };
  it.each([
    ['nothing where it has no codebases', undefined, [], [NO_SOURCE]],
    ['its codebases where none are given', codebases, [], [app, lib]],
    [
      'what is given, completed by its codebases',
      codebases,
      [{ ...NO_SOURCE, codebase: 'app', revision: 'abc' }],
      [{ ...app, revision: 'abc' }, lib],
    ],
    [
      'what is given of other codebases, too',
      codebases,
      [{ ...NO_SOURCE, codebase: 'x', branch: 'y' }],
      [{ ...NO_SOURCE, codebase: 'x', branch: 'y' }, app, lib],
    ],
  ])('are %s', (_what, own, given, expected) => {
    const answer = schedulerKind('trigger').on.call!(compiled(own), {
      ...{ id: 'x', builders: null, reason: null, sourceStamps: given, properties: {}, priority: null },
    });
    expect(answer.sourceStamps).toEqual(expected);
  });

  it.each([
    [{ app: { repo: 'x' } }, /codebases.app.repo is not a setting/],
    [{ app: 'https://h/app' }, /codebases.app is "https:\/\/h\/app"/],
    [{ app: { branch: 'x'.repeat(191) } }, /codebases.app.branch is/],
    [{ app: { repository: 'https://u:hunter2@h/x' } }, /^schedulers\[0\].codebases.app.repository holds a secret/],
    [{ ['x'.repeat(191)]: {} }, /at most 50 codebases/],
  ])('must not be configured as %j', (own, message) => {
    expect(() => compiled(own)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ message: expect.stringMatching(message) })] }),
    );
  });
});
