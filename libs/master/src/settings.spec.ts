import { describe, expect, it } from '@jest/globals';
import { hostname } from 'node:os';
import { readSettings } from './settings.js';

describe('the settings of the ports for workers', () => {
  it('are off by default', () => {
    expect(readSettings('engine', {})).toMatchObject({
      workerPort: 9989,
      workerPbPort: null,
      workerMsgpackPort: null,
      workerTls: null,
      workerProxyFrom: [],
      workerLoginsPerAddress: 1000,
      workerMax: null,
    });
  });

  it('are read', () => {
    const settings = readSettings('engine', {
      MILLRACE_WORKER_PB_PORT: '9990',
      MILLRACE_WORKER_MSGPACK_PORT: '9991',
      MILLRACE_WORKER_TLS_CERT: '/etc/cert.pem',
      MILLRACE_WORKER_TLS_KEY: '/etc/key.pem',
      MILLRACE_WORKER_PROXY_PROTOCOL: 'v2',
      MILLRACE_WORKER_PROXY_FROM: '10.0.0.5, 10.1.0.0/16,fd00::/8',
      MILLRACE_WORKER_MAX: '5000',
    });
    expect(settings).toMatchObject({
      workerPbPort: 9990,
      workerMsgpackPort: 9991,
      workerTls: { certFile: '/etc/cert.pem', keyFile: '/etc/key.pem' },
      workerProxyFrom: ['10.0.0.5', '10.1.0.0/16', 'fd00::/8'],
      workerMax: 5000,
    });
  });

  it.each([
    [{ MILLRACE_WORKER_PB_PORT: 'x' }, /MILLRACE_WORKER_PB_PORT is 'x'/],
    [{ MILLRACE_WORKER_TLS_CERT: 'c' }, /belong together/],
    [{ MILLRACE_WORKER_TLS_KEY: 'k' }, /belong together/],
    [{ MILLRACE_WORKER_PROXY_PROTOCOL: 'v1' }, /expected off or v2/],
    [{ MILLRACE_WORKER_PROXY_PROTOCOL: 'v2' }, /has to name the balancers/],
    [{ MILLRACE_WORKER_PROXY_PROTOCOL: 'v2', MILLRACE_WORKER_PROXY_FROM: '10.0.0.0/33' }, /'10.0.0.0\/33'/],
    [{ MILLRACE_WORKER_PROXY_PROTOCOL: 'v2', MILLRACE_WORKER_PROXY_FROM: 'haproxy' }, /'haproxy'/],
    [{ MILLRACE_WORKER_MAX: '0' }, /MILLRACE_WORKER_MAX is '0'/],
  ])('are refused: %j', (env, message) => {
    expect(() => readSettings('engine', env)).toThrow(message);
  });
});

describe('the settings of listeners', () => {
  it.each([
    ['https://example.org/ci/', '/ci', 'https://example.org/ci'],
    ['https://Example.org:8443/build.farm/ci', '/build.farm/ci', 'https://Example.org:8443/build.farm/ci'],
    ['http://localhost:8010/', '', 'http://localhost:8010'],
  ])('take the path of %s', (url, path, publicUrl) => {
    const settings = readSettings('ui', { MILLRACE_URL: url });
    expect(settings).toMatchObject({ publicUrl, listenerRule: { publicPath: path } });
  });

  it('have the public address, the listed host names, and this machine', () => {
    const { listenerRule, wsMax, wsMaxPerAddress } = readSettings('ui', {
      MILLRACE_URL: 'https://ci.example.org/',
      MILLRACE_ALLOWED_HOSTS: 'ui-1.example.org, ui-2.example.org',
      MILLRACE_WS_MAX: '50',
    });
    expect(listenerRule.publicOrigin).toBe('https://ci.example.org');
    for (const name of ['ci.example.org', 'ui-1.example.org', 'ui-2.example.org', hostname().toLowerCase()])
      expect(listenerRule.hostNames.has(name)).toBe(true);
    expect([wsMax, wsMaxPerAddress]).toEqual([50, 1000]);
  });

  it.each([
    [{ MILLRACE_URL: 'nope' }, /MILLRACE_URL is 'nope'/],
    [{ MILLRACE_URL: 'ftp://ci.example.org' }, /MILLRACE_URL is 'ftp/],
    [{ MILLRACE_URL: 'https://example.org/a b/' }, /MILLRACE_URL is 'https:\/\/example.org\/a b': expected a host/],
    [{ MILLRACE_URL: 'https://example.org/a//b' }, /expected a host/],
    [{ MILLRACE_URL: 'https://example.org/../ci' }, /expected a host/],
    [{ MILLRACE_URL: 'https://example.org/?a=1' }, /expected a host/],
    [{ MILLRACE_URL: 'https://example.org/ci#x' }, /expected a host/],
    [{ MILLRACE_URL: 'https://user@example.org' }, /expected a host/],
    [{ MILLRACE_ALLOWED_HOSTS: 'https://ci.example.org' }, /MILLRACE_ALLOWED_HOSTS has 'https/],
    [{ MILLRACE_TRUSTED_PROXIES: '10.0.0.5,haproxy' }, /MILLRACE_TRUSTED_PROXIES has 'haproxy'/],
    [{ MILLRACE_UI_TLS_CERT: 'c' }, /MILLRACE_UI_TLS_CERT and MILLRACE_UI_TLS_KEY belong together/],
    [{ MILLRACE_UI_TLS_KEY: 'k' }, /belong together/],
    [
      { MILLRACE_UI_TLS_CERT: 'c', MILLRACE_UI_TLS_KEY: 'k', MILLRACE_URL: 'http://ci.example.org' },
      /with MILLRACE_UI_TLS_CERT it begins with https/,
    ],
    [{ MILLRACE_UI_HSTS_SECONDS: '600' }, /MILLRACE_UI_HSTS_SECONDS needs MILLRACE_UI_TLS_CERT/],
    [{ MILLRACE_ALLOWED_HOSTS: '*' }, /MILLRACE_ALLOWED_HOSTS has '\*'/],
    [{ MILLRACE_WS_MAX: '0' }, /MILLRACE_WS_MAX is '0'/],
  ])('are refused: %j', (env, message) => {
    expect(() => readSettings('ui', env)).toThrow(message);
  });

  it.each([
    [{ MILLRACE_TRIGGER_TOKEN: '' }, /MILLRACE_TRIGGER_TOKEN has 0 characters: expected at least 16/],
    [{ MILLRACE_TRIGGER_TOKEN: 'x'.repeat(15) }, /MILLRACE_TRIGGER_TOKEN has 15 characters/],
    [{ MILLRACE_BUS_TICKET: '' }, /MILLRACE_BUS_TICKET has 0 characters/],
  ])('open nothing by being empty: %j', (env, message) => {
    expect(() => readSettings('scheduler', env)).toThrow(message);
    expect(readSettings('scheduler', {})).toMatchObject({ triggerToken: null, busTicket: null });
  });

  it('have a certificate for the UI alone, whose address then is https', () => {
    const env = { MILLRACE_UI_TLS_CERT: '/etc/cert.pem', MILLRACE_UI_TLS_KEY: '/etc/key.pem' };
    expect(readSettings('ui', { ...env, MILLRACE_UI_HSTS_SECONDS: '600' })).toMatchObject({
      httpTls: { certFile: '/etc/cert.pem', keyFile: '/etc/key.pem' },
      hstsSeconds: 600,
      publicUrl: 'https://localhost:8010',
    });
    expect(readSettings('engine', env)).toMatchObject({ httpTls: null, publicUrl: 'https://localhost:8010' });
    expect(readSettings('ui', {})).toMatchObject({ httpTls: null, hstsSeconds: 0 });
  });

  it('repeat no secret and no control character', () => {
    const env = {
      MILLRACE_URL: 'ftp://u:s3cret@h',
      MILLRACE_HTTP_PORT: 'http://u:s3cret@h',
      MILLRACE_LOG_LEVEL: '\u001b[2J',
    };
    const thrown = (): unknown => {
      try {
        return readSettings('ui', env);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(thrown()).toMatch(/MILLRACE_URL[^]*MILLRACE_HTTP_PORT|MILLRACE_HTTP_PORT[^]*MILLRACE_URL/);
    expect(thrown()).not.toMatch(/s3cret|\u001b/);
  });
});
