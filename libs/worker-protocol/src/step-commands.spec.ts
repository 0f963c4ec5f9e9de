import { describe, expect, it } from '@jest/globals';
import { basicAuthorization, parseBasicAuthorization } from './basic-auth.js';
import { withoutSecrets, msgpackCommand } from './step-commands.js';
import { parseWorkerInfo } from './worker-info.js';
import { builderPath, joinWorkerPath } from './worker-paths.js';

const ours = parseWorkerInfo({
  system: 'posix',
  basedir: '/w',
  environ: { HOME: '/home/me' },
  millrace_features: ['obfuscation'],
});
const stock = parseWorkerInfo({ system: 'posix', basedir: '/w', environ: { HOME: '/home/me' }, version: '4.3.0' });
const windows = parseWorkerInfo({ system: 'nt', basedir: 'C:\\w', environ: { USERPROFILE: 'C:\\Users\\me' } });

describe('paths on a worker', () => {
  it.each([
    ['posix', ['/w', 'b', 'build'], '/w/b/build'],
    ['posix', ['/w/', 'b', '', 'x/y'], '/w/b/x/y'],
    ['posix', ['/w', 'b', '/abs', 'f'], '/abs/f'],
    ['posix', ['/w', 'a\\b'], '/w/a\\b'],
    ['nt', ['C:\\w', 'b', 'build'], 'C:\\w\\b\\build'],
    ['nt', ['C:\\w\\', 'b/c'], 'C:\\w\\b/c'],
    ['nt', ['C:\\w', '\\abs'], 'C:\\abs'],
    ['nt', ['C:\\w', 'D:\\other'], 'D:\\other'],
    ['nt', ['C:\\w', 'D:other'], 'D:other'],
    ['nt', ['C:\\w', 'c:rel'], 'c:\\w\\rel'],
    ['nt', ['\\\\host\\share', 'b'], '\\\\host\\share\\b'],
  ] as const)('join on %s: %j', (system, parts, expected) => {
    expect(joinWorkerPath(system, ...parts)).toBe(expected);
  });

  it('expand the home directory of the worker’s user', () => {
    expect(builderPath(stock, 'b', 'build', '~/f')).toBe('/home/me/f');
    expect(builderPath(windows, 'b', '~\\f')).toBe('C:\\Users\\me\\f');
    expect(builderPath(stock, 'b', '~other')).toBe('/w/b/~other');
    expect(builderPath({ ...stock, environ: {} }, 'b', '~/f')).toBe('/w/b/~/f');
  });
});

describe('msgpackCommand', () => {
  it('gives every obligatory key a value', () => {
    expect(msgpackCommand(stock, 'b', { command: 'uploadFile', workdir: 'build', source: 'f' })).toEqual({
      name: 'upload_file',
      args: { path: '/w/b/build/f', maxsize: null, blocksize: 262_144, keepstamp: false },
    });
    expect(
      msgpackCommand(stock, 'b', { command: 'uploadDirectory', workdir: 'build', source: 'd', compress: 'gz' }).args,
    ).toEqual({
      path: '/w/b/build/d',
      maxsize: null,
      blocksize: 262_144,
      compress: 'gz',
    });
    expect(
      msgpackCommand(stock, 'b', { command: 'downloadFile', workdir: '', destination: 'f', mode: 0o644 }).args,
    ).toEqual({
      path: '/w/b/f',
      maxsize: null,
      blocksize: 262_144,
      mode: 420,
    });
    expect(msgpackCommand(stock, 'b', { command: 'rmdir', dirs: ['x', '/y'] }).args).toMatchObject({
      paths: ['/w/b/x', '/y'],
      timeout: null,
    });
    expect(msgpackCommand(stock, 'b', { command: 'cpdir', from: 'x', to: 'y' }).args).toMatchObject({
      from_path: '/w/b/x',
      to_path: '/w/b/y',
    });
    expect(msgpackCommand(windows, 'b', { command: 'glob', path: 'build\\*.o' })).toEqual({
      name: 'glob',
      args: { path: 'C:\\w\\b\\build\\*.o' },
    });
  });

  it('runs a shell command without limits unless told otherwise', () => {
    const { args } = msgpackCommand(stock, 'b', {
      command: 'shell',
      workdir: 'build',
      line: 'make',
      timeoutSeconds: 60,
    });
    expect(args).toEqual({
      workdir: '/w/b/build',
      command: 'make',
      env: {},
      want_stdout: true,
      want_stderr: true,
      logfiles: {},
      timeout: 60,
      maxTime: null,
      max_lines: null,
      sigtermTime: null,
      interruptSignal: 'KILL',
      usePTY: false,
      logEnviron: true,
      initial_stdin: null,
    });
  });

  it('shows secrets to no header: ours obfuscates, a stock worker gets them without the environment being printed', () => {
    const secret = { obfuscated: 'XXX', value: 's3cret' };
    const inEnv = { command: 'shell', workdir: '', line: 'make', env: { TOKEN: secret, PATH: ['/a', '/b'] } } as const;
    expect(msgpackCommand(ours, 'b', inEnv).args).toMatchObject({ env: { TOKEN: secret }, logEnviron: true });
    expect(msgpackCommand(stock, 'b', inEnv).args).toMatchObject({
      env: { TOKEN: 's3cret', PATH: ['/a', '/b'] },
      logEnviron: false,
    });
    const onLine = { command: 'shell', workdir: '', line: ['git', 'clone', secret] } as const;
    expect(msgpackCommand(ours, 'b', onLine).args).toMatchObject({ command: ['git', 'clone', secret] });
    expect(() => msgpackCommand(stock, 'b', onLine)).toThrow("worker version '4.3.0' would show the secret");
  });

  it('leaves a command that holds no secrets as it is', () => {
    const args = { command: ['make'], env: { A: '1' }, logEnviron: true };
    expect(withoutSecrets(stock, args)).toEqual(args);
    expect(withoutSecrets(stock, { command: 'make' })).toEqual({ command: 'make' });
  });
});

describe('Basic authorization', () => {
  it('comes back as it went', () => {
    const credentials = { name: 'wörker', password: 'a:b c' };
    expect(parseBasicAuthorization(basicAuthorization(credentials))).toEqual(credentials);
    expect(parseBasicAuthorization(undefined)).toBeUndefined();
  });

  it.each(['Bearer abc', 'Basic', 'Basic !!!', 'Basic /w==', `Basic ${Buffer.from('nocolon').toString('base64')}`])(
    'refuses %j',
    (header) => {
      expect(() => parseBasicAuthorization(header)).toThrow(/Authorization header/);
    },
  );
});
