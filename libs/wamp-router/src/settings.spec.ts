import { describe, expect, it } from '@jest/globals';
import { routerOptionsFrom } from './settings.js';

describe('routerOptionsFrom', () => {
  it('lets anybody in on loopback when there is no ticket', () => {
    expect(routerOptionsFrom({})).toMatchObject({
      host: '127.0.0.1',
      port: 8013,
      realm: 'realm1',
      anonymousRole: 'master',
    });
  });

  it('lets only the ticket in when there is one', () => {
    const options = routerOptionsFrom({ MILLRACE_ROUTER_TICKET: 't', MILLRACE_ROUTER_HOST: '0.0.0.0' });
    expect(options.principals).toEqual({ millrace: { ticket: 't', role: 'master' } });
    expect(options.anonymousRole).toBeUndefined();
  });

  it.each([
    [{ MILLRACE_ROUTER_HOST: '0.0.0.0' }, /MILLRACE_ROUTER_TICKET/],
    [{ MILLRACE_ROUTER_HOST: '127.evil.example' }, /MILLRACE_ROUTER_TICKET/],
    [{ MILLRACE_ROUTER_PORT: 'x' }, /MILLRACE_ROUTER_PORT must be a port from 0 to 65535, not 'x'/],
    [{ MILLRACE_ROUTER_PORT: '65536' }, /not '65536'/],
    [{ MILLRACE_ROUTER_PORT: '-1' }, /not '-1'/],
  ])('refuses %j', (environment, complaint) => {
    expect(() => routerOptionsFrom(environment)).toThrow(complaint);
  });
});
