import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '@millrace/database';
import { type Cluster, eventually, type StockProtocol, stockKinds, StockWorker } from '@millrace/testing';
import { Api } from '../api.js';
import type { Figure } from '../figures.js';
import { cpuMs, memoryBytes } from '../processes.js';
import { type Stack, type StackName, startCluster, startStack, WORKER_PASSWORD } from '../systems/millrace.js';

const ROOT = join(import.meta.dirname, '../../..');
/** Workers of each protocol. One alone prints less than an engine can take. */
const WORKERS = 3;
const STALL_MS = 15_000;
const PROTOCOLS: readonly StockProtocol[] = ['msgpack', 'pb'];

interface Measured {
  readonly figures: Figure[];
  readonly notes: string[];
}

/**
 * Measures lines per second of several stock workers that print at once, and the engine's memory while one of them floods it and the
 * database is stalled.
 */
export async function stockLogs(name: StackName, lines: number): Promise<Measured> {
  const stack = await startStack(name);
  const names = PROTOCOLS.flatMap((protocol) => Array.from({ length: WORKERS }, (_, i) => `${protocol}-${i}`));
  const cluster = await startCluster(stack, join(ROOT, 'bench/configuration/stock.config.ts'), {
    BENCH_LINES: String(lines),
    BENCH_STOCK_WORKERS: names.join(','),
  });
  const workers: StockWorker[] = [];
  const api = new Api(cluster.url);
  try {
    const figures: Figure[] = [];
    const notes: string[] = [];
    for (const protocol of PROTOCOLS) {
      const kind = stockKinds().find((one) => one.protocol === protocol)!;
      for (const worker of names.filter((one) => one.startsWith(protocol))) {
        const basedir = join(stack.folder, worker);
        const port = cluster.ports.workers;
        workers.push(StockWorker.start({ ...kind, name: worker, port, password: WORKER_PASSWORD, basedir }));
      }
    }
    await eventually(async () => (await attached(api)) === names.length, { timeoutMs: 60_000, what: 'the workers' });
    for (const protocol of PROTOCOLS) {
      const { figures: more, notes: also } = await throughput(cluster, api, protocol, names, lines);
      figures.push(...more);
      notes.push(...also);
      figures.push(...(await stalled(stack, cluster, api, protocol)));
    }
    return { figures, notes };
  } finally {
    api.close();
    await Promise.all(workers.map((worker) => worker.stop()));
    await cluster.stop();
    await stack.stop();
  }
}

async function attached(api: Api): Promise<number> {
  const { workers } = await api.get<{ workers: { connected_to: unknown[] }[] }>('/api/v2/workers');
  return workers.filter((worker) => worker.connected_to.length > 0).length;
}

async function throughput(
  cluster: Cluster,
  api: Api,
  protocol: StockProtocol,
  names: readonly string[],
  lines: number,
): Promise<Measured> {
  const engine = cluster.pids('engine')[0]!;
  const builders = names.filter((name) => name.startsWith(protocol)).map((name) => `lines-${name}`);
  const cpuBefore = cpuMs(engine);
  const startedAt = performance.now();
  const forced = await Promise.all(builders.map((builder) => api.force(builder)));
  for (const buildset of forced) while (!(await api.isComplete(buildset))) await delay(20);
  const tookMs = performance.now() - startedAt;
  const spentMs = cpuMs(engine) - cpuBefore;
  const total = lines * builders.length;
  const of = `stock logs over ${protocol}`;
  return {
    figures: [
      { name: `${of}: lines`, unit: '/s', better: 'more', value: (total / tookMs) * 1000 },
      {
        name: `${of}: lines per CPU second of the engine`,
        unit: '/s',
        better: 'more',
        value: (total / spentMs) * 1000,
      },
    ],
    notes: [
      `${of}: ${builders.length} workers, ${total} lines; the engine used ${Math.round((100 * spentMs) / tookMs)} % of a core`,
    ],
  };
}

async function stalled(stack: Stack, cluster: Cluster, api: Api, protocol: StockProtocol): Promise<Figure[]> {
  const engine = cluster.pids('engine')[0]!;
  const builder = `flood-${protocol}-0`;
  const buildset = await api.force(builder);
  const linesSoFar = async (): Promise<number> => {
    const { builds } = await api.get<{ builds: { buildid: number }[] }>('/api/v2/builds?complete=false');
    const { logs } = await api.get<{ logs: { num_lines: number }[] }>(
      `/api/v2/builds/${builds[0]!.buildid}/steps/1/logs`,
    );
    return logs[0]!.num_lines;
  };
  await eventually(async () => (await linesSoFar()) > 100_000, { timeoutMs: 30_000, what: 'a flood' });
  await delay(3000);
  const flowing = memoryBytes(engine);
  let most = flowing;
  const watch = setInterval(() => (most = Math.max(most, memoryBytes(engine))), 100);
  await stallDatabase(stack);
  clearInterval(watch);
  const before = await eventually(linesSoFar, { timeoutMs: 30_000, what: 'the database' });
  await eventually(async () => (await linesSoFar()) > before + 100_000, { timeoutMs: 30_000, what: 'the flood again' });
  const after = cluster.pids('engine')[0];
  if (after !== engine) throw new Error(`engine ${engine} ended while the database stood still`);
  const { builds } = await api.get<{ builds: { buildid: number }[] }>('/api/v2/builds?complete=false');
  for (const { buildid } of builds) await cluster.call(`/builds/${buildid}`, 'stop', { reason: 'enough' });
  await eventually(() => api.isComplete(buildset), { timeoutMs: 60_000, what: 'the end of the flood' });
  const of = `stock logs over ${protocol}`;
  return [
    { name: `${of}: memory of the engine in a flood`, unit: 'MB', better: 'less', value: flowing / 2 ** 20 },
    { name: `${of}: growth, database away 15 s`, unit: 'MB', better: 'less', value: (most - flowing) / 2 ** 20 },
  ];
}

/** Stalls all writes for a while: the server is stopped, or SQLite's lock is held. */
async function stallDatabase({ url, databasePid }: Stack): Promise<void> {
  if (databasePid !== null) {
    process.kill(databasePid, 'SIGSTOP');
    await delay(STALL_MS);
    process.kill(databasePid, 'SIGCONT');
    return;
  }
  const database = openDatabase(url, { connections: 1 });
  await database.transaction(async () => delay(STALL_MS));
  await database.close();
}
