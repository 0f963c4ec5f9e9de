import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type Cluster, type ClusterProcess, eventually } from '@millrace/testing';
import { memoryBytes } from '../processes.js';

const ROOT = join(import.meta.dirname, '../../..');
const MASTERS = ['scheduler', 'engine', 'ui'] as const;
const PROCESSES: readonly ClusterProcess[] = ['router', ...MASTERS, 'runner', 'worker'];

/** Most memory beyond what a process had before. The test waits, because a grown heap returns its pages late. */
const MEMORY_BYTES = 50 << 20;
const MEMORY_WITHIN_MS = 60_000;
/** How much slower pages may be during an attack. Very quick answers cannot be judged by a ratio on a shared machine. */
const SLOWER = 2;
const QUICK_MS = 40;
const TRIES = 3;

export interface Quiet {
  readonly requests: number;
  readonly failures: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs `bystander.ts`, which reads pages meanwhile. It is a process, so that the load on the test's own loop is not measured. */
export class Bystander {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: Interface,
  ) {}

  static start(cluster: Cluster): Bystander {
    const script = join(ROOT, 'e2e/dist/security/bystander.js');
    const child = spawn(process.execPath, [script, `${cluster.url}/api/v2/builders?limit=20`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return new Bystander(child, createInterface({ input: child.stdout }));
  }

  /** Returns statistics of its requests since the last report, once there are enough. */
  async report(requests = 0): Promise<Quiet> {
    const line = once(this.lines, 'line') as Promise<[string]>;
    this.child.stdin!.write(`${requests}\n`);
    return JSON.parse((await line)[0]) as Quiet;
  }

  stop(): void {
    this.child.kill();
  }
}

/** The running processes and their start times, which an attack must not change. */
interface Standing {
  readonly pids: Readonly<Record<string, readonly number[]>>;
  readonly epochs: Readonly<Record<string, number>>;
}

async function standing(cluster: Cluster): Promise<Standing> {
  const epochs: Record<string, number> = {};
  for (const role of MASTERS) {
    const response = await fetch(`http://127.0.0.1:${cluster.ports[role]}/readyz`);
    epochs[role] = ((await response.json()) as { epoch: number }).epoch;
  }
  return { pids: Object.fromEntries(PROCESSES.map((name) => [name, cluster.pids(name)])), epochs };
}

/**
 * Runs an attack against a cluster and checks what must hold for every attack: the same processes in the same lives, their memory within 50
 * MB, and pages for others at most twice as slow.
 */
export async function withstands(
  cluster: Cluster,
  bystander: Bystander,
  attack: () => Promise<unknown>,
): Promise<void> {
  const before = await standing(cluster);
  const pids = Object.values(before.pids).flat();
  const memory = new Map(pids.map((pid) => [pid, memoryBytes(pid)]));
  for (let tries = 1; ; tries++) {
    await bystander.report();
    const quiet = await bystander.report(150);
    await attack();
    const attacked = await bystander.report(50);
    expect(attacked.failures).toEqual([]);
    const isNoticed = attacked.p99Ms >= Math.max(SLOWER * quiet.p99Ms, QUICK_MS);
    // An attack that slows others down does so every time; other load on the machine does not.
    if (isNoticed && tries < TRIES) continue;
    expect({ isNoticed, quiet, attacked }).toMatchObject({ isNoticed: false });
    break;
  }
  expect(await standing(cluster)).toEqual(before);
  await eventually(() => pids.every((pid) => memoryBytes(pid) < memory.get(pid)! + MEMORY_BYTES), {
    timeoutMs: MEMORY_WITHIN_MS,
    what: 'memory as before the attack',
  });
}
