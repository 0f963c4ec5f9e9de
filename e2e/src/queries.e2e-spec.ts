import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, eventually, examineQueries, exercise, writeHistory } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

const HISTORY = {
  builds: 10_000,
  builders: ['check', 'true', 'parade', 'slow'],
  workers: ['local', 'absent'],
};
/** The bus makes no difference to the statements, so one MariaDB stack is enough. */
const STACKS = availableStacks().filter((name) => name !== 'MariaDB + NATS');

describe.each(STACKS)('every query of an end-to-end run on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let trace: string;
  let url: string;

  beforeAll(async () => {
    stack = await startStack(name);
    trace = join(stack.folder, 'trace.jsonl');
    url = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    await writeHistory(url, HISTORY);
    const repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    cluster = await stack.start(join(FIXTURES, 'first-light.config.ts'), {
      E2E_REPOSITORY: repository.url,
      MILLRACE_TRACE_SQL: trace,
      MILLRACE_POLL_MS: '200',
    });
  }, 180_000);
  afterAll(async () => {
    await cluster.stop();
    await stack.stop();
  });

  it('reads no more of a history of 10,000 builds than it returns', async () => {
    await exercise(cluster, { trivialBuilder: 'true', slowBuilder: 'slow', forceScheduler: 'force' });
    // Statements of the comparison that replaces lost hints, of the engine's polls and of the poller's commit.
    const sent = [
      'complete_at_ms > ?',
      'NOT (m.epoch = c.master_epoch',
      'INSERT INTO changes',
      'INSERT INTO log_chunks',
    ];
    await eventually(() => sent.every((part) => readFileSync(trace, 'utf8').includes(part)), {
      timeoutMs: 30_000,
      what: 'the statements of all roles',
    });
    const examination = await examineQueries(url, trace);
    expect(examination.findings).toEqual([]);
    expect(examination.statements).toBeGreaterThan(120);
  }, 180_000);

  it('would notice a scan, a sort and an update of history', async () => {
    const bad = [
      `SELECT id FROM builds WHERE state_string = 'never'`,
      `SELECT id FROM builds WHERE builder_id = 2 ORDER BY state_string LIMIT 1`,
      `SELECT COUNT(*) FROM steps WHERE hidden = 1`,
      `UPDATE logs SET complete = 1 WHERE name = 'never'`,
    ];
    const file = join(stack.folder, 'bad.jsonl');
    writeFileSync(file, bad.map((sql) => JSON.stringify({ sql, params: [] })).join('\n'));
    const { findings } = await examineQueries(url, file);
    expect(findings.map((finding) => finding.sql)).toEqual(bad);
  });
});
