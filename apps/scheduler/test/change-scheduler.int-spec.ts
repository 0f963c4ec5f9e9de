import { appendFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandStore, BuildActionStore, IntakeStore } from '@millrace/database';
import { eventually } from '@millrace/testing';
import { Site } from './site.js';

let site: Site;
beforeEach(async () => {
  site = await Site.make();
});
afterEach(() => site.close());

let changes = 0;
async function change(branch = 'main'): Promise<number> {
  const revision = `r${++changes}`;
  const [id] = await new IntakeStore(site.db).addChanges([
    {
      ...{ dedupKey: revision, author: 'Ada', committer: null, comments: '', revlink: '', category: null, whenMs: 0 },
      ...{ branch, revision, repository: 'r', project: '', codebase: '', files: [], properties: {} },
    },
  ]);
  return id!;
}

const decided = (changeId: number): Promise<{ decision: string; reason: string | null }> =>
  eventually(
    async () =>
      (await site.db.get<{ decision: string; reason: string | null }>(
        `SELECT decision, reason FROM scheduler_changes WHERE change_id = ?`,
        [changeId],
      )) ?? false,
    { timeoutMs: 50_000, what: `a decision about change ${changeId}` },
  );

const decidedBy = (name: string, changeId: number): Promise<{ decision: string; reason: string | null }> =>
  eventually(
    async () =>
      (await site.db.get<{ decision: string; reason: string | null }>(
        `SELECT decision, reason FROM scheduler_changes JOIN schedulers ON schedulers.id = scheduler_id WHERE change_id = ? AND name = ?`,
        [changeId, name],
      )) ?? false,
    { timeoutMs: 30_000, what: `what ${name} makes of change ${changeId}` },
  );

const buildsets = async (): Promise<number[]> =>
  (await site.db.all<{ id: number }>(`SELECT change_id AS id FROM buildset_changes ORDER BY change_id`)).map(
    ({ id }) => id,
  );

const masterId = async (): Promise<number> => (await site.db.get<{ id: number }>(`SELECT id FROM masters`))!.id;

describe('a scheduler over changes', () => {
  it('keeps waiting for a stable tree over a restart, and builds once', async () => {
    site.configure({ schedulers: `anyBranch('s', { builders: ['b'], treeStableSeconds: 5 })` });
    const one = await site.start();
    const id = await change();
    expect(await decided(id)).toMatchObject({ decision: 'waiting' });
    await one.process.stop();
    expect(await buildsets()).toEqual([]);
    await site.start();
    await eventually(async () => (await buildsets()).length > 0, { timeoutMs: 20_000, what: 'a buildset' });
    expect(await decided(id)).toMatchObject({ decision: 'built' });
    expect(await buildsets()).toEqual([id]);
  });

  it('retries a callback before it gives up on a change, the last time in a fresh thread', async () => {
    const mark = join(site.folder, 'was-here');
    const bad = join(site.folder, 'bad');
    const fails = `async (change) => {
      const { existsSync, writeFileSync } = await import('node:fs');
      if (existsSync('${bad}')) process.exit(1);
      if (existsSync('${mark}')) return true;
      writeFileSync('${mark}', '');
      throw new Error('just once');
    }`;
    const spoilt = `() => (globalThis.calls = (globalThis.calls ?? 0) + 1) < 2 || (() => { throw new Error('worn out') })()`;
    site.configure({
      schedulers: `anyBranch('s', { builders: ['b'], isImportant: ${fails}, filter: { project: ${spoilt} } })`,
    });
    await site.start();
    const first = await change();
    expect(await decided(first)).toMatchObject({ decision: 'built' });
    expect(existsSync(mark)).toBe(true);
    const second = await change();
    expect(await decided(second)).toMatchObject({ decision: 'built' });

    writeFileSync(bad, '');
    const third = await change();
    expect(await decided(third)).toMatchObject({ decision: 'failed', reason: expect.stringMatching(/ended with 1/) });
    expect(await buildsets()).toEqual([first, second]);
  });

  it('is not delayed by a branch name that JavaScript would compare with an expression for ever', async () => {
    const bomb = `${'a'.repeat(60)}!`;
    site.configure({
      schedulers: `anyBranch('s', { builders: ['b'], filter: { branch: /^(a+)+$/ } }),
        anyBranch('t', { builders: ['b'], filter: { branch: /^(?=a)(a+)+$/ } })`,
    });
    const { process: scheduler } = await site.start();
    const { pid } = scheduler;
    const [first, second] = [await change(bomb), await change('aaa')];
    expect(await decidedBy('s', first)).toMatchObject({
      decision: 'ignored',
      reason: expect.stringMatching(/^branch filter: `a+!` does not match/),
    });
    expect(await decidedBy('s', second)).toMatchObject({ decision: 'built' });
    expect(await decidedBy('t', first)).toMatchObject({
      decision: 'failed',
      reason: expect.stringMatching(/ran for more than 2000 ms/),
    });
    expect(await decidedBy('t', second)).toMatchObject({ decision: 'built' });
    expect(scheduler.pid).toBe(pid);
  });

  it.each([
    ['its heap', `() => { const all = []; for (;;) all.push(new Array(1e6).fill(all.length)); }`],
    ['buffers', `() => { const all = []; for (;;) all.push(Buffer.alloc(64 << 20, 1)); }`],
  ])('goes on after a change of which a callback fills %s', async (_what, isImportant) => {
    site.configure({
      schedulers: `anyBranch('s', { builders: ['b'], isImportant: (change) => change.branch === 'main' || (${isImportant})() })`,
    });
    await site.start();
    const [first, second] = [await change('greedy'), await change()];
    expect(await decided(first)).toMatchObject({ decision: 'failed', reason: expect.any(String) });
    expect(await decided(second)).toMatchObject({ decision: 'built' });
  });

  it('switches to a new configuration one reload at a time, and leaves nothing of the old ones', async () => {
    site.configure({ schedulers: `anyBranch('s', { builders: ['b'] })` });
    const { process: scheduler } = await site.start();
    const threads = (): number => readdirSync(`/proc/${scheduler.pid}/task`).length;
    const reloaded = (): number => site.output.filter((line) => line.includes('reconfigured')).length;
    const control = new CommandStore(site.db);
    const reload = async (times: number): Promise<void> => {
      const target = reloaded() + times;
      await Promise.all(Array.from({ length: times }, async () => control.requestReconfig(await masterId())));
      await eventually(() => reloaded() === target, { timeoutMs: 30_000, what: `${target} reloads` });
    };
    await reload(1);
    const before = threads();
    await reload(4);
    await eventually(() => threads() <= before, { what: `${before} threads, as after one reload` });
    const id = await change();
    expect(await decided(id)).toMatchObject({ decision: 'built' });
  });

  it('does not build changes that came while it was not configured, unless somebody asks for it', async () => {
    const one = `anyBranch('s', { builders: ['b'] })`;
    site.configure({ schedulers: one });
    await site.start();
    const reload = async (schedulers: string): Promise<void> => {
      site.configure({ schedulers });
      const control = new CommandStore(site.db);
      const command = await control.requestReconfig(await masterId());
      await eventually(async () => (await control.commandResult(command)) !== null, { timeoutMs: 30_000, what: 'it' });
    };
    await reload(`anyBranch('other', { builders: ['b'] })`);
    const missed = [await change(), await change(), await change()];
    await reload(one);
    const next = await change();
    expect(await decidedBy('s', next)).toMatchObject({ decision: 'built' });
    const ofIt = async (): Promise<number[]> =>
      (
        await site.db.all<{ id: number }>(
          `SELECT c.change_id AS id FROM buildset_changes c JOIN buildsets b ON b.id = c.buildset_id
           WHERE b.scheduler_name = 's' ORDER BY c.change_id`,
        )
      ).map(({ id }) => id);
    expect(await ofIt()).toEqual([next]);

    const { id } = (await site.db.get<{ id: number }>(`SELECT id FROM schedulers WHERE name = 's'`))!;
    await new BuildActionStore(site.db).settleBacklog(id, 'take');
    await eventually(async () => expect(await ofIt()).toEqual([...missed, next]), { timeoutMs: 20_000, what: 'them' });
  });

  it('builds nothing when its quiet time ends while it is disabled, nor when it is enabled again', async () => {
    site.configure({
      schedulers: `anyBranch('s', { builders: ['b'], treeStableSeconds: 3 }), anyBranch('t', { builders: ['b'], treeStableSeconds: 4 })`,
    });
    await site.start();
    const first = await change();
    const control = new BuildActionStore(site.db);
    const { id } = (await site.db.get<{ id: number }>(`SELECT id FROM schedulers WHERE name = 's'`))!;
    await control.enableScheduler(id, false);
    await eventually(async () => (await decidedBy('t', first)).decision === 'built', { timeoutMs: 20_000, what: 't' });
    await control.enableScheduler(id, true);
    const second = await change('other');
    const builtBy = async (name: string): Promise<number[]> =>
      (
        await site.db.all<{ id: number }>(
          `SELECT change_id AS id FROM scheduler_changes JOIN schedulers ON schedulers.id = scheduler_id
           WHERE name = ? AND decision = 'built'`,
          [name],
        )
      ).map((row) => row.id);
    await eventually(async () => (await builtBy('s')).includes(second), { timeoutMs: 20_000, what: 's' });
    expect(await builtBy('s')).toEqual([second]);
  });

  it('drains during a slow reconfiguration', async () => {
    site.configure({});
    await site.start();
    const control = new CommandStore(site.db);
    appendFileSync(site.config, 'await new Promise((resolve) => setTimeout(resolve, 50_000));\n');
    const reload = await control.requestReconfig(await masterId());
    await control.requestDrain(await masterId());
    await eventually(() => site.output.some((line) => line.includes('draining: nothing new is taken')), {
      timeoutMs: 20_000,
      what: 'a drain',
    });
    expect(await control.commandResult(reload)).toBeNull();
  });
});
