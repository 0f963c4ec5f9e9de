import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MsgpackMasterSession, parseBasicAuthorization } from '@millrace/worker-protocol';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { FakeWorker } from '../src/fake-worker.js';

let server: Server;
let sockets: WebSocketServer;
let url: string;
let sessions: MsgpackMasterSession[];

beforeEach(async () => {
  sessions = [];
  server = createServer();
  sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (parseBasicAuthorization(request.headers.authorization)?.password !== 'right') {
      socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      const session = new MsgpackMasterSession({
        send: (frame) => ws.send(frame),
        close: () => ws.terminate(),
        bufferedBytes: () => 0,
      });
      ws.on('message', (data: Buffer) => session.receive(data));
      ws.on('close', (code) => session.closed(`code ${code}`));
      sessions.push(session);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  for (const socket of sockets.clients) socket.terminate();
  server.close();
  await once(server, 'close');
});

describe('FakeWorker', () => {
  it('runs scripted commands and sees their interruption', async () => {
    const worker = await FakeWorker.connect({
      url,
      name: 'f1',
      password: 'right',
      info: { basedir: '/elsewhere' },
      commands: {
        shell: async (args, { stdout, acknowledged, untilInterrupted }) => {
          stdout(`${String(args['command'])}\n`);
          await acknowledged();
          stdout(`${await untilInterrupted()}\n`);
          return 7;
        },
        stat: () => {
          throw new Error('broken disk');
        },
      },
    });
    const master = sessions[0]!;
    await expect(master.attach()).resolves.toMatchObject({ basedir: '/elsewhere', version: 'fake' });
    expect(worker.printed).toEqual(['attached']);
    const said: string[] = [];
    const outcome = master.startCommand(
      'c1',
      'shell',
      { command: 'make' },
      {
        updates: (batch) => {
          for (const update of batch) if (update.kind === 'stdout') said.push(update.text);
          if (said.length === 1) void master.interrupt('c1', 'stop it');
        },
      },
    );
    await expect(outcome).resolves.toMatchObject({ rc: 7, failure: null });
    expect(said).toEqual(['make\n', 'stop it\n']);
    await expect(master.startCommand('c2', 'stat', {}, { updates: () => undefined })).resolves.toMatchObject({
      failure: 'broken disk',
    });
    await expect(master.startCommand('c3', 'mkdir', {}, { updates: () => undefined })).resolves.toMatchObject({
      rc: 0,
    });
    expect(worker.started.map(({ name }) => name)).toEqual(['shell', 'stat', 'mkdir']);
  });

  it('is lost to its master when it disconnects or is killed', async () => {
    for (const end of ['disconnect', 'terminate'] as const) {
      const worker = await FakeWorker.connect({
        url,
        name: 'f1',
        password: 'right',
        commands: { shell: () => new Promise(() => undefined) },
      });
      const master = sessions.at(-1)!;
      const outcome = master.startCommand('c1', 'shell', {}, { updates: () => undefined });
      await Promise.all([expect(outcome).rejects.toMatchObject({ code: 'worker-lost' }), worker[end]()]);
    }
  });

  it('reports a refused connection', async () => {
    await expect(FakeWorker.connect({ url, name: 'f1', password: 'wrong' })).rejects.toThrow('401');
  });

  it('works with thousands of workers', async () => {
    const names = Array.from({ length: 1000 }, (_none, index) => `f${index}`);
    await Promise.all(names.map((name) => FakeWorker.connect({ url, name, password: 'right' })));
    const outcomes = await Promise.all(
      sessions.map((master, index) => master.startCommand(`c${index}`, 'shell', {}, { updates: () => undefined })),
    );
    expect(outcomes.filter(({ rc }) => rc === 0)).toHaveLength(1000);
  });
});
