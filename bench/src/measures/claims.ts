import { fork } from 'node:child_process';
import { join } from 'node:path';
import { chunked, createBuildset, openDatabase, rowPlaceholders } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import type { Figure } from '../figures.js';
import { type Stack, type StackName, startStack } from '../systems/millrace.js';
import type { ClaimerSetup } from '../claimer.js';
import type { BacklogSize } from './backlog.js';

const CLAIMERS = 5;

export interface ClaimsOptions {
  readonly processes: number;
  /** Whether each builder has a lock. */
  readonly hasLocks: boolean;
  readonly size: BacklogSize;
}

/** As many engines as a cluster has, with locks. */
export const THREE_WITH_LOCKS: Omit<ClaimsOptions, 'size'> = { processes: 3, hasLocks: true };

/**
 * Measures how fast five claimers in each of some processes empty a queue.
 * @throws OperationalError when a request was claimed twice or left behind
 */
export async function claimsPerSecond(
  name: StackName,
  { processes = 4, hasLocks = false, size }: Partial<ClaimsOptions> & Pick<ClaimsOptions, 'size'>,
): Promise<Figure> {
  const stack = await startStack(name);
  try {
    await fillQueue(stack, size);
    const children = Array.from({ length: processes }, (_, index) => {
      const setup: ClaimerSetup = { url: stack.url, name: `claimer-${index}`, claimers: CLAIMERS, hasLocks };
      return fork(join(import.meta.dirname, '../claimer.js'), [JSON.stringify(setup)]);
    });
    const said = (what: string): Promise<unknown[]> =>
      Promise.all(
        children.map(
          (child) =>
            new Promise((resolve, reject) => {
              child.on('message', (message: { kind: string; claimed?: number[] }) => {
                if (message.kind === what) resolve(message.claimed);
              });
              child.once('exit', (code) => reject(new OperationalError('claimer', `a claimer ended with ${code}`)));
            }),
        ),
      );
    const [ready, done] = [said('ready'), said('done')];
    done.catch(() => undefined);
    await ready;
    const startedAt = performance.now();
    for (const child of children) child.send('go');
    const claimed = ((await done) as number[][]).flat();
    const seconds = (performance.now() - startedAt) / 1000;
    for (const child of children) if (child.connected) child.disconnect();
    await check(stack, size.pending, claimed);
    return {
      name: `claims, ${processes * CLAIMERS} claimers in ${processes} processes${hasLocks ? ', with locks' : ''}`,
      unit: '/s',
      better: 'more',
      value: size.pending / seconds,
    };
  } finally {
    await stack.stop();
  }
}

async function fillQueue(stack: Stack, size: BacklogSize): Promise<void> {
  const db = openDatabase(stack.url);
  const builders = Array.from({ length: size.builders }, (_, i) => i + 1);
  for (const ids of chunked(builders, 500)) {
    await db.run(
      `INSERT INTO builders (id, name, tags, next_number) VALUES ${rowPlaceholders(ids.length, 4)}`,
      ids.flatMap((id) => [id, `builder-${id}`, '[]', 1]),
    );
    await db.run(
      `INSERT INTO locks (id, name, kind, definition) VALUES ${rowPlaceholders(ids.length, 4)}`,
      ids.flatMap((id) => [id, `builder-${id}`, 'lock', '{}']),
    );
  }
  const wanted = Array.from({ length: size.pending }, (_, i) => builders[i % size.builders]!);
  for (const [i, builderIds] of chunked(wanted, 1000).entries()) {
    await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'bench',
        cause: `claims:${i}`,
        reason: 'bench',
        sourceStamps: [{ branch: null, revision: null, repository: '', project: '', codebase: '' }],
        properties: {},
        builderIds,
      }),
    );
  }
  await db.close();
}

async function check(stack: Stack, requests: number, claimed: readonly number[]): Promise<void> {
  const db = openDatabase(stack.url);
  const rows = await db.get<{ builds: number; claims: number; requests: number; queued: number }>(
    `SELECT (SELECT COUNT(*) FROM builds) AS builds, (SELECT COUNT(*) FROM claims) AS claims,
       (SELECT COUNT(DISTINCT request_id) FROM builds) AS requests, (SELECT COUNT(*) FROM queue) AS queued`,
  );
  await db.close();
  const distinct = new Set(claimed).size;
  const isRight =
    claimed.length === requests &&
    distinct === requests &&
    rows!.builds === requests &&
    rows!.claims === requests &&
    rows!.requests === requests &&
    rows!.queued === 0;
  if (isRight) return;
  throw new OperationalError('claims', `${claimed.length} claims of ${distinct} requests: ${JSON.stringify(rows)}`, {});
}
