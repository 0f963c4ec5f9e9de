import { describe, expect, it } from '@jest/globals';
import { git } from './git.js';
import { describeArguments, type GitDescription } from './options.js';

describe('the options of git', () => {
  it.each<[true | GitDescription, string[]]>([
    [true, ['HEAD']],
    [{}, ['HEAD']],
    [{ tags: true, always: false }, ['--tags', 'HEAD']],
    [{ exactMatch: true, firstParent: true }, ['--exact-match', '--first-parent', 'HEAD']],
    [{ abbrev: 0, match: 'v*', exclude: '*-rc' }, ['--abbrev=0', '--match=v*', '--exclude=*-rc', 'HEAD']],
    [{ dirty: true }, ['--dirty']],
    [{ dirty: '-changed', long: true }, ['--long', '--dirty=-changed']],
  ])('describe with %j by %j', (description, expected) => {
    expect(describeArguments(description)).toEqual(expected);
  });

  it('show no secret, and list the variables that are read', () => {
    const step = git({ repository: 'ssh://h/x', sshPrivateKey: 'hunter2' });
    expect(JSON.stringify(step.describe())).not.toContain('hunter2');
    expect(git({ repository: 'ssh://h/x', sshPrivateKeyEnv: 'KEY' }).variables).toEqual(['KEY']);
    expect(git({ repository: 'https://h/x', credentials: { passwordEnv: 'PASSWORD' } }).variables).toEqual([
      'PASSWORD',
    ]);
  });
});
