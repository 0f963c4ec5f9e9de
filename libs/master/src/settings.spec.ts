import { describe, expect, it } from '@jest/globals';
import { readSettings } from './settings.js';

describe('the settings of the ports for workers', () => {
  it('are off unless they are set', () => {
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
