import { type Database, migrate, openDatabase } from '@millrace/database';

export interface HistoryShape {
  readonly builds: number;
  /** Names of builders to make. A configuration with the same names takes them over. */
  readonly builders: readonly string[];
  readonly workers: readonly string[];
}

const BATCH = 20_000;
const BUILDS_PER_CHANGE = 4;
const BUILD_EVERY_MS = 30_000;
const PROPERTIES = JSON.stringify({
  branch: ['main', 'Build'],
  revision: ['4f1c9d7be2a04a5db5ef1f1e1d9a4f8f8a1c7e55', 'Build'],
  repository: ['https://git.example.org/project.git', 'Build'],
  scheduler: ['commits', 'Scheduler'],
  workername: ['w0', 'Worker'],
});

/**
 * Migrates an empty database and fills it with finished builds and the rows that belong to them: change, source stamp, buildset, request,
 * one step, a command, a log and its chunk. The rows are made inside the database, so a million builds take minutes, not hours.
 */
export async function writeHistory(url: string, shape: HistoryShape): Promise<void> {
  await migrate(url);
  const db = openDatabase(url, { connections: 1 });
  try {
    await write(db, shape);
  } finally {
    await db.close();
  }
}

async function write(db: Database, shape: HistoryShape): Promise<void> {
  const builders = shape.builders.length;
  for (const [i, name] of shape.builders.entries()) {
    await db.run(`INSERT INTO builders (id, name, tags, next_number) VALUES (?, ?, '[]', 1)`, [i + 1, name]);
  }
  for (const [i, name] of shape.workers.entries()) {
    await db.run(
      `INSERT INTO workers (id, name, info, max_builds, paused, graceful, session_epoch) VALUES (?, ?, '{}', 1, 0, 0, 0)`,
      [i + 1, name],
    );
  }
  await db.run(
    `INSERT INTO schedulers (id, name, kind, enabled, cursor_seq) VALUES (1, 'commits', 'any-branch', 1, 0)`,
  );
  const firstMs = Date.now() - (shape.builds + 10) * BUILD_EVERY_MS;
  for (let from = 0; from < shape.builds; from += BATCH) {
    const count = Math.min(BATCH, shape.builds - from);
    await db.transaction(async (tx) => {
      for (const statement of batchStatements(db, { from, count, builders, workers: shape.workers.length, firstMs })) {
        await tx.run(statement);
      }
    });
  }
  await db.run(
    `UPDATE builders SET next_number = (SELECT COALESCE(MAX(number), 0) + 1 FROM builds WHERE builder_id = builders.id),
       latest_build_id = (SELECT MAX(id) FROM builds WHERE builder_id = builders.id), latest_results = 0,
       latest_green_build_id = (SELECT MAX(id) FROM builds WHERE builder_id = builders.id)`,
  );
  const { seq } = (await db.get<{ seq: number | null }>(`SELECT MAX(seq) AS seq FROM changes`))!;
  await db.run(`UPDATE counters SET value = ? WHERE name = 'change-seq'`, [seq ?? 0]);
  await db.run(`UPDATE schedulers SET cursor_seq = ?`, [seq ?? 0]);
  await db.run(`UPDATE counters SET value = ? WHERE name = 'buildset-seq'`, [shape.builds]);
  if (db.dialect.name === 'mysql') {
    await db.all(`ANALYZE TABLE builds, build_requests, buildsets, steps, logs, log_chunks, changes, buildset_changes`);
  }
}

interface Batch {
  readonly from: number;
  readonly count: number;
  readonly builders: number;
  readonly workers: number;
  readonly firstMs: number;
}

function batchStatements(db: Database, { from, count, builders, workers, firstMs }: Batch): string[] {
  const sqlite = db.dialect.name === 'sqlite';
  const hex12 = (value: string): string => (sqlite ? `printf('%012x', ${value})` : `LPAD(HEX(${value}), 12, '0')`);
  const whole = (value: string): string => (sqlite ? `CAST(${value} AS INTEGER)` : `FLOOR(${value})`);
  const uuid = (kind: number, at: string): string =>
    `UNHEX(CONCAT(${hex12(at)}, '7${String(kind).padStart(3, '0')}8000', ${hex12('i')}))`;
  const start = `${firstMs} + i * ${BUILD_EVERY_MS}`;
  const end = `${start} + 20000`;
  const results = `CASE WHEN i % 7 = 0 THEN 2 ELSE 0 END`;
  const builder = `1 + i % ${builders}`;
  const properties = `'${PROPERTIES}'`;
  // Not a recursive query, because its depth is limited by a setting of the server.
  const digits = (count: number): string =>
    `(${Array.from({ length: count }, (_, d) => `SELECT ${d} AS d`).join(' UNION ALL ')})`;
  const numbers = (first: number, rows: number): string =>
    `FROM (SELECT ${first} + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d AS i FROM ${digits(10)} a, ${digits(10)} b,
       ${digits(10)} c, ${digits(10)} d, ${digits(BATCH / 10_000)} e) n WHERE i < ${first + rows}`;
  const each = numbers(from + 1, count);
  const firstChange = Math.ceil((from + 1) / BUILDS_PER_CHANGE);
  const changes = Math.ceil((from + count) / BUILDS_PER_CHANGE) - firstChange + 1;
  const eachChange = `${numbers(firstChange, changes)} AND NOT EXISTS (SELECT 1 FROM source_stamps WHERE id = i)`;
  const change = whole(`(i + ${BUILDS_PER_CHANGE - 1}) / ${BUILDS_PER_CHANGE}`);
  return [
    `INSERT INTO changes (id, seq, dedup_hash, author, comments, branch, revision, revlink, repository, project, codebase, when_ms,
       received_at_ms, files, properties, source_stamp_id)
     SELECT i, i, CONCAT('history-', i), 'someone <someone@example.org>', 'Change of the history', 'main', ${hex12('i')}, '',
       'https://git.example.org/project.git', 'history', '', ${start}, ${start}, '["source.c"]', '{}', i ${eachChange}`,
    `INSERT INTO scheduler_changes (scheduler_id, change_id, decision, important, decided_at_ms)
     SELECT 1, i, 'built', 1, ${start} ${eachChange}`,
    `INSERT INTO source_stamps (id, hash, branch, revision, repository, project, codebase, created_at_ms)
     SELECT i, CONCAT('history-', i), 'main', ${hex12('i')}, 'https://git.example.org/project.git', 'history', '', ${start} ${eachChange}`,
    `INSERT INTO buildsets (id, uuid, scheduler_id, scheduler_name, cause, reason, submitted_at_ms, complete_at_ms, results, properties, requests_left, seq)
     SELECT i, ${uuid(1, start)}, 1, 'commits', CONCAT('history:', i), 'scheduler', ${start}, ${end}, ${results}, ${properties}, 0, i ${each}`,
    `INSERT INTO buildset_source_stamps (buildset_id, source_stamp_id) SELECT i, ${change} ${each}`,
    `INSERT INTO buildset_changes (buildset_id, change_id) SELECT i, ${change} ${each}`,
    `INSERT INTO build_requests (id, uuid, buildset_id, builder_id, priority, waited_for, submitted_at_ms, claimed_at_ms, claimed_by_master_id,
       complete_at_ms, results, attempts, deaths)
     SELECT i, ${uuid(2, start)}, i, ${builder}, 0, 0, ${start}, ${start}, 1, ${end}, ${results}, 1, 0 ${each}`,
    `INSERT INTO builds (id, uuid, number, builder_id, request_id, buildset_id, attempt, worker_id, master_id, started_at_ms, complete_at_ms,
       results, state_string, locks_ms, properties)
     SELECT i, ${uuid(3, start)}, 1 + ${whole(`(i - 1) / ${builders}`)}, ${builder}, i, i, 1, 1 + i % ${workers}, 1, ${start}, ${end},
       ${results}, 'build successful', 0, ${properties} ${each}`,
    `INSERT INTO steps (id, build_id, number, name, started_at_ms, complete_at_ms, results, state_string, urls, hidden)
     SELECT i, i, 0, 'make', ${start}, ${end}, ${results}, 'finished', '[]', 0 ${each}`,
    `INSERT INTO commands (build_id, step_number, ordinal, name, uuid, args_hash, sent_at_ms, outcome)
     SELECT i, 0, 0, 'shell', ${uuid(4, start)}, '', ${start}, '{}' ${each}`,
    `INSERT INTO logs (id, build_id, step_id, name, slug, type, num_lines, complete) SELECT i, i, i, 'stdio', 'stdio', 's', 1, 1 ${each}`,
    `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content) SELECT i, 0, 1, 'raw', 'oa line of the past\n' ${each}`,
  ];
}
