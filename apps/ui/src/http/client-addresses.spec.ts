import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { ClientAddresses } from './client-addresses.js';

const addresses = new ClientAddresses({ trustedProxies: ['10.0.0.5', '10.1.0.0/16', 'fd00::/8'] });
const request = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }) as never;

describe('the address of a client', () => {
  it.each<[string, string, string | undefined, string]>([
    ['is its own without a proxy', '192.0.2.7', undefined, '192.0.2.7'],
    ['is its own, whatever it claims', '192.0.2.7', '203.0.113.9', '192.0.2.7'],
    ['is what a trusted proxy says', '10.0.0.5', '203.0.113.9', '203.0.113.9'],
    ['is what a trusted proxy says over IPv4 in IPv6', '::ffff:10.0.0.5', '203.0.113.9', '203.0.113.9'],
    ['is found behind several trusted proxies', '10.0.0.5', '203.0.113.9, fd00::7, 10.1.2.3', '203.0.113.9'],
    ['is the last that nobody trusted has named', '10.0.0.5', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['is that of the proxy when it says nothing', '10.0.0.5', undefined, '10.0.0.5'],
    ['is that of the proxy when it says nonsense', '10.0.0.5', 'unknown, _hidden', '10.0.0.5'],
  ])('%s', (_what, peer, forwarded, expected) => {
    expect(addresses.of(request(peer, forwarded))).toBe(expected);
  });

  it('is never believed where no proxy is trusted', () => {
    expect(new ClientAddresses({ trustedProxies: [] }).of(request('127.0.0.1', '203.0.113.9'))).toBe('127.0.0.1');
  });
});
