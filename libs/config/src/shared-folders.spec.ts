import { describe, expect, it } from '@jest/globals';
import { compileConfig } from './compile.js';
import { ConfigError } from './problems.js';
import { customStep } from './step.js';

const factory = [customStep('do', () => 0)];
const workers = [{ name: 'w1', password: 'x' }, { name: 'w2', password: 'x' }, { name: 'w*' }];
const builder = (name: string, more: object = {}): object => ({ name, workers: ['w1'], factory, ...more });

/** Returns the problems of compiling builders, or their notes. */
function said(...builders: object[]): string[] {
  try {
    return compileConfig({ workers, builders }).notes.map(({ message }) => message);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ message }) => message);
  }
}

describe('builders that would share a folder', () => {
  it.each([
    ['by their names', builder('app/linux'), builder('app linux'), 'app_linux'],
    ['by names in other letters', builder('构建'), builder('测试'), '_'],
    ['by a name and a trailing space', builder('app_'), builder('app '), 'app_'],
    ['by what they say', builder('one', { builddir: 'shared' }), builder('two', { builddir: 'shared' }), 'shared'],
    ['by what they mean', builder('one', { builddir: 'a/b' }), builder('two', { builddir: './a//b/' }), './a//b/'],
    ['by one worker of several', builder('a b', { workers: ['w2', 'w1'] }), builder('a_b'), 'a_b'],
  ])('%s are refused, both named', (_what, one, two, folder) => {
    const [first, second] = [one, two].map((some) => (some as { name: string }).name);
    expect(said(one, two)).toEqual([
      `builders[1]: builder '${second}' has the folder '${folder}' on worker 'w1' in common with builder '${first}' (builders[0]); give one of them a 'builddir' of its own`,
    ]);
  });

  it('are all reported', () => expect(said(builder('a b'), builder('a/b'), builder('a_b'))).toHaveLength(2));

  it.each([
    ['have no worker in common', builder('a b'), builder('a_b', { workers: ['w2'] })],
    [
      'have a worker and a template in common: no worker goes by both',
      builder('a b'),
      builder('a_b', { workers: ['w*'] }),
    ],
    ['lie in one another', builder('one', { builddir: 'a' }), builder('two', { builddir: 'a/b' })],
    ['are absolute and relative', builder('one', { builddir: '/a' }), builder('two', { builddir: 'a' })],
    ['name a worker twice', builder('one', { workers: ['w1', 'w1'] }), builder('two')],
  ])('are fine where they %s', (_what, one, two) => expect(said(one, two)).toEqual([]));

  it('only on some systems are noted', () => {
    expect(said(builder('App'), builder('app'))).toEqual([
      `builders[1].builddir is 'app': where the file system takes that for 'App', as on Windows and macOS, builders 'app' and 'App' share a folder on worker 'w1'`,
    ]);
  });
});
