import { describe, expect, it } from '@jest/globals';
import { refusedBy } from '@millrace/domain';
import { routerOptionsFrom } from './settings.js';

const TICKET = 'a-ticket-of-this-test';

describe('routerOptionsFrom', () => {
  it('lets anybody join on a loopback address when anonymous access is on', () => {
    expect(routerOptionsFrom({ MILLRACE_ROUTER_ANONYMOUS: '1' })).toMatchObject({
      host: '127.0.0.1',
      port: 8013,
      realm: 'realm1',
      anonymousRole: 'master',
    });
  });

  it('lets only holders of the ticket join when there is one', () => {
    const options = routerOptionsFrom({ MILLRACE_ROUTER_TICKET: TICKET, MILLRACE_ROUTER_HOST: '0.0.0.0' });
    expect(options.principals).toEqual({ millrace: { ticket: TICKET, role: 'master' } });
    expect(options.anonymousRole).toBeUndefined();
  });

  it('accepts the same host names as the other listeners', () => {
    const { rule } = routerOptionsFrom(
      {
        MILLRACE_ROUTER_TICKET: TICKET,
        MILLRACE_URL: 'https://ci.example.org',
        MILLRACE_ALLOWED_HOSTS: 'bus.example.org',
      },
      'box',
    );
    for (const host of ['ci.example.org', 'bus.example.org:8013', 'box', 'localhost'])
      expect(refusedBy(rule!, { host })).toBeNull();
    expect(refusedBy(rule!, { host: 'evil.example' })?.status).toBe(421);
  });

  const guarded = { MILLRACE_ROUTER_TICKET: TICKET };
  it.each([
    [{}, /MILLRACE_ROUTER_TICKET is not set.*MILLRACE_ROUTER_ANONYMOUS/],
    [{ MILLRACE_ROUTER_TICKET: '' }, /MILLRACE_ROUTER_TICKET has 0 characters: expected at least 16/],
    [{ MILLRACE_ROUTER_TICKET: 'x'.repeat(15) }, /has 15 characters/],
    [{ MILLRACE_ROUTER_TICKET: '', MILLRACE_ROUTER_ANONYMOUS: '1' }, /exclude each other/],
    [{ ...guarded, MILLRACE_ROUTER_ANONYMOUS: '1' }, /exclude each other/],
    [{ MILLRACE_ROUTER_ANONYMOUS: 'yes' }, /MILLRACE_ROUTER_ANONYMOUS is 'yes'/],
    [{ MILLRACE_ROUTER_HOST: '0.0.0.0' }, /MILLRACE_ROUTER_TICKET/],
    [{ MILLRACE_ROUTER_HOST: '0.0.0.0', MILLRACE_ROUTER_ANONYMOUS: '1' }, /0\.0\.0\.0 is not a loopback address/],
    [{ MILLRACE_ROUTER_HOST: '127.evil.example', MILLRACE_ROUTER_ANONYMOUS: '1' }, /MILLRACE_ROUTER_TICKET/],
    [{ ...guarded, MILLRACE_ROUTER_PORT: 'x' }, /MILLRACE_ROUTER_PORT must be a port from 0 to 65535, not 'x'/],
    [{ ...guarded, MILLRACE_ROUTER_PORT: '65536' }, /not '65536'/],
    [{ ...guarded, MILLRACE_ROUTER_PORT: '-1' }, /not '-1'/],
    [{ ...guarded, MILLRACE_URL: 'nope' }, /MILLRACE_URL is 'nope'/],
    [{ ...guarded, MILLRACE_ALLOWED_HOSTS: '*' }, /MILLRACE_ALLOWED_HOSTS has '\*'/],
    [{ MILLRACE_ROUTER_TICKET: '', MILLRACE_ROUTER_PORT: 'x' }, /_PORT[^]*_TICKET/],
  ])('refuses %j', (environment, complaint) => {
    expect(() => routerOptionsFrom(environment)).toThrow(complaint);
  });

  it('does not repeat the ticket in an error', () => {
    expect(() => routerOptionsFrom({ MILLRACE_ROUTER_TICKET: 'hunter2' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});
