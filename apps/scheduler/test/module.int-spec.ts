import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { APP_FILTER } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { hints } from '@millrace/contracts';
import { IntakeStore, RevertStore, RevisionReads } from '@millrace/database';
import { listenerRule } from '@millrace/domain';
import {
  Ambers,
  DATABASE,
  Hints,
  Lease,
  LOG,
  ME,
  MillraceErrorFilter,
  type SchedulerSettings,
  SETTINGS,
  STORES,
} from '@millrace/master';
import { eventually, freePort, registerMaster } from '@millrace/testing';
import { Registry } from 'prom-client';
import { Scheduler } from '../src/scheduler.js';
import { SchedulerModule } from '../src/scheduler.module.js';
import { LocalHints } from './local-hints.js';
import { Site } from './site.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe('the scheduler as a module', () => {
  let site: Site;
  let bus: LocalHints;
  let port: number;
  let app: TestingModule | null;
  beforeEach(async () => {
    site = await Site.make();
    bus = new LocalHints();
    port = await freePort();
    app = null;
  });
  afterEach(async () => {
    await app?.close();
    await site.close();
  });

  /** Starts the module with the providers of `MasterModule`. */
  const start = async (settings: Partial<SchedulerSettings> = {}): Promise<TestingModule> => {
    const me = await registerMaster(site.db, { name: 'one', role: 'scheduler', leaseMs: 60_000 });
    const all: Partial<SchedulerSettings> = {
      ...{ configFile: site.config, dataFolder: site.folder, pollIntervalMs: 60_000, publicUrl: 'http://ci' },
      ...{ triggerHost: '127.0.0.1', triggerPort: port, triggerToken: null },
      listenerRule: listenerRule({ publicUrl: null }),
      ...settings,
    };
    const providers = [
      { provide: DATABASE, useValue: site.db },
      { provide: SETTINGS, useValue: all },
      { provide: Ambers, useValue: new Ambers() },
      { provide: Registry, useValue: new Registry() },
      { provide: LOG, useValue: silent },
      { provide: ME, useValue: me },
      { provide: Hints, useValue: bus },
      { provide: Lease, useValue: { mayTakeOver: () => true } },
    ];
    const master = {
      module: class MasterOfTest {},
      global: true,
      providers: [...providers, ...STORES, { provide: APP_FILTER, useClass: MillraceErrorFilter }],
      exports: [...providers, ...STORES].map(({ provide }) => provide),
    };
    const compiled = await Test.createTestingModule({ imports: [master, SchedulerModule] }).compile();
    app = await compiled.init();
    return app;
  };
  const trigger = async (scheduler: string) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`http://127.0.0.1:${port}/trigger`, {
      ...{ method: 'POST', headers, body: JSON.stringify({ scheduler }) },
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const change = async (): Promise<number> => {
    const [id] = await new IntakeStore(site.db).addChanges([
      {
        ...{ dedupKey: String(Math.random()), author: 'Ada', committer: null, comments: '', revlink: '' },
        ...{ category: null, whenMs: 0, branch: 'main', revision: 'r', repository: '', project: '', codebase: '' },
        ...{ files: [], properties: {} },
      },
    ]);
    bus.publish(hints.change(id!));
    return id!;
  };
  const built = (id: number): Promise<unknown> =>
    eventually(async () => site.db.get(`SELECT 1 FROM buildset_changes WHERE change_id = ?`, [id]), {
      ...{ timeoutMs: 10_000, what: `a buildset of change ${id}` },
    });

  it('follows hints, answers triggers and publishes hints of what it has made', async () => {
    site.configure({ schedulers: `anyBranch('s', { builders: ['b'] }), trigger('t', { builders: ['b'] })` });
    await start();
    await built(await change());
    const { status, body } = await trigger('t');
    expect(status).toBe(202);
    expect(body).toMatchObject({ repeated: false, requests: [{ builder: 'b' }] });
    const { id } = body['buildset'] as { id: number };
    expect(bus.published.map(({ topic }) => topic)).toContain(`buildsets.${id}.new`);
    expect(await trigger('nobody')).toMatchObject({ status: 404, body: { code: 'not-found', field: 'scheduler' } });
  });

  it('switches completely to another configuration, or stays unchanged', async () => {
    site.configure({ schedulers: `anyBranch('s', { builders: ['b'] }), trigger('t', { builders: ['b'] })` });
    const scheduler = (await start()).get(Scheduler);
    const listeners = bus.listeners;
    site.configure({ schedulers: `anyBranch('s', { builders: ['nobody'] })` });
    await expect(scheduler.reload()).rejects.toMatchObject({ code: 'bad-config' });
    await built(await change());
    expect((await trigger('t')).status).toBe(202);

    site.configure({ schedulers: `anyBranch('s', { builders: ['b'] }), trigger('u', { builders: ['b'] })` });
    expect(await scheduler.reload()).toMatch(/^revision /);
    expect(bus.listeners).toBe(listeners);
    await built(await change());
    expect((await trigger('t')).status).toBe(404);
    expect((await trigger('u')).status).toBe(202);
  });

  it('goes back to an earlier configuration, is in it after a restart, and says so until the file is edited', async () => {
    const named = (name: string): void => site.configure({ schedulers: `trigger('${name}', { builders: ['b'] })` });
    const statusOf = async (name: string): Promise<number> => (await trigger(name)).status;
    const reverts = new RevertStore(site.db);
    const fingerprints = async (): Promise<string[]> =>
      (await new RevisionReads(site.db).newest(10)).map(({ fingerprint }) => fingerprint);
    named('good');
    let scheduler = (await start()).get(Scheduler);
    const [good] = await fingerprints();
    named('bad');
    await scheduler.reload();
    await reverts.revert(good!, 'ann');
    expect(await scheduler.reload()).toBe(`revision ${good!.slice(0, 12)}`);
    expect([await statusOf('good'), await statusOf('bad')]).toEqual([202, 404]);
    expect([...app!.get(Ambers).all.keys()]).toEqual(['configuration']);

    await app!.close();
    scheduler = (await start()).get(Scheduler);
    expect([await statusOf('good'), await statusOf('bad')]).toEqual([202, 404]);
    expect(await app!.get(Registry).metrics()).toContain('millrace_config_reverted 1');
    expect(await reverts.all()).toMatchObject([{ fingerprint: good, masters: ['one'], missing: [] }]);

    named('better');
    await scheduler.reload();
    expect([await statusOf('good'), await statusOf('better')]).toEqual([404, 202]);
    expect(await reverts.all()).toEqual([]);
    expect(app!.get(Ambers).all.size).toBe(0);
  });

  it('stays with what it has when it does not have the earlier configuration, and says so', async () => {
    const named = (name: string): void => site.configure({ schedulers: `trigger('${name}', { builders: ['b'] })` });
    const reverts = new RevertStore(site.db);
    named('good');
    await start();
    const good = (await new RevisionReads(site.db).newest(1))[0]!.fingerprint;
    await app!.close();
    named('bad');
    // A master of another machine.
    const elsewhere = { dataFolder: join(site.folder, 'elsewhere') };
    const scheduler = (await start(elsewhere)).get(Scheduler);
    await reverts.revert(good, 'ann');
    await expect(scheduler.reload()).rejects.toMatchObject({ code: 'revision-missing' });
    const missing = [{ master: 'one', why: expect.stringMatching(/is not kept on this machine/) as unknown }];
    expect(await reverts.all()).toMatchObject([{ fingerprint: good, masters: [], missing }]);
    expect((await trigger('bad')).status).toBe(202);
    await app!.close();
    const again = (await start(elsewhere)).get(Scheduler);
    expect((await trigger('bad')).status).toBe(202);
    expect([...app!.get(Ambers).all.keys()]).toEqual(['earlier configuration']);
    expect(await app!.get(Registry).metrics()).toContain('millrace_config_revision_missing 1');
    await reverts.end();
    await again.reload();
    expect(app!.get(Ambers).all.size).toBe(0);
  });

  it('leaves nothing behind when it ends', async () => {
    site.configure({ schedulers: `anyBranch('s', { builders: ['b'], treeStableSeconds: 1000 })` });
    await start();
    await change();
    await eventually(async () => site.db.get(`SELECT 1 FROM scheduler_changes WHERE decision = 'waiting'`), {
      ...{ timeoutMs: 10_000, what: 'a decision' },
    });
    await app!.close();
    app = null;
    expect(bus.listeners).toBe(0);
    const socket = connect(port, '127.0.0.1');
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('does not start when anybody could trigger', async () => {
    site.configure({});
    await expect(start({ triggerHost: '0.0.0.0' })).rejects.toMatchObject({ code: 'trigger-token-missing' });
  });
});
