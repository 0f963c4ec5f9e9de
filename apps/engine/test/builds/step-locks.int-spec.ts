import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ClaimedBuild,
  ClaimStore,
  ConfigurationStore,
  createBuildset,
  type Database,
  type DefinitionIds,
  type Incarnation,
  intercepted,
  LockStore,
  MasterStore,
  migrate,
  openDatabase,
} from '@millrace/database';
import { type KnownLock, type LockNeed, OperationalError } from '@millrace/domain';
import type { EngineSettings, HintHandler, Hints, Logger } from '@millrace/master';
import { eventually } from '@millrace/testing';
import { checkedAccesses, StepLocks } from '../../src/builds/step-locks.js';

describe('StepLocks', () => {
  let folder: string;
  let db: Database;
  let me: Incarnation;
  let ids: DefinitionIds;
  let builds: ClaimedBuild[];
  let isAway: boolean;
  let refused = 0;
  let locks: StepLocks;
  let listeners: Set<HintHandler>;
  const published: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-step-locks-'));
    const url = `sqlite:${join(folder, 'test.sqlite')}`;
    await migrate(url);
    db = openDatabase(url);
    const master = { name: 'engine', host: 'test', pid: process.pid, version: 'test', leaseMs: 600_000 };
    me = await new MasterStore(db).register({ ...master, role: 'engine', isAlive: () => true });
    ids = await new ConfigurationStore(db).apply(
      me,
      { fingerprint: 'f', body: '{}' },
      {
        projects: [],
        builders: [{ name: 'b', tags: [], workers: ['w0', 'w1'], fingerprint: 'f' }],
        workers: ['w0', 'w1'].map((name) => ({ name, maxBuilds: 1 })),
        schedulers: [],
        changeSources: [],
        locks: ['a', 'b'].map((name) => ({
          name,
          kind: 'lock',
          maxCount: 1,
          maxCountForWorker: {},
          resources: [],
        })),
      },
      { serves: true },
    );
  });
  afterAll(async () => {
    await db.close();
    rmSync(folder, { recursive: true });
  });

  beforeEach(async () => {
    for (const table of ['claims', 'lock_holds', 'lock_waits']) await db.run(`DELETE FROM ${table}`);
    builds = [];
    for (const workerName of ['w0', 'w1']) {
      const builderId = ids.builders.get('b')!;
      const created = await db.transaction((tx) =>
        createBuildset(tx, {
          schedulerId: null,
          schedulerName: 'test',
          cause: `test:${performance.now()}`,
          reason: 'test',
          sourceStamps: [{ branch: null, revision: null, repository: '', project: '', codebase: '' }],
          properties: {},
          builderIds: [builderId],
        }),
      );
      const { requestId } = created!.requests[0]!;
      const workerId = ids.workers.get(workerName)!;
      const candidate = { requestId, builderId, builderName: 'b', workerId, workerName, properties: {} };
      builds.push(...(await new ClaimStore(db).claim(me, [candidate])));
    }
    listeners = new Set();
    published.length = 0;
    isAway = false;
    locks = stepLocks(600_000);
  });

  const stepLocks = (pollIntervalMs: number): StepLocks => {
    const hints = {
      publish: ({ topic, payload }: { topic: string; payload: Record<string, number> }) => {
        published.push(topic);
        for (const listener of listeners) listener(topic, payload);
      },
      subscribe: (_prefix: string, listener: HintHandler) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    } as unknown as Hints;
    const sometimes = intercepted(db, async ({ sql, params }, send) => {
      if (isAway) refused += 1;
      if (isAway) throw new OperationalError('database-unavailable', 'away');
      return await send(sql, params);
    });
    const log = { warn: () => undefined } as unknown as Logger;
    return new StepLocks(new LockStore(sometimes), hints, { pollIntervalMs } as EngineSettings, log);
  };
  const need = (lock: string): LockNeed => ({
    lockId: ids.locks.get(lock)!,
    lock,
    workerId: 0,
    mode: 'exclusive',
    count: 1,
    capacity: 1,
    resources: [],
    property: null,
  });
  /** Begins to take locks. `says` is what it waits for. */
  const taking = (nth: number, step: number, ...names: string[]) => {
    const says: string[] = [];
    const stop = new AbortController();
    const wish = { build: builds[nth]!, step, needs: names.map(need) };
    const outcome = locks.take({ ...wish, signal: stop.signal, onWaiting: (text) => says.push(text) });
    return { wish, outcome, says, stop };
  };
  const left = async (nth: number): Promise<void> => {
    await db.run(`DELETE FROM lock_holds WHERE build_id = ?`, [builds[nth]!.buildId]);
    locks.announce([need('a')]);
  };

  it('a free lock is taken at once', async () => {
    expect(await taking(0, 0, 'a').outcome).toEqual({ kind: 'taken', properties: {}, waitedMs: 0 });
    expect(listeners.size).toBe(0);
  });

  it('one that is held is taken when it was released, by the hint alone', async () => {
    await taking(0, 0, 'a').outcome;
    const { outcome, says } = taking(1, 0, 'a');
    await eventually(() => says.length === 1, { what: 'it waits' });
    expect(says).toEqual([`waiting for the lock 'a', which build ${builds[0]!.number} of 'b' has`]);
    await left(0);
    expect(await outcome).toMatchObject({ kind: 'taken', waitedMs: expect.any(Number) as unknown });
  });

  it('without a hint the poll finds it, and after an outage, too', async () => {
    locks = stepLocks(20);
    await taking(0, 0, 'a').outcome;
    const { outcome, says } = taking(1, 0, 'a');
    await eventually(() => says.length === 1, { what: 'it waits' });
    isAway = true;
    await db.run(`DELETE FROM lock_holds`);
    await eventually(() => refused > 1, { what: 'it asks while the database is away' });
    isAway = false;
    expect(await outcome).toMatchObject({ kind: 'taken' });
  });

  it('a step that is stopped gives up, and others are told', async () => {
    await taking(0, 0, 'a').outcome;
    const { wish, outcome, says, stop } = taking(1, 0, 'a');
    await eventually(() => says.length === 1, { what: 'it waits' });
    stop.abort();
    expect(await outcome).toBeNull();
    expect(await db.all(`SELECT 1 AS one FROM lock_waits`)).toHaveLength(1);
    await locks.giveUp(wish);
    expect(await db.all(`SELECT 1 AS one FROM lock_waits`)).toHaveLength(0);
    expect(published).toEqual([`locks.${need('a').lockId}.released`]);
  });

  it('of two that wait for each other the later gives up', async () => {
    await Promise.all([taking(0, 0, 'a').outcome, taking(1, 0, 'b').outcome]);
    const first = taking(0, 1, 'b');
    await eventually(() => first.says.length === 1, { what: 'it waits' });
    expect(await taking(1, 1, 'a').outcome).toMatchObject({
      kind: 'deadlock',
      text: expect.stringMatching(/^deadlock: /),
    });
    await db.run(`DELETE FROM lock_holds WHERE build_id = ?`, [builds[1]!.buildId]);
    locks.announce([need('b')]);
    expect(await first.outcome).toMatchObject({ kind: 'taken' });
  });

  it('a build that is not ours any more gets none', async () => {
    await db.run(`DELETE FROM claims`);
    await expect(taking(0, 0, 'a').outcome).rejects.toMatchObject({ code: 'fenced' });
  });
});

describe('checkedAccesses', () => {
  const definition = { name: 'a', kind: 'lock', maxCount: 2, maxCountForWorker: { big: 3 }, resources: [] } as const;
  const known = new Map<string, KnownLock>([['a', { lockId: 1, definition }]]);
  const good = { lock: 'a', mode: 'counting', count: 2, property: null };

  it.each([0, 2, 3])('passes what the configuration has: %i units', (count) =>
    expect(checkedAccesses([{ ...good, count }], known)).toEqual([{ ...good, count }]),
  );

  it.each<[unknown]>([
    [null],
    [[null]],
    [[{ ...good, lock: 'b' }]],
    [[{ ...good, mode: 'any' }]],
    [[{ ...good, count: -1 }]],
    [[{ ...good, count: 0.5 }]],
    [[{ ...good, count: 4 }]],
    [Array.from({ length: 21 }, () => good)],
  ])('refuses %j', (accesses) =>
    expect(() => checkedAccesses(accesses, known)).toThrow(expect.objectContaining({ code: 'bad-locks' })),
  );
});
