import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { migrate } from '@millrace/database';
import { eventually, FakeWorker, freePort } from '@millrace/testing';
import { Talk, upgrade } from './listening.js';

const ENGINE = join(import.meta.dirname, '../../dist/main.js');
/** Leaves room for 200 workers: half of it. */
const OPEN_FILES = 400;
const WORKERS = 200;

/** A real engine with a low limit of open files. */
describe('an engine with few descriptors', () => {
  let folder: string;
  let engine: ChildProcess;
  let ports: { worker: number; http: number };
  let output = '';
  const workers: FakeWorker[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-descriptors-'));
    ports = { worker: await freePort(), http: await freePort() };
    const url = `sqlite:${join(folder, 'millrace.sqlite')}`;
    await migrate(url);
    const config = join(folder, 'master.config.mjs');
    writeFileSync(
      config,
      `const names = Array.from({ length: ${WORKERS + 10} }, (_, i) => 'w' + i);
       export default {
         workers: names.map((name) => ({ name, password: 'token-0123456789-0123456789-01234-' + name })),
         builders: [], schedulers: [],
       };`,
    );
    engine = spawn('/bin/sh', ['-c', `ulimit -n ${OPEN_FILES}; exec "$0" "$1"`, process.execPath, ENGINE], {
      env: {
        PATH: process.env['PATH'],
        MILLRACE_DB: url,
        MILLRACE_DATA: folder,
        MILLRACE_CONFIG: config,
        MILLRACE_WORKER_PORT: String(ports.worker),
        MILLRACE_HTTP_PORT: String(ports.http),
        MILLRACE_WORKER_MAX: '5000',
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [engine.stdout!, engine.stderr!]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    const ready = eventually(async () => (await http('/readyz')).includes('"ok"'), {
      timeoutMs: 90_000,
      what: 'the engine',
    });
    await ready.catch((error: unknown) => {
      throw new Error(`${String(error)}\n${output}`);
    });
  }, 100_000);
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
    const exited = new Promise((resolve) => engine.once('exit', resolve));
    engine.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true });
  });

  const http = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${ports.http}${path}`)).text();
  const metric = async (name: string): Promise<number> =>
    Number(
      (await http('/metrics'))
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length + 1),
    );

  it('reports at its start that it cannot have as many workers as configured', async () => {
    expect(output).toContain(
      `MILLRACE_WORKER_MAX is 5000, but the limit of open files leaves room for ${WORKERS} workers`,
    );
    expect(await metric('millrace_worker_connections_max')).toBe(WORKERS);
    expect(await metric('millrace_open_files_limit')).toBe(OPEN_FILES);
  });

  it('accepts as many as it has room for, refuses the others politely, and shows them', async () => {
    const url = `ws://127.0.0.1:${ports.worker}`;
    for (let i = 0; i < WORKERS; i++) {
      workers.push(
        await FakeWorker.connect({ url, name: `w${i}`, password: `token-0123456789-0123456789-01234-w${i}` }),
      );
    }
    await eventually(async () => (await metric('millrace_workers_attached')) === WORKERS, { timeoutMs: 30_000 });
    const late = Talk.with(ports.worker, upgrade(`w${WORKERS}`, 'x'));
    await late.closed;
    expect(late.text).toMatch(/^HTTP\/1\.1 503 /);
    expect(JSON.parse(await http('/workers/refused'))).toEqual({
      refused: [expect.objectContaining({ reason: 'full', address: '127.0.0.1', count: 1 })],
    });
  }, 60_000);

  it('keeps its workers when more clients connect than it has descriptors', async () => {
    const crowd: Socket[] = [];
    for (let i = 0; i < 2 * OPEN_FILES; i++) {
      crowd.push(connect(ports.worker, '127.0.0.1').on('error', () => undefined));
    }
    const closed = (): number => crowd.filter((socket) => socket.destroyed).length;
    await eventually(() => closed() >= OPEN_FILES, { what: 'most of the crowd turned away' });
    expect(await metric('millrace_workers_attached')).toBe(WORKERS);
    for (const socket of crowd) socket.destroy();
    expect(Math.max(...(await Promise.all(workers.slice(0, 20).map((worker) => worker.keepaliveMs()))))).toBeLessThan(
      10_000,
    );
    await workers.pop()!.terminate();
    await eventually(
      async () => {
        const worker = await FakeWorker.connect({
          url: `ws://127.0.0.1:${ports.worker}`,
          name: `w${WORKERS + 1}`,
          password: `token-0123456789-0123456789-01234-w${WORKERS + 1}`,
        });
        workers.push(worker);
      },
      { what: 'room for another worker' },
    );
    expect(engine.exitCode).toBeNull();
  }, 60_000);
});
