import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { ApiTokenStore, type Database, openDatabase, UserStore } from '@millrace/database';
import { writeHistory } from '@millrace/testing';
import { Api } from '../api.js';
import { linesOfChunk, LONG_LOG } from './long-log.js';
import { type StackName, startCluster, startStack } from './millrace.js';

const CONFIG = join(import.meta.dirname, '../../configuration/crowd.config.ts');
/** Two thirds of them are visible in Millrace: more than are read one by one. */
export const BUILDERS = 90;

/** A site with a history that people read. */
export interface Site {
  /** Where its API and its streams are. */
  readonly url: string;
  readonly api: Api;
  /** The process that answers. */
  readonly pid: number;
  /** Returns how many rows the database has read until now for everybody; null where that is not counted. */
  rowsRead(): Promise<number | null>;
  /** Makes the log `LONG_LOG` of the history as long as that. */
  writeLongLog(): Promise<void>;
  stop(): Promise<void>;
}

/** A system that people read. */
export interface SiteSystem {
  readonly name: string;
  /** The longest history that it gets. */
  readonly most: number;
  start(builds: number): Promise<Site>;
}

/** Starts Millrace with a history, of which not everything is visible, for somebody who has signed in. */
export async function startSite(name: StackName, builds: number): Promise<Site> {
  const stack = await startStack(name);
  const builders = Array.from({ length: BUILDERS }, (_, i) => `b${i}`);
  await writeHistory(stack.url, { builds, builders, workers: ['w0'] });
  const db = openDatabase(stack.url, { connections: 1 });
  const cluster = await startCluster(stack, CONFIG, { BENCH_BUILDERS: String(BUILDERS) });
  const api = new Api(cluster.url, { token: await tokenOf(db) });
  return {
    url: cluster.url,
    api,
    pid: cluster.pids('ui')[0]!,
    rowsRead: () => rowsRead(db),
    writeLongLog: () => writeLongLog(db),
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

async function rowsRead(db: Database): Promise<number | null> {
  if (db.dialect.name === 'sqlite') return null;
  const rows = await db.all<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Handler_read%'`);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

async function writeLongLog(db: Database): Promise<void> {
  const { id, chunks, linesOfChunk: lines } = LONG_LOG;
  await db.transaction(async (tx) => {
    await tx.run(`DELETE FROM log_chunks WHERE log_id = ${id}`);
    await tx.run(
      `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content) VALUES (${id}, 0, ${lines}, 'deflate', ?)`,
      [deflateRawSync(linesOfChunk(), { level: 1 })],
    );
    for (let count = 1; count < chunks; count *= 2) {
      await tx.run(
        `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content)
         SELECT log_id, first_line + ${count * lines}, num_lines, codec, content FROM log_chunks WHERE log_id = ${id}`,
      );
    }
    await tx.run(`UPDATE logs SET num_lines = ${chunks * lines} WHERE id = ${id}`);
  });
}
