import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RecentReads } from '@millrace/database';
import { Result } from '@millrace/domain';
import { eventually, type MariaDb, requireService, startMariaDb } from '@millrace/testing';
import { Test } from '@nestjs/testing';
import { ChangePoller } from '../src/live/change-poller.js';
import type { LiveFrame } from '../src/live/live-frame.js';
import { LiveEvents } from '../src/live/live-events.js';
import { Subscriptions } from '../src/live/subscriptions.js';
import { ReadsModule } from '../src/reads.module.js';
import { ResourceTable } from '../src/resources/resource-table.js';
import { ResourcesModule } from '../src/resources/resources.module.js';
import { masterOf, SiteHints } from './server.js';
import { Site } from './site.js';

const SETTINGS = { pollIntervalMs: 2000 };

let mariaDb: MariaDb | undefined;
afterAll(() => mariaDb?.stop());

const DATABASES: [string, () => Promise<Site>][] = [['SQLite', () => Site.onSqlite()]];
if (requireService('mariadb')) {
  DATABASES.push([
    'MariaDB',
    async () => {
      mariaDb = await startMariaDb();
      return Site.on(await mariaDb.createDatabase());
    },
  ]);
}

/** The test runs the rounds itself, one after the other, between changes and their hints. */
describe.each(DATABASES)('ChangePoller on %s', (_name, openSite) => {
  let site: Site;
  let live: LiveEvents;
  let table: ResourceTable;
  let poller: ChangePoller;
  let recent: RecentReads;
  let keys: string[];
  let first: string[];
  beforeAll(async () => {
    site = await openSite();
  });
  afterAll(() => site.close());

  beforeEach(async () => {
    keys = [];
    const hints = new SiteHints(site, 'off');
    const module = await Test.createTestingModule({
      imports: [masterOf(site, hints, SETTINGS, keys), ReadsModule, ResourcesModule],
      providers: [Subscriptions, LiveEvents, ChangePoller],
    }).compile();
    const listener = { sight: null, send: ({ key }: LiveFrame) => void keys.push(key) };
    for (const filter of ['builds/*/*', 'buildrequests/*/*', 'buildsets/*/*', 'steps/*/*', 'logs/*/*', 'masters/*/*'])
      module.get(Subscriptions).add(filter, listener);
    table = module.get(ResourceTable);
    live = module.get(LiveEvents);
    // The poller is not started, so it runs no rounds itself.
    poller = module.get(ChangePoller);
    recent = module.get(RecentReads);
    await poller.poll();
    first = keys.splice(0);
  });
  afterEach(() => live.beforeApplicationShutdown());

  it('makes everybody fetch again once it has taken its first notes without a bus', () => {
    expect(first).toEqual(['resync']);
  });

  const hint = (topic: string): void => {
    const event = table.eventOf(topic)!;
    poller.heard(event);
    live.changed(event);
  };
  /** Returns all events sent so far. */
  const told = async (): Promise<string[]> => {
    live.changed({ resource: 'masters', id: 1, event: 'started' });
    await eventually(() => expect(keys.at(-1)).toBe('masters/1/started'), { what: 'the last event' });
    return keys.splice(0).slice(0, -1);
  };

  it('reports changes without hints', async () => {
    const { buildId, requestId, buildsetId } = await site.built('docs', Result.SUCCESS);
    await poller.poll();
    expect((await told()).sort()).toEqual([
      `buildrequests/${requestId}/complete`,
      `buildrequests/${requestId}/new`,
      `builds/${buildId}/new`,
      `builds/${buildId}/update`,
      `buildsets/${buildsetId}/complete`,
      `buildsets/${buildsetId}/new`,
    ]);
  });

  it('does not report a change again after its hint', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const { requestId } = created.requests[0]!;
    const build = await site.claim(requestId, 'docs');
    hint(`buildsets.${created.buildsetId}.new`);
    for (const event of ['new', 'claimed']) hint(`buildrequests.${requestId}.${event}`);
    hint(`builds.${build.buildId}.new`);
    await told();
    await poller.poll();
    // That a build runs is reported once or twice, because it may have changed after the hint.
    expect(new Set(await told())).toEqual(new Set([`builds/${build.buildId}/update`]));
    await site.finish(build, Result.SUCCESS);
    hint(`builds.${build.buildId}.finished`);
    hint(`buildrequests.${requestId}.complete`);
    hint(`buildsets.${created.buildsetId}.complete`);
    await told();
    for (let round = 0; round < 3; round++) await poller.poll();
    expect(await told()).toEqual([]);
  });

  it('reports the end of a step when it ends, and not once more with its build', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    await poller.poll();
    const written = await site.write(build, [
      { kind: 'step-started', number: 0, name: 'test', hidden: false },
      { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: 'oone\n', lines: 1 },
    ]);
    const { stepId, logId } = written.logs[0]!;
    await poller.poll();
    expect(await told()).toEqual(expect.arrayContaining([`steps/${stepId}/started`, `logs/${logId}/new`]));
    await site.write(build, [
      { kind: 'step-finished', number: 0, results: 0, stateString: 'test done', hidden: false },
    ]);
    await poller.poll();
    const ends = [`logs/${logId}/finished`, `steps/${stepId}/finished`];
    const seen: string[] = [];
    await eventually(
      async () => {
        // The end of a log follows that of its step.
        seen.push(...(await told()));
        expect(seen.filter((key) => ends.includes(key)).sort()).toEqual(ends);
      },
      { what: 'both ends' },
    );
    await poller.poll();
    await site.write(build, [{ kind: 'build-finished', end: { results: 0, stateString: 'build successful' } }]);
    await poller.poll();
    expect((await told()).filter((key) => /^(steps|logs)/.test(key))).toEqual([]);
  });

  it('makes everybody fetch again, once, when there are too many changes, and goes on from there', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    await site.finish(build, Result.SUCCESS);
    await poller.poll();
    await told();
    for (let n = 0; n < 250; n++) await site.buildset({ builders: ['docs'] });
    await site.db.run('UPDATE buildsets SET complete_at_ms = ? WHERE complete_at_ms IS NULL', [Date.now()]);
    await site.db.run('UPDATE build_requests SET complete_at_ms = ? WHERE complete_at_ms IS NULL', [Date.now()]);
    await poller.poll();
    expect(await told()).toEqual(['resync']);
    const { buildId, requestId } = await site.built('docs', Result.SUCCESS);
    await poller.poll();
    const after = await told();
    expect(after).not.toContain('resync');
    expect(after).toContain(`builds/${buildId}/new`);
    expect(after).toContain(`buildrequests/${requestId}/complete`);
  });

  it('makes everybody fetch again, once, when the clock was set back, and goes on from there', async () => {
    await site.built('docs', Result.SUCCESS);
    await poller.poll();
    await told();
    const hour = 3_600_000;
    for (const table of ['buildsets', 'build_requests'])
      await site.db.run(`UPDATE ${table} SET complete_at_ms = complete_at_ms - ? WHERE complete_at_ms IS NOT NULL`, [
        hour,
      ]);
    Object.assign(recent, { nowMs: () => Promise.resolve(Date.now() - hour) });
    await poller.poll();
    expect(await told()).toEqual(['resync']);
    const { requestId } = await site.built('docs', Result.SUCCESS);
    await poller.poll();
    const after = await told();
    expect(after).not.toContain('resync');
    expect(after).toContain(`buildrequests/${requestId}/complete`);
  });
});
