import { join } from 'node:path';
import { type Database, openDatabase } from '@millrace/database';
import type { Cluster } from '@millrace/testing';
import { BenchRepository } from '../repository.js';
import { type Stack, startCluster } from './millrace.js';

const CONFIG = join(import.meta.dirname, '../../../bench/configuration/hooks.config.ts');
export const HOOK_SECRET = 'the secret of the bench';

/** A cluster that takes in changes: a hook, a repository to which much is pushed, and one beside it. */
export interface IntakeSystem {
  readonly cluster: Cluster;
  readonly database: Database;
  readonly busy: BenchRepository;
  readonly neighbour: BenchRepository;
  stop(): Promise<void>;
}

export async function startIntake(stack: Stack): Promise<IntakeSystem> {
  const [busy, neighbour] = ['busy', 'neighbour'].map((name) => new BenchRepository(join(stack.folder, name)));
  const cluster = await startCluster(stack, CONFIG, {
    BENCH_HOOK_SECRET: HOOK_SECRET,
    BENCH_BUSY: busy!.folder,
    BENCH_NEIGHBOUR: neighbour!.folder,
  });
  const database = openDatabase(stack.url, { connections: 2 });
  return {
    ...{ cluster, database, busy: busy!, neighbour: neighbour! },
    async stop() {
      await database.close();
      await cluster.stop();
    },
  };
}
