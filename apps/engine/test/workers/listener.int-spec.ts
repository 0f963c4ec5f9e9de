import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, FakeWorker, freePort, makeCertificate } from '@millrace/testing';
import { basicAuthorization, MsgpackWorkerSession } from '@millrace/worker-protocol';
import { WebSocket } from 'ws';
import { Listening, PB_GREETING, Talk, upgrade } from './listening.js';

let listening: Listening;
const workers: FakeWorker[] = [];
const attach = async (name: string, url = listening.url, password = `password-of-${name}`): Promise<FakeWorker> => {
  const worker = await FakeWorker.connect({ url, name, password });
  workers.push(worker);
  await eventually(() => listening.attached.includes(name), { what: `${name} attached` });
  return worker;
};
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  await eventually(() => listening.connections.size === 0, { what: 'no connections' });
});

describe('the ports for workers', () => {
  beforeAll(async () => {
    listening = await Listening.start(async () => ({
      MILLRACE_WORKER_PB_PORT: String(await freePort()),
      MILLRACE_WORKER_MSGPACK_PORT: String(await freePort()),
    }));
  });
  afterAll(() => listening.stop());

  it('are one for both protocols, and one for each', async () => {
    const { workerMsgpackPort, workerPbPort, workerPort } = listening.settings;
    await attach('w0');
    await attach('w1', `ws://127.0.0.1:${workerMsgpackPort}`);
    const talks = [Talk.with(workerPbPort!), Talk.with(workerPort)];
    for (const talk of talks) await eventually(() => talk.heard.equals(PB_GREETING), { what: 'the greeting' });
    expect(await listening.metric('millrace_worker_connections{protocol="pb"}')).toBe(2);
    expect(await listening.metric('millrace_worker_connections{protocol="msgpack"}')).toBe(2);
    expect(await listening.metric('millrace_worker_attach_backlog')).toBe(2);
    expect(await listening.metric('millrace_worker_attaches_total')).toBe(2);
    for (const talk of talks) talk.socket.destroy();
  });

  it('greet nobody as PB on the port for msgpack', async () => {
    const talk = Talk.with(listening.settings.workerMsgpackPort!);
    await eventually(() => listening.connections.count('msgpack') === 1);
    talk.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await talk.closed;
    expect(talk.text).toMatch(/^HTTP\/1\.1 426 /);
  });

  it.each([
    ['words that are no HTTP', () => listening.settings.workerPort, 'HELO x\r\n\r\n'],
    ['HTTP on the port for PB', () => listening.settings.workerPbPort!, upgrade('w0', 'x')],
    ['bytes that are no banana', () => listening.settings.workerPbPort!, Buffer.alloc(100)],
  ])('closes a connection with %s, and says why', async (_what, port, words) => {
    const before = listening.refusals.total('malformed');
    await Talk.with(port(), words).closed;
    expect(listening.refusals.total('malformed')).toBe(before + 1);
    expect(listening.refusals.latest[0]).toMatchObject({ reason: 'malformed', address: '127.0.0.1' });
    expect(listening.log.at(-1)).toMatchObject({ level: 'warn', message: 'worker refused: malformed' });
  });
});

describe('refused logins', () => {
  beforeAll(async () => {
    listening = await Listening.start();
  });
  afterAll(() => listening.stop());

  const answer = async (name: string, password: string): Promise<string> => {
    const talk = Talk.with(listening.settings.workerPort, upgrade(name, password));
    await talk.closed;
    return talk.text.split('\r\n\r\n')[0]!;
  };

  it('are counted and shown, and delayed after some', async () => {
    for (let i = 0; i < 5; i++) expect(await answer('w0', 'wrong')).toMatch(/^HTTP\/1\.1 401 /);
    const startedAt = performance.now();
    expect(await answer('w0', 'wrong')).toMatch(/^HTTP\/1\.1 401 /);
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(await answer('nobody', 'password-of-w0')).toMatch(/^HTTP\/1\.1 401 /);
    expect(
      listening.refusals.latest.map(({ name, reason, count, address }) => ({ name, reason, count, address })),
    ).toEqual([
      { name: 'nobody', reason: 'wrong-credentials', count: 1, address: '127.0.0.1' },
      { name: 'w0', reason: 'wrong-credentials', count: 6, address: '127.0.0.1' },
    ]);
    expect(await listening.metric('millrace_worker_refused_total{reason="wrong-credentials"}')).toBe(7);
    expect(listening.log.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });

  it('delay nobody else, and the right credentials by a second', async () => {
    const guesses = Array.from({ length: 50 }, () => Talk.with(listening.settings.workerPort, upgrade('w3', 'wrong')));
    await eventually(() => listening.connections.count('msgpack') >= 40, { what: 'the guesses' });
    await attach('w1');
    expect(listening.connections.count('msgpack')).toBeGreaterThan(40);
    await attach('w3');
    for (const guess of guesses) guess.socket.destroy();
  });

  it('show no control characters', async () => {
    await answer('\u001b[2J\n' + 'x'.repeat(150), 'wrong');
    expect(listening.refusals.latest[0]!.name).toMatch(/^\\x1b\[2J\\x0ax{90,}…$/);
    expect(JSON.stringify(listening.log.at(-1))).not.toContain('\\u001b');
  });

  it('of a second worker of the same name leave the first alone', async () => {
    const first = await attach('w2');
    const second = await FakeWorker.connect({ url: listening.url, name: 'w2', password: 'password-of-w2' });
    expect(await second.closed).toBe('code 4409');
    expect(listening.refusals.latest[0]).toMatchObject({ name: 'w2', reason: 'duplicate' });
    expect(first.printed).toContain('master got a duplicate connection');
    expect(listening.attached).toEqual(['w2']);
  });
});

describe('the maximum of connections', () => {
  beforeAll(async () => {
    listening = await Listening.start(async () => ({
      MILLRACE_WORKER_MAX: '2',
      MILLRACE_WORKER_PB_PORT: String(await freePort()),
    }));
  });
  afterAll(() => listening.stop());

  it('turns further workers away politely, and keeps the connected ones', async () => {
    const [first] = [await attach('w0'), await attach('w1')];
    const refused = Talk.with(listening.settings.workerPort, upgrade('w2', 'password-of-w2'));
    await refused.closed;
    expect(refused.text).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n(.*\r\n)*Retry-After: 30\r\n/);
    const pb = Talk.with(listening.settings.workerPbPort!);
    await pb.closed;
    expect(pb.heard).toEqual(PB_GREETING);
    expect(listening.refusals.total('full')).toBe(2);
    expect(listening.attached).toEqual(['w0', 'w1']);
    await first.disconnect();
    await eventually(() => attach('w2').then(() => true), { what: 'room for another' });
  });

  it('is not reached by connections that have not logged in: silent, slow or many, they displace one another', async () => {
    await attach('w0');
    const { workerPort, workerPbPort } = listening.settings;
    const silent = Array.from({ length: 300 }, (_, i) => Talk.with(i % 2 === 0 ? workerPort : workerPbPort!));
    await eventually(() => listening.refusals.total('displaced') >= 300 - 64, { what: 'the displaced' });
    expect(listening.connections.size).toBeLessThanOrEqual(65);
    // There is a place for the last one, in spite of them.
    await attach('w1');
    expect(listening.attached).toEqual(['w0', 'w1']);
    for (const talk of silent) talk.socket.destroy();
  });

  it('is not reached by hundreds that connect at once', async () => {
    await attach('w0');
    const crowd = Array.from({ length: 300 }, () => Talk.with(listening.settings.workerPort, upgrade('w3', 'x')));
    await Promise.all(crowd.map((talk) => talk.closed));
    expect(listening.attached).toEqual(['w0']);
    await attach('w1');
  });
});

describe('connections of one address', () => {
  beforeAll(async () => {
    listening = await Listening.start(async () => ({
      MILLRACE_WORKER_LOGINS_PER_ADDRESS: '10',
      MILLRACE_WORKER_PB_PORT: String(await freePort()),
    }));
  });
  afterAll(() => listening.stop());

  it('may wait for their login up to a number; then the oldest of them is closed', async () => {
    const silent = Array.from({ length: 30 }, () => Talk.with(listening.settings.workerPbPort!));
    await eventually(() => listening.refusals.total('displaced') === 20, { what: 'the displaced' });
    await Promise.all(silent.slice(0, 20).map((talk) => talk.closed));
    expect(listening.connections.size).toBe(10);
    await attach('w0');
    for (const talk of silent) talk.socket.destroy();
  });

  it('over PB are read up to a limit before their login, in pieces of any size', async () => {
    const talk = Talk.with(listening.settings.workerPbPort!);
    await eventually(() => talk.heard.equals(PB_GREETING));
    talk.socket.write(Buffer.from('028270620a81', 'hex').subarray(0, 4));
    const version = Buffer.from('028007827665' + '7273696f6e' + '0681', 'hex');
    for (let i = 0; i < 100 && !talk.socket.destroyed; i++)
      await new Promise((resolve) =>
        talk.socket.write(Buffer.concat(Array.from({ length: 100 }, () => version)), resolve),
      );
    await talk.closed;
    expect(listening.refusals.latest[0]).toMatchObject({ reason: 'malformed' });
    expect(JSON.stringify(listening.log)).toContain('bytes came before the login was accepted');
  });
});

describe('a worker that sends too much', () => {
  beforeAll(async () => {
    listening = await Listening.start();
  });
  afterAll(() => listening.stop());

  it.each<[string, number, string | null]>([
    ['is attached, and its row stays small', 20 << 10, 'left_out'],
    ['of itself is not attached', 50 << 20, null],
  ])('%s', async (_what, bytes, note) => {
    const authorization = basicAuthorization({ name: 'w4', password: 'password-of-w4' });
    const socket = new WebSocket(listening.url, { headers: { authorization } });
    const session = new MsgpackWorkerSession(
      { send: (frame) => socket.send(frame), close: () => socket.terminate(), bufferedBytes: () => 0 },
      {
        print: () => undefined,
        info: () => ({ basedir: '/w', host: 'h', big: 'x'.repeat(bytes) }),
        settings: () => undefined,
        startCommand: () => undefined,
        interrupt: () => undefined,
        shutdown: () => undefined,
      },
    );
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => session.receive(data));
    if (note === null) {
      await closed;
      expect(listening.attached).toEqual([]);
    } else {
      await eventually(() => listening.attached.includes('w4'), { what: 'attached' });
      const [worker] = [...listening.sessions.attached.values()];
      expect(worker!.connection.info.texts).toMatchObject({ host: 'h', [note]: expect.any(String) });
      socket.terminate();
    }
    await closed;
    session.closed('the test is over');
    await eventually(() => listening.attached.length === 0, { what: 'detached' });
    // Another worker is served as before.
    await attach('w5');
  });
});

describe('a worker that sends requests and does not read', () => {
  beforeAll(async () => {
    listening = await Listening.start();
  });
  afterAll(() => listening.stop());

  it('is cut off when too much waits for it', async () => {
    const authorization = basicAuthorization({ name: 'w0', password: 'password-of-w0' });
    const socket = new WebSocket(listening.url, { headers: { authorization } });
    const session = new MsgpackWorkerSession(
      { send: (frame) => socket.send(frame), close: () => socket.terminate(), bufferedBytes: () => 0 },
      {
        print: () => undefined,
        info: () => ({ basedir: '/w' }),
        settings: () => undefined,
        startCommand: (id) => {
          socket.pause();
          for (let i = 0; i < 100; i++) session.readDownload(id, 1 << 20).catch(() => undefined);
        },
        interrupt: () => undefined,
        shutdown: () => undefined,
      },
    );
    socket.on('message', (data: Buffer) => session.receive(data));
    await eventually(() => listening.attached.length === 1, { what: 'attached' });
    const { connection } = [...listening.sessions.attached.values()][0]!;
    const sink = {
      updates: () => undefined,
      readDownload: (length: number) => Promise.resolve(new Uint8Array(length)),
    };
    await expect(connection.startCommand('c1', 'download_file', {}, sink)).rejects.toMatchObject({
      code: 'worker-lost',
      message: expect.stringContaining('does not take what it asks for'),
    });
    await eventually(() => listening.attached.length === 0, { what: 'detached' });
    socket.terminate();
    session.closed('the test is over');
  });
});

describe('TLS for workers', () => {
  let files: { certFile: string; keyFile: string };
  beforeAll(async () => {
    listening = await Listening.start(async (folder) => {
      files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
      makeCertificate({ ...files, commonName: 'first' });
      return {
        MILLRACE_WORKER_TLS_CERT: files.certFile,
        MILLRACE_WORKER_TLS_KEY: files.keyFile,
        MILLRACE_WORKER_PB_PORT: String(await freePort()),
      };
    });
  });
  afterAll(() => listening.stop());

  const open = (words = '', port = listening.settings.workerPort) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    return { socket, talk: Talk.over(socket, words) };
  };
  const issuer = async (): Promise<string> => {
    const { socket } = open();
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  };

  it('is on all ports, for both protocols', async () => {
    const msgpack = open(upgrade('w0', 'password-of-w0'));
    await eventually(() => listening.attached.length === 0 && msgpack.talk.text.includes(' 101 '), { what: '101' });
    const [pb, silent] = [open('', listening.settings.workerPbPort!), open()];
    for (const { talk } of [pb, silent]) await eventually(() => talk.heard.equals(PB_GREETING));
    for (const { socket } of [msgpack, pb, silent]) socket.destroy();
  });

  it('refuses connections without TLS', async () => {
    await Talk.with(listening.settings.workerPort, upgrade('w0', 'password-of-w0')).closed;
    expect(listening.refusals.latest[0]).toMatchObject({ reason: 'tls', address: '127.0.0.1' });
  });

  it.each([
    ['closed', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('has nothing against a connection that says nothing and is %s', async (_how, end) => {
    const before = listening.refusals.total('tls');
    for (let i = 0; i < 20; i++) {
      const socket = connect(listening.settings.workerPort, '127.0.0.1');
      await once(socket, 'connect');
      await eventually(() => listening.connections.size === 1, { what: 'the connection' });
      end(socket);
      await eventually(() => listening.connections.size === 0, { what: 'its end' });
    }
    expect(listening.refusals.total('tls')).toBe(before);
  });

  it('ignores a connection that was reset before it was accepted', async () => {
    const before = listening.refusals.total('tls');
    const speakAndReset = `const socket = require('net').connect(${listening.settings.workerPort}, '127.0.0.1', () =>
      socket.write('PROXY', () => socket.resetAndDestroy()))`;
    // This process, which listens, is blocked meanwhile.
    expect(spawnSync(process.execPath, ['-e', speakAndReset]).status).toBe(0);
    // Connections are accepted in their order.
    await issuer();
    await eventually(() => listening.connections.size === 0, { what: 'its end' });
    expect(listening.refusals.total('tls')).toBe(before);
  });

  it('uses a new certificate for new connections, and keeps the old one when the new one is bad', async () => {
    expect(await issuer()).toBe('first');
    const old = open();
    await eventually(() => old.talk.heard.equals(PB_GREETING));

    makeCertificate({ ...files, commonName: 'second' });
    await eventually(async () => (await issuer()) === 'second', { what: 'the new certificate' });
    expect(old.socket.destroyed).toBe(false);

    writeFileSync(files.certFile, 'nonsense');
    await eventually(() => listening.log.some(({ level }) => level === 'error'), { what: 'the complaint' });
    expect(await issuer()).toBe('second');
    expect(await listening.metric('millrace_worker_tls_certificate_current')).toBe(0);

    // A certificate whose key is not there yet is bad as well, and good as soon as it is.
    makeCertificate({ ...files, keyFile: join(listening.folder, 'other.pem'), commonName: 'third' });
    listening.listener.reload();
    expect(await issuer()).toBe('second');
    makeCertificate({ ...files, commonName: 'fourth' });
    listening.listener.reload();
    expect(await issuer()).toBe('fourth');
    expect(await listening.metric('millrace_worker_tls_certificate_current')).toBe(1);
    old.socket.destroy();
  });

  it('does not start with files that cannot be used', async () => {
    const start = Listening.start((folder) => {
      const [cert, key] = [join(folder, 'c'), join(folder, 'k')];
      writeFileSync(cert, 'x');
      writeFileSync(key, 'x');
      return { MILLRACE_WORKER_TLS_CERT: cert, MILLRACE_WORKER_TLS_KEY: key };
    });
    await expect(start).rejects.toMatchObject({ code: 'bad-tls' });
  });
});

describe('the PROXY header', () => {
  const header = (address: readonly number[]): Buffer =>
    Buffer.concat([
      Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'),
      Buffer.from([...address, 127, 0, 0, 1, 0xd4, 0x31, 0x27, 0x05]),
    ]);

  describe('from a balancer', () => {
    beforeAll(async () => {
      listening = await Listening.start(() => ({
        MILLRACE_WORKER_PROXY_PROTOCOL: 'v2',
        MILLRACE_WORKER_PROXY_FROM: '10.0.0.0/8, 127.0.0.0/8',
        MILLRACE_WORKER_LOGINS_PER_ADDRESS: '3',
      }));
    });
    afterAll(() => listening.stop());

    it('gives the real address, in pieces of any size', async () => {
      const talk = Talk.with(listening.settings.workerPort);
      talk.socket.setNoDelay(true);
      const bytes = Buffer.concat([header([10, 1, 2, 3]), Buffer.from(upgrade('w0', 'wrong'))]);
      for (let i = 0; i < bytes.length; i += 9) {
        await new Promise((resolve) => talk.socket.write(bytes.subarray(i, i + 9), resolve));
      }
      await talk.closed;
      expect(talk.text).toMatch(/^HTTP\/1\.1 401 /);
      expect(listening.refusals.latest[0]).toMatchObject({ name: 'w0', address: '10.1.2.3' });
    });

    it('comes before the greeting of PB', async () => {
      const talk = Talk.with(listening.settings.workerPort, header([10, 1, 2, 4]));
      await eventually(() => talk.heard.equals(PB_GREETING));
      talk.socket.destroy();
    });

    it('tells whose connections are too many', async () => {
      const connect = async (last: number): Promise<Talk> => {
        const talk = Talk.with(listening.settings.workerPort, header([10, 1, 2, last]));
        await eventually(() => talk.heard.equals(PB_GREETING), { what: 'the greeting' });
        return talk;
      };
      const others: Talk[] = [];
      for (let i = 0; i < 6; i++) others.push(await connect(i));
      const same = [await connect(9), await connect(9), await connect(9)];
      expect(listening.refusals.total('displaced')).toBe(0);
      const last = await connect(9);
      await same[0]!.closed;
      expect(listening.refusals.latest[0]).toMatchObject({ reason: 'displaced', address: '10.1.2.9' });
      expect(listening.connections.size).toBe(9);
      for (const talk of [...others, ...same, last]) talk.socket.destroy();
    });

    it('is required', async () => {
      const talk = Talk.with(listening.settings.workerPort, upgrade('w0', 'password-of-w0'));
      await talk.closed;
      expect(talk.text).toBe('');
      expect(listening.refusals.latest[0]).toMatchObject({ reason: 'proxy-header', address: '127.0.0.1' });
    });
  });

  describe('from anybody else', () => {
    beforeAll(async () => {
      listening = await Listening.start(() => ({
        MILLRACE_WORKER_PROXY_PROTOCOL: 'v2',
        MILLRACE_WORKER_PROXY_FROM: '10.0.0.0/8',
      }));
    });
    afterAll(() => listening.stop());

    it('is not trusted, and not needed', async () => {
      await Talk.with(listening.settings.workerPort, Buffer.concat([header([10, 1, 2, 3]), Buffer.from('x')])).closed;
      expect(listening.refusals.latest[0]).toMatchObject({ reason: 'malformed', address: '127.0.0.1' });
      await attach('w0');
    });
  });
});
