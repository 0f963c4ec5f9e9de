import { describe, expect, it } from '@jest/globals';
import type { CommandName } from '../worker-connection.js';
import { Float } from './banana.js';
import { plainOf, Reference, Tuple } from './jelly.js';
import { pbCommands } from './pb-commands.js';

const file = new Reference('remote', 7);

describe('pbCommands', () => {
  it.each<[CommandName, Record<string, unknown>, [string, Record<string, unknown>][]]>([
    [
      'upload_file',
      { path: '/w/f', maxsize: null, blocksize: 10_000_000, keepstamp: true },
      [
        [
          'uploadFile',
          { workdir: '.', workersrc: '/w/f', writer: file, maxsize: null, blocksize: 655_360, keepstamp: true },
        ],
      ],
    ],
    [
      'upload_directory',
      { path: '/w/d', maxsize: 5, blocksize: 100, compress: 'gz' },
      [
        [
          'uploadDirectory',
          { workdir: '.', workersrc: '/w/d', writer: file, maxsize: 5, blocksize: 100, compress: 'gz' },
        ],
      ],
    ],
    [
      'download_file',
      { path: '/w/f', maxsize: null, blocksize: 100, mode: 0o644 },
      [['downloadFile', { workdir: '.', workerdest: '/w/f', reader: file, maxsize: null, blocksize: 100, mode: 420 }]],
    ],
    [
      'mkdir',
      { paths: ['/w/a', '/w/b'] },
      [
        ['mkdir', { dir: '/w/a' }],
        ['mkdir', { dir: '/w/b' }],
      ],
    ],
    [
      'rmdir',
      { paths: ['/w/a', '/w/b'], timeout: 5, maxTime: null, logEnviron: false },
      [['rmdir', { dir: ['/w/a', '/w/b'], timeout: 5, maxTime: null, logEnviron: false }]],
    ],
    [
      'cpdir',
      { from_path: '/w/a', to_path: '/w/b', logEnviron: false },
      [['cpdir', { fromdir: '/w/a', todir: '/w/b', logEnviron: false }]],
    ],
    ['stat', { path: '/w/a' }, [['stat', { file: '/w/a', workdir: '.' }]]],
    ['listdir', { path: '/w/a' }, [['listdir', { dir: '/w/a' }]]],
    ['glob', { path: '/w/*' }, [['glob', { path: '/w/*' }]]],
    ['rmfile', { path: '/w/a' }, [['rmfile', { path: '/w/a' }]]],
  ])('%s', (name, args, commands) => {
    expect(pbCommands(name, args, file).map((one) => [one.name, plainOf(one.args)])).toEqual(commands);
  });

  it('leaves a shell command unchanged', () => {
    const args = { command: 'make', workdir: '/w/build', env: { A: 'x', B: null }, timeout: 1.5, logEnviron: true };
    const [command] = pbCommands('shell', args, undefined);
    expect(plainOf(command!.args)).toEqual(args);
    expect((command!.args as Map<string, unknown>).get('timeout')).toEqual(new Float(1.5));
  });

  it('hides secrets: on the command line as obfuscated tuples, in the environment by not printing it', () => {
    const secret = { obfuscated: '***', value: 'hush' };
    const args = { command: ['login', secret], workdir: '/w', env: { TOKEN: secret, A: 'x' }, logEnviron: true };
    const shell = pbCommands('shell', args, undefined)[0]!.args as ReadonlyMap<string, unknown>;
    expect(shell.get('command')).toEqual(['login', new Tuple(['obfuscated', 'hush', '***'])]);
    expect(shell.get('env')).toEqual(
      new Map([
        ['TOKEN', 'hush'],
        ['A', 'x'],
      ]),
    );
    expect(shell.get('logEnviron')).toBe(false);
  });
});
