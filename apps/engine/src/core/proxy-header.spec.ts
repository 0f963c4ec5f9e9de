import { isIPv6, SocketAddress } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseProxyHeader } from './proxy-header.js';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function header(command: number, family: number, body: Buffer): Buffer {
  const fixed = Buffer.from([0x20 | command, (family << 4) | 1, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([SIGNATURE, fixed, body]);
}

describe('parseProxyHeader', () => {
  it('reads the headers that HAProxy sends', () => {
    const bytes = Buffer.from('0d0a0d0a000d0a515549540a2111000c0a0102037f000001d4312705', 'hex');
    expect(parseProxyHeader(bytes)).toEqual({
      kind: 'header',
      length: 28,
      source: { address: '10.1.2.3', port: 54321 },
    });
  });

  it('is incomplete with every part of a header, and leaves the following bytes alone', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.nat(65_535),
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 50 }),
        (address, port, extensions, after) => {
          const addresses = Buffer.concat([address, Buffer.alloc(4), Buffer.from([port >> 8, port & 255, 0, 0])]);
          const whole = header(1, 1, Buffer.concat([addresses, extensions]));
          for (let length = 0; length < whole.length; length++) {
            expect(parseProxyHeader(whole.subarray(0, length))).toEqual({ kind: 'incomplete' });
          }
          expect(parseProxyHeader(Buffer.concat([whole, after]))).toEqual({
            kind: 'header',
            length: whole.length,
            source: { address: address.join('.'), port },
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('writes IPv6 addresses as sockets do', () => {
    const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const raw = Buffer.alloc(36);
        groups.forEach((value, i) => raw.writeUInt16BE(value, 2 * i));
        const parsed = parseProxyHeader(header(1, 2, raw));
        if (parsed.kind !== 'header' || !parsed.source) throw new Error(parsed.kind);
        const { address } = parsed.source;
        const isMapped = groups.slice(0, 5).every((one) => one === 0) && groups[5] === 0xffff;
        if (isMapped) return;
        expect(isIPv6(address)).toBe(true);
        const full = groups.map((one) => one.toString(16)).join(':');
        const expected = new SocketAddress({ address: full, family: 'ipv6' }).address;
        // Compatible addresses ("::1.2.3.4") are written in groups here.
        if (!expected.includes('.')) expect(address).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [
      'a mapped IPv4 address',
      header(1, 2, Buffer.from(`${'00'.repeat(10)}ffff0a010203${'00'.repeat(16)}00010002`, 'hex')),
      '10.1.2.3',
    ],
    ['a health check', header(0, 0, Buffer.alloc(0)), undefined],
    ['a health check with addresses', header(0, 1, Buffer.alloc(12)), undefined],
    ['an unknown family', header(1, 0, Buffer.alloc(5)), undefined],
    ['a UNIX socket', header(1, 3, Buffer.alloc(216)), undefined],
  ])('reads %s', (_what, bytes, address) => {
    const parsed = parseProxyHeader(bytes);
    expect(parsed).toMatchObject({ kind: 'header', length: bytes.length });
    expect(parsed.kind === 'header' ? parsed.source?.address : null).toBe(address);
  });

  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['one wrong byte', Buffer.from('\r\n\r\nX')],
    ['version 1', Buffer.from('PROXY TCP4 10.1.2.3 127.0.0.1 1 2\r\n')],
    ['another version', Buffer.concat([SIGNATURE, Buffer.from([0x31, 0x11, 0, 0])])],
    ['another command', Buffer.concat([SIGNATURE, Buffer.from([0x22, 0x11, 0, 0])])],
    ['too few addresses', header(1, 1, Buffer.alloc(11))],
    ['too long', Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])])],
  ])('refuses %s', (_what, bytes) => expect(parseProxyHeader(bytes).kind).toBe('malformed'));

  it('survives any input', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withSignature) => {
        const parsed = parseProxyHeader(Buffer.concat([withSignature ? SIGNATURE : Buffer.alloc(0), bytes]));
        expect(['incomplete', 'malformed', 'header']).toContain(parsed.kind);
      }),
      { numRuns: 10_000 },
    );
  });
});
