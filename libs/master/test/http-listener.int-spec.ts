import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { LISTENER_LIMITS, type ListenerLimits, listenerRule } from '@millrace/domain';
import { httpAdapter, type ListenerOptions } from '@millrace/master';
import { eventually } from '@millrace/testing';

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
