import { eventually } from '@millrace/testing';
import type { Figure } from '../figures.js';
import { latencies } from '../stats.js';
import type { BenchRepository } from '../repository.js';
import type { IntakeSystem } from '../systems/intake.js';

const COMMITS = 2000;
const ROUNDS = 8;

/** Measures how long a commit waits until it is a change, while nothing else happens and while a large push to another repository is taken in. */
export async function pushIntake(system: IntakeSystem): Promise<Figure[]> {
  const { busy, neighbour } = system;
  const taken = async (repository: BenchRepository, revision: string): Promise<number> => {
    const startedAt = performance.now();
    await eventually(async () => isChange(system, repository, revision), {
      timeoutMs: 120_000,
      intervalMs: 10,
      what: `${revision} to be a change`,
    });
    return performance.now() - startedAt;
  };
  // The first sight of a repository makes no changes.
  await eventually(async () => (await states(system)) >= 2, { timeoutMs: 60_000, what: 'the first polls' });
  const quiet: number[] = [];
  const loud: number[] = [];
  const pushes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push(await taken(neighbour, neighbour.push(1)));
    const last = busy.push(COMMITS);
    const pushed = taken(busy, last);
    loud.push(await taken(neighbour, neighbour.push(1)));
    pushes.push(await pushed);
  }
  const less = (name: string, value: number): Figure => ({ name, unit: 'ms', better: 'less', value });
  return [
    less('commit → change p50, quiet', latencies(quiet).p50Ms),
    less('commit → change p50, beside a push of 2,000', latencies(loud).p50Ms),
    less('commit → change most, quiet', latencies(quiet).maxMs),
    less('commit → change most, beside a push of 2,000', latencies(loud).maxMs),
    less('push of 2,000 → changes p50', latencies(pushes).p50Ms),
  ];
}

async function isChange({ database }: IntakeSystem, { folder }: BenchRepository, revision: string): Promise<boolean> {
  const row = await database.get(`SELECT id FROM changes WHERE repository = ? AND revision = ? LIMIT 1`, [
    folder,
    revision,
  ]);
  return row !== undefined;
}

async function states({ database }: IntakeSystem): Promise<number> {
  const row = await database.get<{ n: number }>(`SELECT COUNT(*) AS n FROM change_sources WHERE state = 'ok'`);
  return row!.n;
}
