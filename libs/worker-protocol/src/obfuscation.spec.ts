import { describe, expect, it } from '@jest/globals';
import { withoutSecrets } from './obfuscation.js';
import { parseWorkerInfo } from './worker-info.js';

const ours = parseWorkerInfo({
  system: 'posix',
  basedir: '/w',
  environ: { HOME: '/home/me' },
  millrace_features: ['obfuscation'],
});
const stock = parseWorkerInfo({ system: 'posix', basedir: '/w', environ: { HOME: '/home/me' }, version: '4.3.0' });

describe('withoutSecrets', () => {
  it('keeps secrets out of log headers: our worker obfuscates them, a stock worker does not print its environment', () => {
    const secret = { obfuscated: 'XXX', value: 's3cret' };
    const inEnv = { command: 'make', env: { TOKEN: secret, PATH: ['/a', '/b'] }, logEnviron: true };
    expect(withoutSecrets(ours, inEnv)).toEqual(inEnv);
    expect(withoutSecrets(stock, inEnv)).toEqual({
      command: 'make',
      env: { TOKEN: 's3cret', PATH: ['/a', '/b'] },
      logEnviron: false,
    });
    const onLine = { command: ['git', 'clone', secret] };
    expect(withoutSecrets(ours, onLine)).toEqual(onLine);
    expect(() => withoutSecrets(stock, onLine)).toThrow("worker version '4.3.0' would show the secret");
  });

  it('leaves a command without secrets unchanged', () => {
    const args = { command: ['make'], env: { A: '1' }, logEnviron: true };
    expect(withoutSecrets(stock, args)).toEqual(args);
    expect(withoutSecrets(stock, { command: 'make' })).toEqual({ command: 'make' });
  });
});
