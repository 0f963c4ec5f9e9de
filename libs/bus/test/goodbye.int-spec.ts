import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createBus } from '@millrace/bus';
import { eventually } from '@millrace/testing/services';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const [WELCOME, GOODBYE, PUBLISH] = [2, 6, 16];
let broker: WebSocketServer;

beforeAll(async () => {
  broker = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'wamp.2.json' });
  await once(broker, 'listening');
});
afterAll(() => {
  for (const socket of broker.clients) socket.terminate();
  broker.close();
});

it("keeps hints published after the broker's GOODBYE for the next connection", async () => {
  const arrived: unknown[] = [];
  let goodbyes = 0;
  broker.on('connection', (socket) => {
    // A slow broker: it does not answer the close that follows its GOODBYE.
    socket.close = () => undefined;
    const say = (message: unknown[]): void => socket.send(JSON.stringify(message));
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as unknown[];
      if (message[0] === 1) say([WELCOME, 1, { roles: { broker: {}, dealer: {} } }]);
      if (message[0] === 1 && goodbyes === 0) say([GOODBYE, {}, 'wamp.close.system_shutdown']);
      if (message[0] === GOODBYE) goodbyes++;
      if (message[0] === PUBLISH) {
        arrived.push(message[3]);
        say([17, message[1], 1]);
      }
    });
  });
  const { port } = broker.address() as AddressInfo;
  const bus = createBus({ url: `ws://127.0.0.1:${port}`, backoff: { minMs: 10, maxMs: 50 } });
  await bus.ready(10_000);
  await eventually(() => goodbyes === 1, { what: 'the goodbye' });
  bus.publish('builds.1', {});
  await eventually(() => bus.stats.published === 1, { timeoutMs: 20_000, what: 'the hint at the next connection' });
  expect(arrived).toEqual(['org.millrace.builds.1']);
  expect(bus.stats).toMatchObject({ published: 1, dropped: 0, reconnects: 1 });
  await bus.close();
}, 60_000);
