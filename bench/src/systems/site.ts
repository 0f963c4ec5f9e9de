import { join } from 'node:path';
import { ApiTokenStore, type Database, openDatabase, UserStore } from '@millrace/database';
import { type Cluster, writeHistory } from '@millrace/testing';
import { Api } from '../api.js';
import { type StackName, startCluster, startStack } from './millrace.js';

const CONFIG = join(import.meta.dirname, '../../configuration/crowd.config.ts');
/** Two thirds of them are visible: more than are read one by one. */
const BUILDERS = 90;

/** A site with a history, of which not everything is visible, and somebody who has signed in. */
export interface Site {
  readonly cluster: Cluster;
  readonly db: Database;
  readonly api: Api;
  stop(): Promise<void>;
}

export async function startSite(name: StackName, builds: number): Promise<Site> {
  const stack = await startStack(name);
  const builders = Array.from({ length: BUILDERS }, (_, i) => `b${i}`);
  await writeHistory(stack.url, { builds, builders, workers: ['w0'] });
  const db = openDatabase(stack.url, { connections: 1 });
  const cluster = await startCluster(stack, CONFIG, { BENCH_BUILDERS: String(BUILDERS) });
  const api = new Api(cluster.url, await tokenOf(db));
  return {
    cluster,
    db,
    api,
    async stop() {
      api.close();
      await db.close();
      await cluster.stop();
      await stack.stop();
    },
  };
}

async function tokenOf(db: Database): Promise<string> {
  const username = 'reader';
  await new UserStore(db).add({ username, fullName: null, email: null, password: 'long enough', groups: [] });
  return new ApiTokenStore(db).create({ username, purpose: 'bench', scopes: ['view', 'force'], lifeMs: null });
}

/** Returns how many rows the server has read until now for everybody; null where it does not count them. */
export async function rowsRead(db: Database): Promise<number | null> {
  if (db.dialect.name === 'sqlite') return null;
  const rows = await db.all<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Handler_read%'`);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}
