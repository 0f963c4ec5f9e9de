import { once } from 'node:events';
import { request } from 'node:http';
import { request as requestOverTls } from 'node:https';
import { connect, type Socket } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectOverTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { LISTENER_LIMITS, type ListenerLimits, listenerRule } from '@millrace/domain';
import { httpAdapter, type ListenerOptions, type Logger, TlsIdentity } from '@millrace/master';
import { eventually, makeCertificate } from '@millrace/testing';

const RULE = listenerRule({ publicUrl: 'https://ci.example.org' });
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Listener {
  readonly port: number;
  /** Bodies that reached a handler. */
  readonly bodies: unknown[];
  /** Returns the number of requests that are held without an answer. */
  held(): number;
}

async function listen(
  options: Partial<ListenerOptions> & { limited?: Partial<ListenerLimits> } = {},
): Promise<Listener> {
  const { limited = {}, ...more } = options;
  const adapter = httpAdapter({ rule: RULE, ...more, limits: { ...LISTENER_LIMITS, checkEveryMs: 50, ...limited } });
  const http = adapter.getInstance();
  const bodies: unknown[] = [];
  http.get('/ok', async () => ({ ok: true }));
  let held = 0;
  http.get('/hold', () => new Promise(() => held++));
  http.post('/take', async ({ body }) => {
    bodies.push(body);
    return { ok: true };
  });
  await http.listen({ port: 0, host: '127.0.0.1' });
  closing.push(async () => http.close());
  const address = http.server.address();
  return { port: typeof address === 'object' ? address!.port : 0, bodies, held: () => held };
}

/** Sends a request with `node:http`, because fetch does not allow forged Host and Origin headers. */
function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({
      port,
      host: '127.0.0.1',
      path,
      headers,
      method: body === undefined ? 'GET' : 'POST',
      agent: false,
    });
    asked.on('error', reject).on('response', (response) => {
      void text(response).then((all) =>
        resolve({ status: response.statusCode!, headers: response.headers, text: all }),
      );
    });
    asked.end(body);
  });
}

async function open(port: number, bytes = ''): Promise<Socket & { heard: string }> {
  const socket = Object.assign(connect(port, '127.0.0.1'), { heard: '' });
  socket.on('error', () => undefined).on('data', (data) => (socket.heard += data.toString()));
  await once(socket, 'connect');
  socket.write(bytes);
  return socket;
}

const ended = (socket: Socket): Promise<unknown> =>
  eventually(() => socket.closed, { what: 'the end of the connection', timeoutMs: 20_000 });

describe('a listener', () => {
  it.each<[string, string, Partial<ListenerLimits>]>([
    ['says nothing', '', { headersMs: 200, requestMs: 300 }],
    ['sends its headers slowly', 'GET /ok HTTP/1.1\r\nHost: localhost\r\nX: ', { headersMs: 200, requestMs: 300 }],
    [
      'sends its body slowly',
      'POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      { headersMs: 200, requestMs: 300 },
    ],
    [
      'sends a chunked body slowly',
      'POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{',
      { headersMs: 200, requestMs: 300 },
    ],
    ['waits after an answer', 'GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n', { keepAliveMs: 200 }],
    ['does not get an answer', 'GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n', { idleMs: 300 }],
  ])('ends a connection that %s', async (_what, bytes, limited) => {
    const listener = await listen({ limited });
    await ended(await open(listener.port, bytes));
    expect(listener.bodies).toEqual([]);
  });

  it('replaces the oldest connection that is not being answered by a new one, and no other', async () => {
    const { port } = await listen({ limited: { maxConnections: 4 } });
    const held = await open(port, 'GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const slow =
      'POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{';
    const crowd: Socket[] = [];
    for (let i = 0; i < 30; i++) crowd.push(await open(port, i % 2 ? slow : ''));
    expect((await ask(port, '/ok')).status).toBe(200);
    await eventually(() => crowd.filter((socket) => !socket.closed).length <= 3, { what: 'the end of the crowd' });
    expect(crowd[0]!.closed).toBe(true);
    expect(held.closed).toBe(false);
    for (const socket of [held, ...crowd]) socket.destroy();
  });

  it('turns a new connection away while all others are being answered', async () => {
    const { port, held } = await listen({ limited: { maxConnections: 2 } });
    const hold = 'GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const [a, b] = [await open(port, hold), await open(port, hold)];
    await eventually(() => held() === 2, { what: 'two requests that are being answered' });
    await ended(await open(port));
    expect([a.closed, b.closed]).toEqual([false, false]);
    a.destroy();
    await eventually(async () => (await ask(port, '/ok')).status === 200, { what: 'an answer once there is room' });
    b.destroy();
  });

  it.each<[string, Record<string, string>, number, string]>([
    ['its own name', { host: 'localhost:1' }, 200, ''],
    ['its public name', { host: 'ci.example.org' }, 200, ''],
    ['its public page', { origin: 'https://ci.example.org' }, 200, ''],
    ['a name that was pointed here', { host: 'evil.example' }, 421, 'MILLRACE_ALLOWED_HOSTS'],
    ['a page from elsewhere', { origin: 'https://evil.example' }, 403, 'MILLRACE_URL'],
    ['a sandbox', { origin: 'null' }, 403, 'MILLRACE_URL'],
  ])('answers %s', async (_what, headers, status, words) => {
    const answer = await ask((await listen()).port, '/ok', headers);
    expect([answer.status, answer.headers['x-content-type-options']]).toEqual([status, 'nosniff']);
    expect(answer.text).toContain(words);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('does not read the body of a request that it refuses', async () => {
    const listener = await listen();
    const socket = await open(
      listener.port,
      'POST /take HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n',
    );
    await ended(socket);
    expect(socket.heard).toMatch(/^HTTP\/1.1 421/);
    expect(listener.bodies).toEqual([]);
  });

  it('lets a role answer refusals in its own format', async () => {
    const refusedAs: ListenerOptions['refusedAs'] = (path, method, { status }) =>
      path === '/ok' ? { status: 400, body: { path, method, status } } : null;
    const { port } = await listen({ refusedAs });
    const answer = await ask(port, '/ok?a=1', { origin: 'https://evil.example' });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { path: '/ok', method: 'GET', status: 403 }]);
    expect((await ask(port, '/elsewhere', { origin: 'https://evil.example' })).status).toBe(403);
  });

  it.each<[string, string, Record<string, string>, string | undefined, number]>([
    ['a long address', `/ok?${'a'.repeat(8_000)}`, {}, undefined, 414],
    ['a very long address', `/ok?${'a'.repeat(20_000)}`, {}, undefined, 431],
    ['long headers', '/ok', { x: 'a'.repeat(17_000) }, undefined, 431],
    ['an address that cannot be decoded', '/%ff%', {}, undefined, 400],
    ['a large body', '/take', { 'content-type': 'application/json' }, JSON.stringify('x'.repeat(1 << 20)), 413],
    ['a body that is no JSON', '/take', { 'content-type': 'application/json' }, '{', 400],
  ])('refuses %s', async (_what, path, headers, body, status) => {
    const listener = await listen();
    const answer = await ask(listener.port, path, headers, body);
    expect(answer.status).toBe(status);
    expect(answer.text.length).toBeLessThan(500);
    expect(listener.bodies).toEqual([]);
  });

  it('answers an upgrade request when nobody handles upgrades', async () => {
    const { port } = await listen();
    const answer = await ask(port, '/ok', { connection: 'Upgrade', upgrade: 'websocket' });
    expect(answer.status).toBe(200);
  });
});

describe('a listener with TLS', () => {
  let folder: string;
  let files: { certFile: string; keyFile: string };
  let tls: TlsIdentity;
  const problems: string[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-tls-'));
    files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
    makeCertificate({ ...files, commonName: 'first' });
    const log = { info: () => undefined, error: (_fields: object, words: string) => problems.push(words) };
    tls = new TlsIdentity({ files, audience: 'browsers', log: log as unknown as Logger });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const openTls = async (port: number, options: object = {}): Promise<TLSSocket> => {
    const socket = connectOverTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    return socket.on('error', () => undefined).resume();
  };
  const nameOf = async (port: number): Promise<string> => {
    const socket = await openTls(port);
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  };
  const askOverTls = (port: number, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
      requestOverTls({ port, host: '127.0.0.1', path: '/ok', headers, agent: false, rejectUnauthorized: false })
        .on('error', reject)
        .on('response', (response) => {
          response.resume();
          resolve({ status: response.statusCode!, headers: response.headers });
        })
        .end();
    });

  it('answers as without, and says how long browsers insist on it only when it should', async () => {
    const { port } = await listen({ tls });
    const answer = await askOverTls(port);
    expect(answer.status).toBe(200);
    expect(answer.headers['strict-transport-security']).toBeUndefined();
    expect((await askOverTls(port, { host: 'evil.example' })).status).toBe(421);
    const strict = await listen({ tls, hstsSeconds: 600 });
    expect((await askOverTls(strict.port)).headers['strict-transport-security']).toBe('max-age=600');
  });

  it('speaks nothing older than TLS 1.2, and nothing without', async () => {
    const { port } = await listen({ tls });
    expect((await openTls(port, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await expect(openTls(port, old)).rejects.toThrow(/protocol|alert/i);
    const plain = await open(port, 'GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await ended(plain);
    expect(plain.heard).not.toContain('HTTP/1.1 200');
  });

  it('carries what is no HTTP any more after an upgrade', async () => {
    const adapter = httpAdapter({ rule: RULE, tls, upgrades: true });
    const http = adapter.getInstance();
    http.server.on('upgrade', (_asked, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    await http.listen({ port: 0, host: '127.0.0.1' });
    closing.push(async () => http.close());
    const { port } = http.server.address() as { port: number };
    const socket = await openTls(port);
    let heard = '';
    socket.on('data', (data: Buffer) => (heard += data.toString()));
    socket.write('GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    await eventually(() => heard.includes('101 Switching'), { what: 'the upgrade' });
    socket.write('hello');
    await eventually(() => heard.endsWith('hello'), { what: 'the echo' });
    socket.destroy();
  });

  it('ends connections without a handshake, and they displace nobody who is answered', async () => {
    const silent = await listen({ tls, limited: { headersMs: 200, requestMs: 300 } });
    await ended(await open(silent.port));
    const { port, held } = await listen({ tls, limited: { maxConnections: 3 } });
    const answered = await openTls(port);
    answered.write('GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(() => held() === 1, { what: 'a request that is being answered' });
    const crowd: Socket[] = [];
    for (let i = 0; i < 20; i++) crowd.push(await open(port, i % 2 ? '\u0016\u0003\u0001' : ''));
    expect((await askOverTls(port)).status).toBe(200);
    await eventually(() => crowd.filter((socket) => !socket.closed).length <= 2, { what: 'the end of the crowd' });
    expect(answered.closed).toBe(false);
    for (const socket of [answered, ...crowd]) socket.destroy();
  });

  it('goes on after connections that are reset in their handshake', async () => {
    const { port } = await listen({ tls });
    for (const bytes of ['', '\u0016\u0003\u0001\u0002', 'nonsense']) {
      const socket = await open(port, bytes);
      socket.resetAndDestroy();
      await ended(socket);
    }
    expect((await askOverTls(port)).status).toBe(200);
  });

  it('has a new certificate for new connections once its files change, and the old one while they are bad', async () => {
    const { port } = await listen({ tls });
    tls.watch();
    closing.push(async () => tls.close());
    expect(await nameOf(port)).toBe('first');
    const before = await openTls(port);
    makeCertificate({ ...files, commonName: 'second' });
    await eventually(async () => (await nameOf(port)) === 'second', {
      what: 'the new certificate',
      timeoutMs: 30_000,
    });
    before.write('GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(String((await once(before, 'data'))[0])).toContain('HTTP/1.1 200');
    before.destroy();

    writeFileSync(files.certFile, 'nonsense');
    await eventually(() => !tls.isCurrent, { what: 'the complaint', timeoutMs: 30_000 });
    expect(problems.at(-1)).toMatch(/certificate for browsers cannot be used, the old one stays/);
    expect(await nameOf(port)).toBe('second');
    expect(() => new TlsIdentity({ files, audience: 'browsers', log: {} as Logger })).toThrow(
      /certificate for browsers cannot be used/,
    );
  });
});
