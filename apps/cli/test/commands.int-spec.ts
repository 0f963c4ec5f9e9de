import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { databaseUrlOf } from '../src/commands/db.js';
import { workerAddress } from '../src/commands/start.js';
import { trigger } from '../src/commands/trigger.js';

describe('millrace trigger --wait', () => {
  let server: Server;
  afterEach(() => void server.close());

  /** Waits on a scheduler whose links lead to a server that answers with `status` and `body`, which may depend on the path. */
  async function wait(status: number, body: string | ((path: string) => string)): Promise<number> {
    server = createServer((request, response) => {
      const { port } = server.address() as AddressInfo;
      const path = request.url!;
      if (path !== '/trigger') return response.writeHead(status).end(typeof body === 'string' ? body : body(path));
      const link = `http://127.0.0.1:${port}/ci/requests/u`;
      response.writeHead(202).end(JSON.stringify({ requests: [{ id: 7, builder: 'b', link }] }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return trigger({ scheduler: 's', url, properties: {}, wait: true }, 500);
  }

  it("ends with the build's result", async () => {
    expect(await wait(200, JSON.stringify({ buildrequests: [{ complete: true, results: 0 }] }))).toBe(0);
  });

  it.each([
    [0, 0],
    [2, 1],
  ])('waits for the request that its own is collapsed into: %s', async (results, expected) => {
    const states: Record<string, object> = {
      '/ci/api/v2/buildrequests/7': { complete: true, results: 3, collapsed_into_buildrequestid: 8 },
      '/ci/api/v2/buildrequests/8': { complete: true, results, collapsed_into_buildrequestid: null },
    };
    expect(await wait(200, (path) => JSON.stringify({ buildrequests: [states[path]] }))).toBe(expected);
  });

  it('ends when waiting is refused', async () => {
    await expect(wait(404, '{"error":"no such path"}')).rejects.toMatchObject({
      code: 'wait-refused',
      message: expect.stringMatching(/\/ci\/api\/v2\/buildrequests\/7 answered 404: .*no such path/),
    });
  });

  it('gives up, naming the address, when there is no valid answer', async () => {
    await expect(wait(200, '<html>')).rejects.toMatchObject({
      message: expect.stringContaining('/ci/api/v2/buildrequests/7 answered 200'),
    });
  });
});

describe('the command line', () => {
  it('explains how a property is written', () => {
    const main = join(import.meta.dirname, '../dist/main.js');
    const { status, stderr } = spawnSync(process.execPath, [main, 'trigger', 's', '--property', 'foo'], {
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/'foo' is invalid. Expected NAME=VALUE./);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it.each<[string | undefined, Record<string, string>, string]>([
    [undefined, {}, 'sqlite:.millrace/millrace.sqlite'],
    [undefined, { MILLRACE_DB: '', MILLRACE_DATA: '' }, 'sqlite:.millrace/millrace.sqlite'],
    [undefined, { MILLRACE_DB: '', MILLRACE_DATA: '/d' }, 'sqlite:/d/millrace.sqlite'],
    [undefined, { MILLRACE_DB: 'mysql://h/d' }, 'mysql://h/d'],
    ['sqlite:x', { MILLRACE_DB: 'mysql://h/d' }, 'sqlite:x'],
  ])('takes the database from %j and %j', (option, env, url) => {
    expect(databaseUrlOf(option, env)).toBe(url);
  });

  it.each<[Record<string, string>, string]>([
    [{}, 'ws://127.0.0.1:9989'],
    [{ MILLRACE_WORKER_HOST: '10.0.0.5', MILLRACE_WORKER_URL: 'ws://ci.example.org' }, 'ws://10.0.0.5:9989'],
    [{ MILLRACE_WORKER_HOST: '0.0.0.0', MILLRACE_WORKER_TLS_CERT: 'c' }, 'wss://127.0.0.1:9989'],
    [{ MILLRACE_WORKER_TLS_CERT: 'c', MILLRACE_WORKER_URL: 'wss://ci.example.org:1' }, 'wss://ci.example.org:1'],
  ])('has its own worker connect where workers are listened for: %j', (env, address) => {
    expect(workerAddress(env, 9989)).toBe(address);
  });
});
