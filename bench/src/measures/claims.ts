import { fork } from 'node:child_process';
import { join } from 'node:path';
import { chunked, createBuildset, openDatabase, rowPlaceholders } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import type { Figure } from '../figures.js';
import { type Stack, type StackName, startStack } from '../systems/millrace.js';
import type { ClaimerSetup } from '../claimer.js';

const REQUESTS = 25_000;
const BUILDERS = 4000;
const PROCESSES = 4;
const CLAIMERS = 5;

/**
 * Measures how fast twenty claimers in four processes empty a queue.
 * @throws OperationalError when a request was claimed twice or left behind
 */
export async function claimsPerSecond(name: StackName): Promise<Figure> {
  const stack = await startStack(name);
  try {
    await fillQueue(stack);
    const children = Array.from({ length: PROCESSES }, (_, index) => {
      const setup: ClaimerSetup = { url: stack.url, name: `claimer-${index}`, claimers: CLAIMERS };
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
    await check(stack, claimed);
    return {
      name: `claims, ${PROCESSES * CLAIMERS} claimers in ${PROCESSES} processes`,
      unit: '/s',
      better: 'more',
      value: REQUESTS / seconds,
    };
  } finally {
    await stack.stop();
  }
}

async function fillQueue(stack: Stack): Promise<void> {
  const db = openDatabase(stack.url);
  const builders = Array.from({ length: BUILDERS }, (_, i) => i + 1);
  for (const ids of chunked(builders, 500)) {
    await db.run(
      `INSERT INTO builders (id, name, tags, next_number) VALUES ${rowPlaceholders(ids.length, 4)}`,
      ids.flatMap((id) => [id, `builder-${id}`, '[]', 1]),
    );
  }
  const wanted = Array.from({ length: REQUESTS }, (_, i) => builders[i % BUILDERS]!);
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

async function check(stack: Stack, claimed: readonly number[]): Promise<void> {
  const db = openDatabase(stack.url);
  const rows = await db.get<{ builds: number; claims: number; requests: number; queued: number }>(
    `SELECT (SELECT COUNT(*) FROM builds) AS builds, (SELECT COUNT(*) FROM claims) AS claims,
       (SELECT COUNT(DISTINCT request_id) FROM builds) AS requests, (SELECT COUNT(*) FROM queue) AS queued`,
  );
  await db.close();
  const distinct = new Set(claimed).size;
  const isRight =
    claimed.length === REQUESTS &&
    distinct === REQUESTS &&
    rows!.builds === REQUESTS &&
    rows!.claims === REQUESTS &&
    rows!.requests === REQUESTS &&
    rows!.queued === 0;
  if (isRight) return;
  throw new OperationalError('claims', `${claimed.length} claims of ${distinct} requests: ${JSON.stringify(rows)}`, {});
}
