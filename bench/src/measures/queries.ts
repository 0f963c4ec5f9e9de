import { join } from 'node:path';
import { examineQueries, exercise, writeHistory } from '@millrace/testing';
import { type StackName, startMillrace, startStack } from '../systems/millrace.js';
import type { Workload } from '../systems/system.js';
import { NAMES } from './history-reads.js';

/**
 * Examines every statement of a run with this much history.
 * @returns what is wrong with which statements, or that nothing is
 */
export async function queries(name: StackName, builds: number, workload: Workload): Promise<string> {
  const stack = await startStack(name);
  try {
    await writeHistory(stack.url, { ...NAMES, builds });
    const trace = join(stack.folder, 'trace.jsonl');
    const millrace = await startMillrace(stack, workload, {
      env: { MILLRACE_TRACE_SQL: trace, MILLRACE_POLL_MS: '200' },
    });
    await exercise(millrace.cluster, { trivialBuilder: 'b0', slowBuilder: 'slow', forceScheduler: 'force' });
    await millrace.stop();
    const { statements, findings } = await examineQueries(stack.url, trace);
    const list = findings.map((finding) => `\n    ${finding.problem}: ${finding.sql}`).join('');
    return `queries: ${statements} distinct statements on ${builds} builds of history, ${findings.length} read too much${list}`;
  } finally {
    await stack.stop();
  }
}
