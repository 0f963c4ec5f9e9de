import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Figure } from '../figures.js';
import type { FleetSetup } from '../fleet.js';
import { cpuMs, memoryBytes } from '../processes.js';
import { latencies } from '../stats.js';
import { Engine } from '../systems/engine.js';
import { type StackName, startStack } from '../systems/millrace.js';

const KEEPALIVES = 1000;

/**
 * Measures a fleet of msgpack workers, simulated by a second process, on one engine: it connects, answers keepalives, and comes back after
 * the engine was killed.
 */
export async function fleet(name: StackName, workers: number): Promise<{ figures: Figure[]; notes: string[] }> {
  const stack = await startStack(name);
  const token = createHash('sha256').update(randomBytes(16)).digest('hex');
  const engine = await Engine.create({
    stack,
    config: 'workers.config.ts',
    env: { BENCH_WORKERS: String(workers), BENCH_TOKEN: token },
  });
  const setup: FleetSetup = { url: `ws://127.0.0.1:${engine.workerPort}`, token, workers };
  const fleet = fork(join(import.meta.dirname, '../fleet.js'), [JSON.stringify(setup)]);
  try {
    const startMs = await engine.start();
    const before = memoryBytes(engine.pid);
    const cpuBefore = cpuMs(engine.pid);
    let startedAt = performance.now();
    fleet.send({ kind: 'connect' });
    await engine.attached(workers);
    const connectMs = performance.now() - startedAt;
    const connectCpuMs = cpuMs(engine.pid) - cpuBefore;
    const samples = keepalives(fleet);
    fleet.send({ kind: 'keepalives', count: KEEPALIVES });
    const { p50Ms, p99Ms } = latencies(await samples);
    const after = memoryBytes(engine.pid);

    startedAt = performance.now();
    await engine.kill();
    const againMs = await engine.start();
    await engine.attached(workers);
    const stormMs = performance.now() - startedAt;
    const less = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'less', value });
    return {
      figures: [
        { name: 'workers: connects', unit: '/s', better: 'more', value: (workers / connectMs) * 1000 },
        less('workers: memory of the engine', 'MB', after / 2 ** 20),
        less('workers: memory per worker', 'kB', (after - before) / workers / 1024),
        less('workers: keepalive p99', 'ms', p99Ms),
        less('workers: all back after kill -9', 's', stormMs / 1000),
        less('workers: memory after the storm', 'MB', memoryBytes(engine.pid) / 2 ** 20),
      ],
      notes: [
        `workers: ${workers}; the engine started in ${Math.round(startMs)} ms, again in ${Math.round(againMs)} ms; ` +
          `${(connectCpuMs / workers).toFixed(2)} ms of its CPU per connect; keepalive p50 ${p50Ms} ms; ` +
          `${engine.log.length} warnings`,
      ],
    };
  } finally {
    fleet.kill('SIGKILL');
    await engine.kill();
    await stack.stop();
  }
}

function keepalives(fleet: ChildProcess): Promise<number[]> {
  return new Promise((resolve, reject) => {
    fleet.on('message', (message: { kind: string; samplesMs: number[] }) => {
      if (message.kind === 'keepalives') resolve(message.samplesMs);
    });
    fleet.once('exit', (code) => reject(new Error(`the fleet ended with ${code}`)));
  });
}
