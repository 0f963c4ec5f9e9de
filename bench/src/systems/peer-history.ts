import { deflateSync } from 'node:zlib';
import type { Database } from '@millrace/database';
import { linesOfChunk, LONG_LOG } from './long-log.js';

/** Rows of Buildbot's database, as it makes them: it keeps integer seconds, and properties a row each. */
const BATCH = 10_000;
const BUILDS_PER_CHANGE = 4;
const BUILD_EVERY_SECONDS = 30;
const PROPERTIES = [
  ['branch', '"main"', 'Build'],
  ['revision', '"4f1c9d7be2a04a5db5ef1f1e1d9a4f8f8a1c7e55"', 'Build'],
  ['repository', '"https://git.example.org/project.git"', 'Build'],
  ['scheduler', '"commits"', 'Scheduler'],
  ['workername', '"w0"', 'Worker'],
] as const;

/** zlib, in Buildbot's table of log chunks. */
const COMPRESSED = 1;

/**
 * Fills the SQLite database of a running Buildbot, whose builders have the ids 1 to `builders`, with the history that `writeHistory` gives
 * Millrace: the same builds, requests, buildsets, changes, steps and logs.
 */
export async function writePeerHistory(db: Database, builds: number, builders: number): Promise<void> {
  const first = Math.floor(Date.now() / 1000) - (builds + 10) * BUILD_EVERY_SECONDS;
  for (let from = 1; from <= builds; from += BATCH) {
    const to = Math.min(from + BATCH - 1, builds);
    // Buildbot writes meanwhile, too: no transaction is long.
    await db.transaction(async (tx) => {
      for (const statement of batchStatements({ from, to, builders, first })) await tx.run(statement);
    });
  }
}

function batchStatements(batch: { from: number; to: number; builders: number; first: number }): string[] {
  const { from, to, builders, first } = batch;
  const numbers = (a: number, b: number): string =>
    `WITH RECURSIVE n(i) AS (SELECT ${a} WHERE ${a} <= ${b} UNION ALL SELECT i + 1 FROM n WHERE i < ${b})`;
  const each = numbers(from, to);
  const eachChange = numbers(Math.ceil((from - 1) / BUILDS_PER_CHANGE) + 1, Math.ceil(to / BUILDS_PER_CHANGE));
  const start = `${first} + i * ${BUILD_EVERY_SECONDS}`;
  const end = `${start} + 20`;
  const results = `CASE WHEN i % 7 = 0 THEN 2 ELSE 0 END`;
  const change = `(i + ${BUILDS_PER_CHANGE - 1}) / ${BUILDS_PER_CHANGE}`;
  const place = `'https://git.example.org/project.git', '', 'history'`;
  const properties = PROPERTIES.map(
    ([name, value, source]) => `SELECT '${name}' AS name, '${value}' AS value, '${source}' AS source`,
  );
  return [
    `${eachChange} INSERT INTO sourcestamps (id, ss_hash, branch, revision, repository, codebase, project, created_at)
     SELECT i, 'history-' || i, 'main', printf('%012x', i), ${place}, ${start} FROM n`,
    `${eachChange} INSERT INTO changes (changeid, author, comments, branch, revision, revlink, when_timestamp, repository, codebase, project, sourcestampid)
     SELECT i, 'someone <someone@example.org>', 'Change of the history', 'main', printf('%012x', i), '', ${start}, ${place}, i FROM n`,
    `${eachChange} INSERT INTO change_files (changeid, filename) SELECT i, 'source.c' FROM n`,
    `${each} INSERT INTO buildsets (id, reason, submitted_at, complete, complete_at, results)
     SELECT i, 'scheduler', ${start}, 1, ${end}, ${results} FROM n`,
    `${each} INSERT INTO buildset_properties (buildsetid, property_name, property_value)
     SELECT i, p.name, '[' || p.value || ', "' || p.source || '"]' FROM n, (${properties.join(' UNION ALL ')}) p`,
    `${each} INSERT INTO buildset_sourcestamps (buildsetid, sourcestampid) SELECT i, ${change} FROM n`,
    `${each} INSERT INTO buildrequests (id, buildsetid, builderid, priority, complete, results, submitted_at, complete_at, waited_for)
     SELECT i, i, 1 + i % ${builders}, 0, 1, ${results}, ${start}, ${end}, 0 FROM n`,
    `${each} INSERT INTO buildrequest_claims (brid, masterid, claimed_at) SELECT i, 1, ${start} FROM n`,
    `${each} INSERT INTO builds (id, number, builderid, buildrequestid, workerid, masterid, started_at, complete_at, locks_duration_s,
       state_string, results)
     SELECT i, 1 + (i - 1) / ${builders}, 1 + i % ${builders}, i, 1, 1, ${start}, ${end}, 0, 'build successful', ${results} FROM n`,
    `${each} INSERT INTO build_properties (buildid, name, value, source)
     SELECT i, p.name, p.value, p.source FROM n, (${properties.join(' UNION ALL ')}) p`,
    `${each} INSERT INTO steps (id, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, urls_json, hidden)
     SELECT i, 0, 'make', i, ${start}, ${start}, ${end}, 'finished', ${results}, '[]', 0 FROM n`,
    `${each} INSERT INTO logs (id, name, slug, stepid, complete, num_lines, type) SELECT i, 'stdio', 'stdio', i, 1, 1, 's' FROM n`,
    `${each} INSERT INTO logchunks (logid, first_line, last_line, content, compressed) SELECT i, 0, 0, CAST('oa line of the past' AS BLOB), 0 FROM n`,
  ];
}

/** Makes the log `LONG_LOG` of the history as long as that. */
export async function writePeerLongLog(db: Database): Promise<void> {
  const { id, chunks, linesOfChunk: lines } = LONG_LOG;
  await db.transaction(async (tx) => {
    await tx.run(`DELETE FROM logchunks WHERE logid = ${id}`);
    await tx.run(
      `INSERT INTO logchunks (logid, first_line, last_line, content, compressed) VALUES (${id}, 0, ${lines - 1}, ?, ${COMPRESSED})`,
      // Buildbot keeps no end of line behind the last line of a chunk.
      [deflateSync(linesOfChunk().slice(0, -1), { level: 1 })],
    );
    for (let count = 1; count < chunks; count *= 2) {
      await tx.run(
        `INSERT INTO logchunks (logid, first_line, last_line, content, compressed)
         SELECT logid, first_line + ${count * lines}, last_line + ${count * lines}, content, compressed FROM logchunks WHERE logid = ${id}`,
      );
    }
    await tx.run(`UPDATE logs SET num_lines = ${chunks * lines} WHERE id = ${id}`);
  });
}
