import { describe, expect, it } from '@jest/globals';
import { hostOf, portProblem, reachableAt, readPorts } from './ports.js';

describe('the ports of the all-in-one', () => {
  it.each([
    ['EADDRINUSE', 'port 80 is taken: stop what uses it, or set MILLRACE_UI_PORT to another port'],
    ['EACCES', 'port 80 is not for this user: set MILLRACE_UI_PORT to another port, such as one above 1023'],
    [
      'EADDRNOTAVAIL',
      'port 80 of ::5 cannot be listened on (EADDRNOTAVAIL): set MILLRACE_HTTP_HOST to what this machine has',
    ],
  ])('say what to do about %s', (code, message) => {
    expect(portProblem('ui', 80, '::5', code)).toBe(message);
  });

  it('treat an empty setting as missing', () => {
    expect(readPorts({ MILLRACE_UI_PORT: '' }).ui).toBe(8010);
  });

  it.each([
    ['ui', undefined, '127.0.0.1', '127.0.0.1:1'],
    ['ui', '0.0.0.0', '0.0.0.0', '127.0.0.1:1'],
    ['ui', '::', '::', '[::1]:1'],
    ['ui', '10.0.0.5', '10.0.0.5', '10.0.0.5:1'],
    ['scheduler', '0.0.0.0', '127.0.0.1', '127.0.0.1:1'],
  ] as const)('listen where they are told to: %s with %s', (name, setting, host, reachable) => {
    const env = { MILLRACE_HTTP_HOST: setting };
    expect(hostOf(name, env)).toBe(host);
    expect(reachableAt(name, 1, env)).toBe(reachable);
  });
});
