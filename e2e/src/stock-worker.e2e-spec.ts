import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually, provisionStockWorker, StockWorker } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { Api } from './resources.js';
import { FIXTURES, type Stack, startStack } from './stacks.js';

const isThere = provisionStockWorker();

(isThere ? describe : describe.skip).each(['msgpack', 'pb'] as const)(
  'an unmodified buildbot-worker 4.3.0 over %s',
  (protocol) => {
    let stack: Stack;
    let cluster: Cluster;
    let worker: StockWorker | null = null;
    const password = (): string => readFileSync(join(stack.folder, 'worker-password'), 'utf8').trim();
    const connect = (): void => {
      worker = StockWorker.start({
        port: cluster.ports.workers,
        name: 'absent',
        password: password(),
        basedir: join(stack.folder, 'stock'),
        protocol,
      });
    };

    beforeAll(async () => {
      stack = await startStack('embedded');
      const repository = new TestRepository(join(stack.folder, 'repository'));
      repository.commit('good');
      cluster = await stack.start(join(FIXTURES, 'first-light.config.ts'), { E2E_REPOSITORY: repository.url });
    }, 180_000);
    afterAll(async () => {
      await worker?.stop();
      await cluster.stop();
      await stack.stop();
    });

    it('runs the build that was waiting for it, and the next one after its engine was killed', async () => {
      const api = new Api(cluster);
      const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['nobody'] });
      connect();
      const succeeded = (id: number): Promise<unknown> =>
        eventually(async () => (await api.request(id)).results === Result.SUCCESS, {
          timeoutMs: 30_000,
          what: 'a build on the stock worker',
        });
      await succeeded(requests[0]!.id);
      const [build] = await api.attempts(requests[0]!.id);
      expect((await api.log(build!.buildid, 'true')).at(-1)).toMatch(
        /^(program finished with exit code 0|elapsedTime=.*)$/,
      );

      cluster.signal('engine', 'SIGKILL');
      const again = await cluster.trigger({ scheduler: 'trigger', builders: ['nobody'] });
      await succeeded(again.requests[0]!.id);
    }, 120_000);

    it('shares its port with connections of all kinds', async () => {
      const port = cluster.ports.workers;
      expect((await talk(port, '')).toString('hex')).toBe('02800282706204826e6f6e65');
      expect((await talk(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toString()).toMatch(/^HTTP\/1\.1 426 /);
      expect((await talk(port, 'HELO x\r\n\r\n')).toString()).toMatch(/^HTTP\/1\.1 400 /);
      const attached = (): string[] => cluster.output.filter((line) => /worker attached .*"absent"/.test(line));
      const before = attached();
      const twin = StockWorker.start({
        port,
        name: 'absent',
        password: password(),
        basedir: join(stack.folder, 'twin'),
        protocol,
      });
      await eventually(() => cluster.output.some((line) => line.includes("another worker 'absent'")), {
        timeoutMs: 20_000,
        what: 'the refusal of a second worker of that name',
      });
      expect(twin.hasExited).toBe(false);
      await twin.stop();
      expect(attached()).toEqual(before);
    }, 60_000);
  },
);

/** Sends data to a port and returns the first answer. */
async function talk(port: number, words: string): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  if (words !== '') socket.write(words);
  try {
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer;
  } finally {
    socket.destroy();
  }
}
