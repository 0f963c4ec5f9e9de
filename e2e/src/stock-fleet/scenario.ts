import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Result, resultName } from '@millrace/domain';
import {
  Balancer,
  type Cluster,
  eventually,
  type Extra,
  type StockKind,
  stockKinds,
  StockWorker,
} from '@millrace/testing';
import { Random } from '../chaos/random.js';
import { memoryBytes, processesBelow, signal } from '../processes.js';
import { Api, type Build } from '../resources.js';
import { FIXTURES, type StackName, startStack } from '../stacks.js';

export interface FleetOptions {
  readonly stack: StackName;
  readonly workers: number;
  readonly seconds: number;
  readonly seed: number;
  readonly say: (text: string) => void;
}

export interface FleetReport {
  readonly kinds: readonly string[];
  readonly requests: number;
  readonly retried: number;
  readonly stops: number;
  readonly workersKilled: number;
  readonly workersStopped: number;
  readonly enginesKilled: number;
  /** Time from the end of the load until everything was idle. */
  readonly settledMs: number;
  /** Memory of each engine since it was last killed: once warm, and when everything was idle again. */
  readonly memory: readonly { readonly engine: string; readonly warmBytes: number; readonly endBytes: number }[];
  /** Errors; empty is good. */
  readonly violations: readonly string[];
}

const PASSWORD = 'of every worker';
/** Expected result of each builder's builds. Any build may also be stopped. */
const EXPECTED: Readonly<Record<string, Result>> = {
  quick: Result.SUCCESS,
  lines: Result.SUCCESS,
  files: Result.SUCCESS,
  steps: Result.SUCCESS,
  nap: Result.SUCCESS,
  failing: Result.FAILURE,
  silent: Result.FAILURE,
  stopped: Result.CANCELLED,
};
const LINES = 20_000;
const LOGS_READ = 25;
const REQUESTS_OPEN = 48;
const DISTURBANCE_EVERY_MS = 2000;
const ENGINE_KILLS_APART_MS = 30_000;
/** Part of the load, at its end, during which no engine is killed, so that their memory can be compared. */
const CALM_PART = 0.4;
const START_MS = 120_000;
const SETTLE_MS = 120_000;

interface Member {
  readonly name: string;
  readonly kind: StockKind;
  readonly folder: string;
  readonly worker: StockWorker;
  away: boolean;
}

/** Runs stock workers of all kinds on two engines under a load, while builds are stopped, and workers and engines killed. */
export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const stack = await startStack(options.stack);
  try {
    const cluster = await stack.start(join(FIXTURES, 'stock-fleet.config.ts'), {
      E2E_WORKERS: String(options.workers),
      MILLRACE_WORKER_PASSWORD: PASSWORD,
      MILLRACE_LOG_LEVEL: 'warn',
    });
    try {
      return await new Fleet(options, cluster, stack.folder).run();
    } finally {
      await cluster.stop();
    }
  } finally {
    await stack.stop();
  }
}

class Fleet {
  private readonly random: Random;
  private readonly api: Api;
  private readonly members: Member[] = [];
  private readonly requests = new Map<number, string>();
  private readonly open = new Set<number>();
  /** Build requests whose builds have been told to stop. */
  private readonly stopped = new Set<number>();
  private readonly told = new Set<number>();
  private readonly returning = new Set<Promise<void>>();
  private readonly counts = { stops: 0, workersKilled: 0, workersStopped: 0, enginesKilled: 0 };
  private second!: Extra;

  constructor(
    private readonly options: FleetOptions,
    private readonly cluster: Cluster,
    private readonly folder: string,
  ) {
    this.random = new Random(options.seed);
    this.api = new Api(cluster);
  }

  async run(): Promise<FleetReport> {
    const { cluster, options } = this;
    this.second = await cluster.add('engine', 'engine-2');
    const ports = [cluster.ports.workers, this.second.workerPort!];
    // Half of the workers prefer one engine, half the other.
    const balancers = [await Balancer.start(ports), await Balancer.start([...ports].reverse())];
    try {
      const kinds = stockKinds();
      for (let i = 0; i < options.workers; i++) this.join(i, kinds[i % kinds.length]!, balancers[(i >> 2) % 2]!.port);
      await this.all('attached', START_MS);
      options.say(`${options.workers} workers attached: ${kinds.map(({ name }) => name).join(', ')}`);
      const warm = await this.load();
      const startedAt = performance.now();
      const violations = await this.settle();
      const settledMs = Math.round(performance.now() - startedAt);
      const end = this.memory();
      violations.push(...(await this.judge()));
      const retried = (await Promise.all([...this.requests.keys()].map((id) => this.api.attempts(id)))).filter(
        (attempts) => attempts.length > 1,
      ).length;
      return {
        kinds: kinds.map(({ name }) => name),
        requests: this.requests.size,
        retried,
        ...this.counts,
        settledMs,
        memory: end.map(({ engine, bytes }, i) => ({ engine, warmBytes: warm[i]!.bytes, endBytes: bytes })),
        violations,
      };
    } finally {
      await Promise.all(this.members.map(({ worker }) => worker.stop()));
      for (const { folder } of this.members) for (const pid of processesBelow(folder)) signal(pid, 'SIGKILL');
      for (const balancer of balancers) await balancer.stop();
    }
  }

  private join(index: number, kind: StockKind, port: number): void {
    const name = `w${index}`;
    const folder = join(this.folder, name);
    const worker = StockWorker.start({ ...kind, name, port, password: PASSWORD, basedir: folder });
    this.members.push({ name, kind, folder, worker, away: false });
  }

  /**
   * Runs the load.
   * @returns the engines' memory at the beginning of the calm part
   */
  private async load(): Promise<{ engine: string; bytes: number }[]> {
    const endMs = performance.now() + this.options.seconds * 1000;
    const calmMs = endMs - this.options.seconds * 1000 * CALM_PART;
    let nextDisturbanceMs = performance.now();
    let nextKillMs = performance.now() + ENGINE_KILLS_APART_MS / 3;
    let warm: { engine: string; bytes: number }[] | null = null;
    while (performance.now() < endMs) {
      while (this.open.size < REQUESTS_OPEN) await this.request();
      await this.look();
      const now = performance.now();
      if (now >= nextDisturbanceMs) {
        nextDisturbanceMs = now + DISTURBANCE_EVERY_MS;
        await this.disturb();
      }
      if (now >= nextKillMs && now < calmMs) {
        nextKillMs = now + ENGINE_KILLS_APART_MS;
        this.killEngine();
      }
      // A quarter of the calm part is for warming up.
      if (warm === null && now >= calmMs + (endMs - calmMs) / 4) warm = this.memory();
      await delay(100);
    }
    return warm ?? this.memory();
  }

  private async request(): Promise<void> {
    const builder = this.random.pick(Object.keys(EXPECTED));
    const { requests } = await this.cluster.trigger({ scheduler: 'trigger', builders: [builder] });
    this.requests.set(requests[0]!.id, builder);
    this.open.add(requests[0]!.id);
  }

  /** Updates which requests are complete. Builds that are to be stopped are, once they exist. */
  private async look(): Promise<Build[]> {
    const { buildrequests } = await this.cluster.api<{ buildrequests: { buildrequestid: number }[] }>(
      '/buildrequests?complete=false&limit=200',
    );
    const open = new Set(buildrequests.map((one) => one.buildrequestid));
    for (const id of this.open) if (!open.has(id)) this.open.delete(id);
    const { builds } = await this.cluster.api<{ builds: Build[] }>('/builds?complete=false&limit=200');
    for (const build of builds) {
      if (this.requests.get(build.buildrequestid) === 'stopped') await this.stopBuild(build);
    }
    return builds;
  }

  private async stopBuild({ buildid, buildrequestid }: Build): Promise<void> {
    if (this.told.has(buildid)) return;
    this.stopped.add(buildrequestid);
    try {
      await this.cluster.call(`/builds/${buildid}`, 'stop', { reason: 'enough' });
      this.told.add(buildid);
      this.counts.stops++;
    } catch {
      // The build has ended meanwhile, or is told to stop the next time.
    }
  }

  private async disturb(): Promise<void> {
    const what = this.random.next();
    if (what < 0.4) {
      const builds = await this.look();
      if (builds.length > 0) await this.stopBuild(this.random.pick(builds));
      return;
    }
    const member = this.random.pick(this.members.filter(({ away }) => !away));
    const returning = this.sendAway(member, what < 0.7).finally(() => this.returning.delete(returning));
    this.returning.add(returning);
  }

  /** Ends a worker as on a machine that is shut down or restarted: the commands that it runs end with it. */
  private async sendAway(member: Member, killed: boolean): Promise<void> {
    member.away = true;
    this.counts[killed ? 'workersKilled' : 'workersStopped']++;
    member.worker.signal(killed ? 'SIGKILL' : 'SIGTERM');
    await member.worker.ended();
    for (const pid of processesBelow(member.folder)) signal(pid, 'SIGKILL');
    await delay(500 + 2000 * this.random.next());
    member.worker.restart();
    member.away = false;
  }

  private killEngine(): void {
    const pids = this.counts.enginesKilled++ % 2 === 0 ? this.cluster.pids('engine') : [this.second.process.pid ?? 0];
    for (const pid of pids) if (pid > 0) signal(pid, 'SIGKILL');
  }

  private memory(): { engine: string; bytes: number }[] {
    const pids = { 'engine-1': this.cluster.pids('engine')[0], 'engine-2': this.second.process.pid };
    return Object.entries(pids).map(([engine, pid]) => ({ engine, bytes: pid ? memoryBytes(pid) : 0 }));
  }

  private async all(what: string, timeoutMs: number): Promise<void> {
    await eventually(
      async () => {
        const { workers } = await this.cluster.api<{ workers: { name: string; connected_to: unknown[] }[] }>(
          '/workers',
        );
        const away = this.members.filter(
          ({ name }) => workers.find((one) => one.name === name)?.connected_to.length !== 1,
        );
        if (away.length > 0)
          throw new Error(`not attached: ${away.map(({ name, kind }) => `${name} (${kind.name})`).join(', ')}`);
      },
      { timeoutMs, intervalMs: 300, what: `every worker ${what}` },
    );
  }

  /**
   * Waits for everything to end.
   * @returns what did not
   */
  private async settle(): Promise<string[]> {
    const violations: string[] = [];
    const note = (error: unknown): void => void violations.push(`stuck: ${String(error)}`);
    await Promise.all(this.returning);
    const options = { timeoutMs: SETTLE_MS, intervalMs: 300 };
    await eventually(async () => (await this.look()).length === 0 && this.open.size === 0, {
      ...options,
      what: 'the end of every build and request',
    }).catch(note);
    for (const id of this.open) violations.push(`stuck: request ${id} of ${this.requests.get(id)}`);
    await this.all('attached again', SETTLE_MS).catch(note);
    await eventually(() => this.members.every(({ folder }) => processesBelow(folder).length === 0), {
      timeoutMs: 20_000,
      what: 'the end of every command',
    }).catch(note);
    return violations;
  }

  /** Checks that every worker builds again, and that all results were as expected. */
  private async judge(): Promise<string[]> {
    const violations: string[] = [];
    let logsRead = 0;
    for (const [id, builder] of this.requests) {
      const { complete, results } = await this.api.request(id);
      const isRight = results === EXPECTED[builder] || (results === Result.CANCELLED && this.stopped.has(id));
      if (!complete || !isRight) {
        const attempts = (await this.api.attempts(id)).map(({ state_string }) => state_string).join('; ');
        violations.push(`result: request ${id} of ${builder} ended with ${resultName(results as Result)}: ${attempts}`);
      }
      if (builder !== 'lines' || results !== Result.SUCCESS || logsRead >= LOGS_READ) continue;
      logsRead++;
      const lines = (await this.api.log((await this.api.attempts(id)).at(-1)!.buildid, 'lines')).filter((line) =>
        /^\d+$/.test(line),
      );
      if (lines.length !== LINES || lines.some((line, i) => line !== String(i + 1)))
        violations.push(`log: request ${id} has ${lines.length} lines, or not in order`);
    }
    return violations;
  }
}
