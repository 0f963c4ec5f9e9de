import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { listenerRule, UserError } from '@millrace/domain';
import { fuzzRouter } from '@millrace/testing';
import { eventually, startEmbeddedRouter } from '@millrace/testing/services';
import { type Router, type RouterOptions, startRouter } from '@millrace/wamp-router';
import { WebSocket } from 'ws';
import { RawClient } from './raw-client.js';

// The tests run real servers on a machine that may be busy. Every wait in them has its own limit.
jest.setTimeout(60_000);

const ALL = ['publish', 'subscribe', 'call', 'register'] as const;
const open: Router[] = [];

async function start(options: Partial<RouterOptions> = {}): Promise<Router> {
  const router = await startRouter({
    host: '127.0.0.1',
    port: 0,
    realm: 'realm1',
    anonymousRole: 'master',
    roles: { master: { 'org.millrace.': ALL }, reader: { 'org.millrace.': ['subscribe'] } },
    ...options,
  });
  open.push(router);
  return router;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((router) => router.close()));
});

describe('joining', () => {
  const guarded = { anonymousRole: undefined, principals: { ci: { ticket: 'good', role: 'reader' } } };
  const asCi = { authmethods: ['ticket'], authid: 'ci' };

  it('is allowed with the right ticket, and gives its role', async () => {
    const { url } = await start(guarded);
    const client = await RawClient.connect(url);
    expect(await client.ask([1, 'realm1', asCi], 4)).toEqual([4, 'ticket', {}]);
    expect(await client.ask([5, 'good', {}], 2)).toMatchObject([
      2,
      expect.any(Number),
      { authid: 'ci', authrole: 'reader' },
    ]);
    const refused = await client.ask([16, 1, { acknowledge: true }, 'org.millrace.a'], 8);
    expect(refused).toEqual([8, 16, 1, {}, 'wamp.error.not_authorized']);
  });

  it.each([
    ['a wrong ticket', asCi, 'bad'],
    ['an unknown authid', { ...asCi, authid: 'nobody' }, 'good'],
    ['an authid from the prototype', { ...asCi, authid: 'constructor' }, ''],
  ])('refuses %s, after the same challenge', async (_name, details, ticket) => {
    const router = await start(guarded);
    const client = await RawClient.connect(router.url);
    await client.ask([1, 'realm1', details], 4);
    expect((await client.ask([5, ticket, {}], 3))[2]).toBe('wamp.error.not_authorized');
    expect(await client.closed()).toBe(1000);
    expect(router.stats.denied).toBe(1);
    expect(router.sessions()).toBe(0);
  });

  it.each([
    ['without a ticket', {}, 'realm1', 'wamp.error.no_auth_method'],
    ['another realm', {}, 'realm2', 'wamp.error.no_such_realm'],
  ])('refuses %s', async (_name, details, realm, reason) => {
    const { url } = await start(guarded);
    const client = await RawClient.connect(url);
    expect((await client.ask([1, realm, details], 3))[2]).toBe(reason);
    await client.closed();
  });

  it('is required before anything else', async () => {
    const { url } = await start();
    const client = await RawClient.connect(url);
    expect((await client.ask([32, 1, {}, 'org.millrace.a'], 3))[2]).toBe('wamp.error.protocol_violation');
  });

  it('must not take longer than the ping timeout', async () => {
    const router = await start({ pingIntervalMs: 50, pingTimeoutMs: 100 });
    const client = await RawClient.connect(router.url);
    expect(await client.closed()).toBe(1006);
    expect(router.stats.cutOffSilent).toBe(1);
  });
});

describe('permissions', () => {
  it('hold for all four actions, and a forbidden unacknowledged publication is dropped silently', async () => {
    const router = await start({
      roles: { master: { 'org.millrace.open.': ALL, 'org.millrace.open.listen.': ['subscribe'] } },
    });
    const client = await RawClient.join(router.url);
    const refused = async (message: unknown[]): Promise<unknown> => (await client.ask(message, 8))[4];
    expect(await refused([32, 1, {}, 'org.millrace.a'])).toBe('wamp.error.not_authorized');
    expect(await refused([32, 2, { match: 'prefix' }, 'org.millrace.'])).toBe('wamp.error.not_authorized');
    expect(await refused([64, 3, {}, 'org.millrace.a'])).toBe('wamp.error.not_authorized');
    expect(await refused([48, 4, {}, 'org.millrace.a'])).toBe('wamp.error.not_authorized');
    expect(await refused([64, 5, {}, 'wamp.session.count'])).toBe('wamp.error.invalid_uri');
    expect(await refused([16, 6, { acknowledge: true }, 'org.millrace.open.listen.a'])).toBe(
      'wamp.error.not_authorized',
    );
    client.send([16, 7, {}, 'org.millrace.a']);
    expect(await client.ask([32, 8, {}, 'org.millrace.open.a'], 33)).toEqual([33, 8, expect.any(Number)]);
    expect(router.stats).toMatchObject({ denied: 6, published: 0 });
  });
});

describe('broker and dealer', () => {
  it('deliver once per matching subscription, with the topic for prefixes, and to the publisher only on request', async () => {
    const { url } = await start();
    const [publisher, subscriber] = [await RawClient.join(url), await RawClient.join(url)];
    const exact = (await subscriber.ask([32, 1, {}, 'org.millrace.a.b'], 33))[2];
    const prefix = (await subscriber.ask([32, 2, { match: 'prefix' }, 'org.millrace.a'], 33))[2];
    await publisher.ask([32, 1, {}, 'org.millrace.a.b'], 33);
    const [, , publication] = await publisher.ask(
      [16, 2, { acknowledge: true }, 'org.millrace.a.b', [1], { k: 2 }],
      17,
    );
    expect([await subscriber.next(36), await subscriber.next(36)]).toEqual([
      [36, exact, publication, {}, [1], { k: 2 }],
      [36, prefix, publication, { topic: 'org.millrace.a.b' }, [1], { k: 2 }],
    ]);
    expect(publisher.heard).toEqual([]);
    publisher.send([16, 3, { exclude_me: false }, 'org.millrace.a.b']);
    expect(await publisher.next(36)).toEqual([36, exact, expect.any(Number), {}]);
  });

  it('answer unsupported features with an error, and go on', async () => {
    const { url } = await start();
    const client = await RawClient.join(url);
    const error = async (message: unknown[]): Promise<unknown> => (await client.ask(message, 8))[4];
    expect(await error([32, 1, { match: 'wildcard' }, 'org.millrace.a'])).toBe('wamp.error.option_not_allowed');
    expect(await error([64, 2, { invoke: 'roundrobin' }, 'org.millrace.a'])).toBe('wamp.error.option_not_allowed');
    expect(await error([64, 3, { match: 'prefix' }, 'org.millrace.'])).toBe('wamp.error.option_not_allowed');
    expect(await error([34, 4, 99])).toBe('wamp.error.no_such_subscription');
    expect(await error([66, 5, 99])).toBe('wamp.error.no_such_registration');
    expect(await error([48, 6, {}, 'org.millrace.a'])).toBe('wamp.error.no_such_procedure');
    await client.ask([64, 7, {}, 'org.millrace.a'], 65);
    expect(await error([64, 8, {}, 'org.millrace.a'])).toBe('wamp.error.procedure_already_exists');
  });

  it('carry calls, errors and cancellations, and end the calls of a callee that leaves', async () => {
    const { url } = await start();
    const [caller, callee] = [await RawClient.join(url), await RawClient.join(url)];
    const registration = (await callee.ask([64, 1, {}, 'org.millrace.p'], 65))[2];
    caller.send([48, 1, {}, 'org.millrace.p', [1], { k: 2 }]);
    const invocation = await callee.next(68);
    expect(invocation).toEqual([68, expect.any(Number), registration, {}, [1], { k: 2 }]);
    callee.send([70, invocation[1], {}, ['done']]);
    expect(await caller.next(50)).toEqual([50, 1, {}, ['done']]);

    caller.send([48, 2, {}, 'org.millrace.p']);
    callee.send([8, 68, (await callee.next(68))[1], {}, 'app.error.no', ['why']]);
    expect(await caller.next(8)).toEqual([8, 48, 2, {}, 'app.error.no', ['why']]);

    caller.send([48, 3, {}, 'org.millrace.p']);
    const late = (await callee.next(68))[1];
    expect(await caller.ask([49, 3, {}], 8)).toEqual([8, 48, 3, {}, 'wamp.error.canceled']);
    callee.send([70, late, {}, ['too late']]);

    caller.send([48, 4, {}, 'org.millrace.p']);
    await callee.next(68);
    callee.end();
    expect(await caller.next(8)).toEqual([8, 48, 4, {}, 'wamp.error.canceled', ['the callee has left']]);
    expect(caller.heard).toEqual([]);
  });

  it('refuse calls at a callee that never answers, and carry calls at others', async () => {
    const { url } = await start();
    const [caller, callee, other] = [await RawClient.join(url), await RawClient.join(url), await RawClient.join(url)];
    await callee.ask([64, 1, {}, 'org.millrace.never'], 65);
    await other.ask([64, 1, {}, 'org.millrace.p'], 65);
    for (let n = 1; n <= 1_000; n++) caller.send([48, n, {}, 'org.millrace.never']);
    const refused = await caller.ask([48, 1_001, {}, 'org.millrace.never'], 8);
    expect(refused).toEqual([8, 48, 1_001, {}, 'wamp.error.unavailable', ['too many calls are under way']]);
    caller.send([48, 1_002, {}, 'org.millrace.p']);
    other.send([70, (await other.next(68))[1], {}]);
    expect(await caller.next(50)).toEqual([50, 1_002, {}]);
  });

  it('say goodbye on request and when they close', async () => {
    const router = await start();
    const [leaving, staying] = [await RawClient.join(router.url), await RawClient.join(router.url)];
    expect(await leaving.ask([6, {}, 'wamp.close.normal'], 6)).toEqual([6, {}, 'wamp.close.goodbye_and_out']);
    expect(await leaving.closed()).toBe(1000);
    expect(router.sessions()).toBe(1);
    await router.close();
    expect(await staying.next(6)).toEqual([6, {}, 'wamp.close.system_shutdown']);
    await staying.closed();
  });
});

describe('clients that misbehave', () => {
  it('end only their own sessions with 10,000 malformed frames or more', async () => {
    const router = await start({ maxFrameBytes: 64 * 1024 });
    const [publisher, bystander] = [await RawClient.join(router.url), await RawClient.join(router.url)];
    await bystander.ask([32, 1, { match: 'prefix' }, 'org.millrace.'], 33);
    const frames = [
      '',
      '{}',
      '[',
      '[1,"realm1",{}]',
      '[16,1,{},"a..b"]',
      '[99]',
      `[1,"realm1",${'['.repeat(30_000)}]`,
      `[${'1,'.repeat(30_000)}1]`,
      `[16,1,{"acknowledge":true},"org.millrace.deep",${'['.repeat(20_000)}${']'.repeat(20_000)}]`,
      '\u0000',
      'x'.repeat(65_537),
      '[70,1,{"progress":true}]',
    ];
    let sent = 0;
    while (sent < 10_000) {
      const attackers = await Promise.all(frames.map(() => RawClient.join(router.url)));
      for (const [index, attacker] of attackers.entries()) {
        for (let n = 0; n < 50; n++, sent++) attacker.send(frames[index]!);
      }
      await Promise.all(attackers.map((attacker) => attacker.closed()));
    }
    await publisher.ask([16, 1, { acknowledge: true }, 'org.millrace.still.here'], 17);
    await eventually(() => bystander.heard.some((message) => JSON.stringify(message).includes('still.here')), {
      what: 'the event for the bystander',
    });
    expect(router.sessions()).toBe(2);
    expect(router.stats.violations).toBe(sent / 50);
  }, 60_000);

  it.each([
    ['before joining', false],
    ['after joining', true],
  ])('do not keep their connection by an ABORT %s', async (_when, joins) => {
    const router = await start({ maxConnections: 1 });
    const client = await (joins ? RawClient.join(router.url) : RawClient.connect(router.url));
    client.send([3, {}, 'wamp.close.normal']);
    expect(await client.closed()).toBe(1000);
    await eventually(() => router.sessions() === 0, { what: 'the end of the session' });
    expect((await RawClient.join(router.url)).closeCode).toBeUndefined();
  });

  it('do not affect others with 3,000 fuzzed messages', async () => {
    const events: string[] = [];
    const router = await start({ log: (event) => events.push(event) });
    const bystander = await RawClient.join(router.url);
    const { closed } = await fuzzRouter(router.url, { from: 0, to: 3_000 });
    // Most fuzzed messages are violations. A lower count means that some went to closed connections.
    expect(closed).toBeGreaterThan(2_250);
    expect(router.stats.violations).toBeGreaterThan(2_000);
    expect(await bystander.ask([16, 1, { acknowledge: true }, 'org.millrace.a'], 17)).toBeDefined();
    await eventually(() => router.sessions() === 1, { what: 'the end of their sessions' });
    // No message caused an internal error.
    expect(new Set(events)).toEqual(new Set(['protocol-violation']));
  });

  it('are told what they did wrong', async () => {
    const { url } = await start();
    const client = await RawClient.join(url);
    expect(await client.ask('[16,0,{},"a"]' as unknown as [], 3)).toEqual([
      3,
      { message: 'PUBLISH.Request must be an integer from 1 to 2^53' },
      'wamp.error.protocol_violation',
    ]);
    expect(await client.closed()).toBe(1000);
  });

  it('get an HTTP answer when they do not speak WAMP at all', async () => {
    const { url, port } = await start();
    expect((await fetch(url.replace('ws:', 'http:'))).status).toBe(426);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    await expect(RawClient.connect(`ws://127.0.0.1:${port}/elsewhere`)).rejects.toThrow('404');
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(Buffer.from([0x16, 3, 1, 0, 200, 1, 0xff, 0, 10, 13, 10, 13, 10])),
      );
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1.1 400/);
  });

  it('are cut off when they fall silent, and only they', async () => {
    const router = await start({ pingIntervalMs: 50, pingTimeoutMs: 200 });
    const silent = await RawClient.join(router.url, {}, { autoPong: false });
    const alive = await RawClient.join(router.url);
    expect(await silent.closed()).toBe(1006);
    await eventually(() => router.sessions() === 1, { what: 'the session to be gone' });
    expect(router.stats.cutOffSilent).toBe(1);
    expect(alive.closeCode).toBeUndefined();
  });
});

describe('connections that have not joined', () => {
  const silent = async (router: Router): Promise<Socket> => {
    const socket = connect(router.port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    socket.resume();
    return socket;
  };

  it('displace each other, the oldest first, but never one that has joined', async () => {
    const router = await start({ maxConnections: 100, maxJoiningPerAddress: 3 });
    const joined: RawClient[] = [];
    for (let i = 0; i < 10; i++) joined.push(await RawClient.join(router.url));
    const sockets: Socket[] = [];
    for (let i = 0; i < 20; i++) sockets.push(await silent(router));
    await eventually(() => sockets.filter((socket) => !socket.closed).length === 3, { what: 'three that are left' });
    expect(sockets.slice(-3).every((socket) => !socket.closed)).toBe(true);
    const late = await RawClient.join(router.url);
    for (const client of [...joined, late]) expect(await client.ask([32, 1, {}, 'org.millrace.a'], 33)).toBeDefined();
    expect(router.stats.displaced).toBe(18);
    for (const socket of sockets) socket.destroy();
  });

  it('are refused when all others have joined', async () => {
    const router = await start({ maxConnections: 2 });
    const joined = [await RawClient.join(router.url), await RawClient.join(router.url)];
    await expect(RawClient.connect(router.url)).rejects.toThrow();
    joined[0]!.end();
    await eventually(() => router.sessions() === 1, { what: 'the end of a session' });
    await RawClient.join(router.url);
  });

  it('may not send much', async () => {
    const router = await start();
    const client = await RawClient.connect(router.url);
    const long = `[1,"realm1",{"a":"${'x'.repeat(20_000)}"}]`;
    expect(await client.ask(long as unknown as [], 3)).toMatchObject([
      3,
      { message: 'join the realm first' },
      'wamp.error.protocol_violation',
    ]);
    await client.closed();
  });
});

describe('host names and page origins', () => {
  it.each<[string, Record<string, string>, number | null]>([
    ['a program', {}, null],
    ['a program by name', { Host: 'localhost' }, null],
    ['its own page', { Origin: 'https://ci.example.org' }, null],
    ['a name that was pointed here', { Host: 'evil.example' }, 421],
    ['a page from elsewhere', { Origin: 'https://evil.example' }, 403],
    ['a sandbox', { Origin: 'null' }, 403],
  ])('%s', async (_who, headers, status) => {
    const router = await start({ rule: listenerRule({ publicUrl: 'https://ci.example.org' }) });
    const socket = new WebSocket(router.url, ['wamp.2.json'], { headers });
    const outcome = await new Promise((resolve) => {
      socket.on('open', () => resolve(null)).on('error', (error) => resolve(Number(/\d{3}/.exec(error.message)?.[0])));
    });
    expect(outcome).toBe(status);
    socket.terminate();
  });
});

describe('a subscriber that stops reading', () => {
  it('is cut off during 100,000 events of 1 kB, while another one gets them all and memory use stays bounded', async () => {
    const router = await startEmbeddedRouter();
    const [publisher, reader, stalled] = [
      await RawClient.join(router.url),
      await RawClient.join(router.url),
      await RawClient.join(router.url),
    ];
    let events = 0;
    reader.socket.removeAllListeners('message');
    reader.socket.on('message', (data: Buffer) => {
      if (data.subarray(0, 4).toString() === '[36,') events++;
    });
    reader.send([32, 1, {}, 'org.millrace.flood']);
    await stalled.ask([32, 1, {}, 'org.millrace.flood'], 33);
    stalled.socket.pause();
    const before = residentBytes(router.pid);
    const padding = 'x'.repeat(1_000);
    let peak = before;
    for (let n = 1; n <= 100_000; n++) {
      publisher.send([16, n, { acknowledge: n % 500 === 0 }, 'org.millrace.flood', [padding]]);
      if (n % 500 === 0) {
        await publisher.next(17);
        peak = Math.max(peak, residentBytes(router.pid));
      }
    }
    await eventually(() => events === 100_000, { timeoutMs: 30_000, what: 'all events at the reader' });
    expect((peak - before) / 2 ** 20).toBeLessThan(50);
    stalled.socket.resume();
    expect(await stalled.closed()).toBe(1006);
    expect(stalled.heard.length).toBeLessThan(50_000);
    await router.stop();
  }, 120_000);
});

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

describe('startRouter', () => {
  it('names the port and the setting when the port is taken', async () => {
    const { port } = await start();
    const taken = start({ port });
    await expect(taken).rejects.toBeInstanceOf(UserError);
    await expect(taken).rejects.toMatchObject({
      code: 'port-taken',
      fields: { port, setting: 'MILLRACE_ROUTER_PORT' },
    });
  });

  it('frees its port when closed, with or without clients', async () => {
    const router = await start();
    const client = await RawClient.join(router.url);
    await RawClient.connect(router.url);
    await router.close();
    await client.closed();
    await start({ port: router.port });
  });
});
