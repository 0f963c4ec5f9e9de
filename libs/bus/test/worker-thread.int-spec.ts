import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createBus } from '@millrace/bus';
import { type Service, startEmbeddedRouter, startNats, requireService } from '@millrace/testing/services';

const SCRIPT = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { createBus } = await import(workerData.entry);
  const bus = createBus({ url: workerData.url });
  bus.register('thread.echo', (args) => args);
  await bus.ready(10_000);
  parentPort.postMessage('ready');
  parentPort.once('message', () => void bus.close());
`;

/** The control thread holds the bus session (I5), so a bus must work off the main thread and end with it. */
describe.each([
  ['the embedded router', true, startEmbeddedRouter],
  ['nats-server', requireService('nats'), startNats],
] as const)('a bus over %s in a worker thread', (_name, isThere, start) => {
  let service: Service;
  beforeAll(async () => {
    if (isThere) service = await start({});
  }, 60_000);
  afterAll(() => service?.stop());

  (isThere ? it : it.skip)(
    'answers, and lets its thread end once closed',
    async () => {
      const entry = new URL('../dist/index.js', import.meta.url).href;
      const data = { entry, url: service.url };
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`), { workerData: data });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      const bus = createBus({ url: service.url });
      await bus.ready(10_000);
      expect(await bus.call('thread.echo', { n: 1 })).toEqual({ n: 1 });
      await bus.close();
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.postMessage('close');
      expect(await ended).toBe(0);
    },
    30_000,
  );
});
