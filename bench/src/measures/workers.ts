import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually, freePort } from '@millrace/testing';
import type { Figure } from '../figures.js';
import type { FleetSetup } from '../fleet.js';
import { cpuMs, memoryBytes } from '../processes.js';
import { latencies } from '../stats.js';
import { type StackName, startStack } from '../systems/millrace.js';

const ROOT = join(import.meta.dirname, '../../..');
const KEEPALIVES = 1000;
const PATIENCE_MS = 180_000;

/** A fleet of msgpack workers, played by a second process, on one engine: it connects, is asked for signs of life, and comes back after the engine was killed. */
export async function fleet(name: StackName, workers: number): Promise<{ figures: Figure[]; notes: string[] }> {
  const stack = await startStack(name);
  const token = createHash('sha256').update(randomBytes(16)).digest('hex');
  const [workerPort, httpPort] = [await freePort(), await freePort()];
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    MILLRACE_NAME: 'engine',
    MILLRACE_DB: stack.url,
    MILLRACE_BUS: stack.bus?.url ?? 'none:',
    MILLRACE_CONFIG: join(ROOT, 'bench/configuration/workers.config.ts'),
    MILLRACE_DATA: stack.folder,
    MILLRACE_WORKER_PORT: String(workerPort),
    MILLRACE_HTTP_PORT: String(httpPort),
    MILLRACE_LOG_LEVEL: 'warn',
    BENCH_WORKERS: String(workers),
    BENCH_TOKEN: token,
  };
  const engines: ChildProcess[] = [];
  const start = async (): Promise<{ engine: ChildProcess; ms: number }> => {
    const startedAt = performance.now();
    const engine = spawn(process.execPath, [join(ROOT, 'apps/engine/dist/main.js')], {
      env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    engines.push(engine);
    await eventually(() => attached(httpPort).then(() => true), { timeoutMs: PATIENCE_MS, what: 'the engine' });
    return { engine, ms: performance.now() - startedAt };
  };
  const all = (): Promise<unknown> =>
    eventually(async () => (await attached(httpPort)) === workers, {
      timeoutMs: PATIENCE_MS,
      intervalMs: 200,
      what: `${workers} attached workers`,
    });
  const setup: FleetSetup = { url: `ws://127.0.0.1:${workerPort}`, token, workers };
  const fleet = fork(join(import.meta.dirname, '../fleet.js'), [JSON.stringify(setup)]);
  try {
    const { engine, ms: startMs } = await start();
    const before = memoryBytes(engine.pid!);
    const cpuBefore = cpuMs(engine.pid!);
    let startedAt = performance.now();
    fleet.send({ kind: 'connect' });
    await all();
    const connectMs = performance.now() - startedAt;
    const connectCpuMs = cpuMs(engine.pid!) - cpuBefore;
    const samples = keepalives(fleet);
    fleet.send({ kind: 'keepalives', count: KEEPALIVES });
    const { p50Ms, p99Ms } = latencies(await samples);
    const after = memoryBytes(engine.pid!);

    startedAt = performance.now();
    engine.kill('SIGKILL');
    await once(engine, 'exit');
    const again = await start();
    await all();
    const stormMs = performance.now() - startedAt;
    const less = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'less', value });
    return {
      figures: [
        { name: 'workers: connects', unit: '/s', better: 'more', value: (workers / connectMs) * 1000 },
        less('workers: memory of the engine', 'MB', after / 2 ** 20),
        less('workers: memory per worker', 'kB', (after - before) / workers / 1024),
        less('workers: keepalive p99', 'ms', p99Ms),
        less('workers: all back after kill -9', 's', stormMs / 1000),
        less('workers: memory after the storm', 'MB', memoryBytes(again.engine.pid!) / 2 ** 20),
      ],
      notes: [
        `workers: ${workers}; the engine started in ${Math.round(startMs)} ms, again in ${Math.round(again.ms)} ms; ` +
          `${(connectCpuMs / workers).toFixed(2)} ms of its CPU per connect; keepalive p50 ${p50Ms} ms`,
      ],
    };
  } finally {
    fleet.kill('SIGKILL');
    for (const engine of engines) engine.kill('SIGKILL');
    await stack.stop();
  }
}

/** How many workers the engine has attached. */
async function attached(httpPort: number): Promise<number> {
  const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
  await ready.arrayBuffer();
  const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  if (!ready.ok) throw new Error(`not ready: ${ready.status}`);
  return Number(/^millrace_workers_attached (\d+)$/m.exec(metrics)?.[1]);
}

function keepalives(fleet: ChildProcess): Promise<number[]> {
  return new Promise((resolve, reject) => {
    fleet.on('message', (message: { kind: string; samplesMs: number[] }) => {
      if (message.kind === 'keepalives') resolve(message.samplesMs);
    });
    fleet.once('exit', (code) => reject(new Error(`the fleet ended with ${code}`)));
  });
}
