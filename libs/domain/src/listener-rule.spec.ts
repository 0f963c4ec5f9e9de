import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isLoopback, listenerRule, readAllowedHosts, refusedBy, withoutPublicPath } from './listener-rule.js';

const RULE = listenerRule({
  publicUrl: 'https://ci.example.org/ci',
  allowedHosts: ['Engine-1.example.org'],
  machine: 'Box.internal.example',
});

describe('the public path of a listener', () => {
  it.each([
    ['/ci', '/'],
    ['/ci/', '/'],
    ['/ci?a=b', '/?a=b'],
    ['/ci/api/v2/builds?limit=1', '/api/v2/builds?limit=1'],
    ['/ci/ci/x', '/ci/x'],
    ['/cities', '/cities'],
    ['/api/v2', '/api/v2'],
    ['/', '/'],
  ])('%s is %s', (url, own) => {
    expect(withoutPublicPath(RULE, url)).toBe(own);
    expect(withoutPublicPath(listenerRule({ publicUrl: 'https://ci.example.org' }), url)).toBe(url);
  });
});

describe('the host names of a listener', () => {
  it.each<[host: string | undefined, allowed: boolean]>([
    [undefined, true],
    ['localhost', true],
    ['localhost:8010', true],
    ['LOCALHOST.:8010', true],
    ['ui.localhost:8010', true],
    ['127.0.0.1:8010', true],
    ['192.0.2.7', true],
    ['[::1]:8010', true],
    ['[fd00::7]', true],
    ['ci.example.org', true],
    ['CI.example.org:443', true],
    ['ci.example.org.', true],
    ['engine-1.example.org:8012', true],
    ['box.internal.example:8012', true],
    ['box', true],
    ['', false],
    ['evil.example', false],
    ['evil.example:8010', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['ci.example.org.evil.example', false],
    ['evil.ci.example.org', false],
    ['example.org', false],
    ['evil.example/@localhost', false],
    ['localhost@evil.example', false],
    ['localhost evil.example', false],
    ['localhost:80:90', false],
    ['localhost:port', false],
    ['[::1', false],
    ['a'.repeat(100_000), false],
    ['not a host', false],
  ])('%s: %s', (host, allowed) => {
    expect(refusedBy(RULE, { host, origin: undefined })?.status).toBe(allowed ? undefined : 421);
  });

  it('are only those that nobody else can point at this machine, when nothing is configured', () => {
    for (const host of ['localhost:1', '10.0.0.1', '[::1]']) {
      expect(refusedBy(listenerRule(), { host, origin: undefined })).toBeNull();
    }
    expect(refusedBy(listenerRule(), { host: 'ci.example.org', origin: undefined })).toMatchObject({
      code: 'foreign-host',
      error: expect.stringMatching(/'ci\.example\.org'.*MILLRACE_URL.*MILLRACE_ALLOWED_HOSTS/),
    });
  });
});

describe('the pages that may send requests', () => {
  it.each<[origin: string | undefined, host: string | undefined, allowed: boolean]>([
    [undefined, 'localhost:8010', true],
    ['https://ci.example.org', 'localhost:8010', true],
    ['https://ci.example.org', undefined, true],
    ['http://localhost:8010', 'localhost:8010', true],
    ['http://127.0.0.1:8010', '127.0.0.1:8010', true],
    ['http://engine-1.example.org:8012', 'engine-1.example.org:8012', true],
    ['https://box', 'box', true],
    ['https://box', 'box:443', true],
    ['http://box:80', 'box', true],
    ['http://ci.example.org', 'localhost:8010', false],
    ['https://ci.example.org:8443', 'localhost:8010', false],
    ['http://localhost:3000', 'localhost:8010', false],
    ['http://127.0.0.1:8010', 'localhost:8010', false],
    ['https://evil.example', 'localhost:8010', false],
    ['https://evil.example', 'ci.example.org', false],
    ['https://ci.example.org.evil.example', 'ci.example.org', false],
    ['https://ci.example.org@evil.example', 'ci.example.org', false],
    ['null', 'localhost:8010', false],
    ['', 'localhost:8010', false],
    ['file://', 'localhost:8010', false],
    ['ftp://localhost:8010', 'localhost:8010', false],
    ['http://localhost:8010', undefined, false],
    [`https://${'a'.repeat(100_000)}`, 'localhost', false],
  ])('from %s to %s: %s', (origin, host, allowed) => {
    expect(refusedBy(RULE, { host, origin })?.status).toBe(allowed ? undefined : 403);
  });

  it('are none with a foreign host name, even when Host and Origin agree', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 1, max: 65_535 }), (domain, port) => {
        const host = `${domain}:${port}`;
        expect(refusedBy(RULE, { host, origin: `http://${host}` })?.status).toBe(421);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.option(fc.string(), { nil: undefined }),
        fc.option(fc.string(), { nil: undefined }),
        (host, origin) => {
          const refusal = refusedBy(RULE, { host, origin });
          expect(refusal === null || refusal.error.length < 800).toBe(true);
        },
      ),
    );
  });
});

describe('MILLRACE_ALLOWED_HOSTS', () => {
  it('is a list of host names with commas between', () => {
    const problems: string[] = [];
    expect(readAllowedHosts(' CI.example.org, engine-1 ,,x.y.', problems)).toEqual([
      'ci.example.org',
      'engine-1',
      'x.y',
    ]);
    expect(problems).toEqual([]);
  });

  it.each([
    '*',
    '*.example.org',
    'https://ci.example.org',
    'ci:8010',
    'a b',
    'a..b',
    '\u001b[2J',
    'x'.repeat(64),
    'x,'.repeat(101),
  ])('may not have %j', (setting) => {
    const problems: string[] = [];
    readAllowedHosts(setting, problems);
    expect(problems[0]).toMatch(/^MILLRACE_ALLOWED_HOSTS/);
  });
});

describe('isLoopback', () => {
  it.each([
    ['localhost', true],
    ['127.0.0.1', true],
    ['127.8.0.1', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['192.0.2.7', false],
    ['127.evil.example', false],
    ['', false],
  ])('%s: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected);
  });
});
