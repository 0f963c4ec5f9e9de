import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { hints } from '@millrace/contracts';
import { Result } from '@millrace/domain';
import { eventually, slamDoor } from '@millrace/testing';
import { WebSocket } from 'ws';
import { startUi, type UiServer } from './server.js';
import { type Json, Site } from './site.js';

interface Event {
  readonly k: string;
  readonly m: Json;
}

/** A browser's end of `/ws`. */
class Page {
  readonly frames: Json[] = [];
  closed = false;
  private lastId = 0;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => this.frames.push(JSON.parse((data as Buffer).toString()) as Json));
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => undefined);
  }

  static open(url: string, origin?: string): Promise<Page> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, origin === undefined ? {} : { origin });
    const page = new Page(socket);
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(page));
      socket.once('error', reject);
    });
  }

  async consume(path: string): Promise<void> {
    const id = ++this.lastId;
    this.socket.send(JSON.stringify({ cmd: 'startConsuming', path, _id: id }));
    await eventually(() => expect(this.frames).toContainEqual({ msg: 'OK', code: 200, _id: id }), {
      what: 'the acknowledgement',
    });
  }

  get events(): Event[] {
    return this.frames.filter((frame) => frame.k !== undefined) as unknown as Event[];
  }

  event(key: string): Promise<Event> {
    return eventually(
      () => {
        const found = this.events.find((event) => event.k === key);
        if (!found) throw new Error(`only ${this.events.map((event) => event.k).join(', ')}`);
        return found;
      },
      { what: key },
    );
  }
}

describe('/ws', () => {
  let site: Site;
  let ui: UiServer;
  const pages: Page[] = [];
  const open = async (): Promise<Page> => {
    const page = await Page.open(ui.url);
    pages.push(page);
    return page;
  };
  beforeAll(async () => {
    site = await Site.onSqlite();
    ui = await startUi(site, { pollIntervalMs: 50 });
  });
  afterEach(() => {
    for (const page of pages.splice(0)) page.socket.terminate();
    ui.setBus('connected');
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  it('survives clients that it refuses and that reset the connection', async () => {
    for (let i = 0; i < 20; i++) {
      expect(await slamDoor(`${ui.url}/nowhere`)).toBe('HTTP/1.1 404 Not Found');
      expect(await slamDoor(`${ui.url}/ws`, { Origin: 'http://elsewhere' })).toBe('HTTP/1.1 403 Forbidden');
      expect(await slamDoor(`${ui.url}/ws`, { Host: 'evil.example' })).toBe('HTTP/1.1 421 Misdirected Request');
    }
    await (await open()).consume('builds/*/*');
  });

  it('keeps no refused connection, even if the client does not close its side', async () => {
    const { hostname, port } = new URL(ui.url);
    const client = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    client.on('error', () => undefined);
    client.write('GET /nowhere HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    client.resume();
    await once(client, 'end');
    await eventually(() => client.destroyed || (client.write('still here'), false), { what: 'the end of both halves' });
  });

  it('sends a build under all its keys, complete and with its properties', async () => {
    const page = await open();
    for (const path of ['builds/*/*', 'builders/*/builds/*/*', 'workers/1/builds/*/new', 'buildrequests/*/builds/*/*'])
      await page.consume(path);
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    site.hint(hints.build(build.buildId, 'new'));
    const event = await page.event(`builds/${build.buildId}/new`);
    expect(event.m).toMatchObject({
      buildid: build.buildId,
      complete: false,
      properties: { workername: ['w1', 'Worker'] },
    });
    const rest = await fetch(`${ui.url}/api/v2/builds/${build.buildId}?property=*`, {
      headers: { accept: 'application/json' },
    });
    expect(((await rest.json()) as { builds: Json[] }).builds[0]).toEqual(event.m);
    await page.event(`builders/${build.builderId}/builds/${build.number}/new`);
    await page.event(`workers/1/builds/${build.buildId}/new`);
    await page.event(`buildrequests/${build.requestId}/builds/${build.buildId}/new`);
  });

  it('tells of the builders and projects of a master that starts or has a new configuration', async () => {
    const page = await open();
    for (const path of ['masters/*/*', 'builders/*/*', 'projects/*/*']) await page.consume(path);
    site.hint(hints.master(site.engine.masterId, 'started'));
    const builderId = site.builder('docs');
    const onMaster = { builderid: builderId, masterid: site.engine.masterId, name: 'docs' };
    expect((await page.event(`builders/${builderId}/started`)).m).toEqual(onMaster);
    expect((await page.event('projects/1/update')).m).toMatchObject({ projectid: 1 });
    site.hint(hints.master(site.engine.masterId, 'stopped'));
    expect((await page.event(`builders/${builderId}/stopped`)).m).toEqual(onMaster);
    // Whoever keeps whole rows gets one after each of these.
    const ofBuilder = () => page.events.filter(({ k }) => k.startsWith(`builders/${builderId}/`));
    await eventually(() => expect(ofBuilder()).toHaveLength(4), { what: 'the updates' });
    const keys = ofBuilder().map(({ k, m }) => [k.split('/').at(-1), 'tags' in m]);
    expect(keys).toEqual([
      ['started', false],
      ['update', true],
      ['stopped', false],
      ['update', true],
    ]);
  });

  it('tells of the commit as which a change is recorded, of the branch that it moves, and of their codebase', async () => {
    const { insertId: codebaseId } = await site.db.run(
      `INSERT INTO codebases (project_id, name, slug) SELECT id, 'app', 'app' FROM projects WHERE name = 'widgets'`,
    );
    const page = await open();
    for (const path of ['commits/*/*', 'codebases/*/*', 'codebases/*/commits/*/*', 'branches/*/*'])
      await page.consume(path);
    site.hint(hints.change(await site.change(7001)));
    site.hint(hints.change(await site.change(7002, 'main', { codebase: 'app', parent: 'p' })));
    const revision = '7002'.padStart(40, 'a');
    expect((await page.event('commits/1/new')).m).toMatchObject({ codebaseid: codebaseId, commitid: 1, revision });
    await page.event(`codebases/${codebaseId}/commits/1/new`);
    expect((await page.event('branches/1/update')).m).toMatchObject({ name: 'main', commitid: 1 });
    site.hint(hints.master(site.engine.masterId, 'started'));
    expect((await page.event(`codebases/${codebaseId}/update`)).m).toMatchObject({ name: 'app' });
    expect(page.events).toHaveLength(4);
  });

  it('tells of test results under the keys of their set and their build', async () => {
    const page = await open();
    await page.consume('builds/*/test_result_sets/*/*');
    await page.consume('test_result_sets/*/*');
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    const set = { ordinal: 0, description: null, category: 'pass_fail', valueUnit: 'boolean' } as const;
    const { testSets } = await site.write(build, [
      { kind: 'step-started', number: 0, name: 'test', hidden: false },
      { kind: 'test-results', step: 0, set, from: 0, results: [], isComplete: true },
    ]);
    const { setId } = testSets[0]!;
    site.hint(hints.testResultSet(setId, 'new'));
    site.hint(hints.testResultSet(setId, 'completed'));
    expect((await page.event(`test_result_sets/${setId}/completed`)).m).toMatchObject({ buildid: build.buildId });
    await page.event(`builds/${build.buildId}/test_result_sets/${setId}/new`);
    await site.write(build, [{ kind: 'build-finished', end: { results: Result.SUCCESS, stateString: 'done' } }]);
  });

  it('sends steps, logs, requests and workers', async () => {
    const page = await open();
    for (const path of [
      'builds/*/steps/*/*',
      'steps/*/*',
      'steps/*/logs/*/*',
      'logs/*/*',
      'buildrequests/*/*',
      'workers/*/*',
      'builds/*/properties/update',
    ])
      await page.consume(path);
    const build = await site.built('docs', Result.SUCCESS);
    const { id: stepId } = (await site.db.get<{ id: number }>('SELECT id FROM steps WHERE build_id = ?', [
      build.buildId,
    ]))!;
    const { id: logId } = (await site.db.get<{ id: number }>('SELECT id FROM logs WHERE build_id = ?', [
      build.buildId,
    ]))!;
    site.hint(hints.step(build.buildId, stepId, 'finished'));
    site.hint(hints.log(build.buildId, stepId, logId, 'append'));
    site.hint(hints.request(build.requestId, build.builderId, 'complete'));
    site.hint(hints.worker(1, 'connected'));
    site.hint(hints.buildProperties(build.buildId));
    expect((await page.event(`builds/${build.buildId}/steps/${stepId}/finished`)).m).toMatchObject({ results: 0 });
    await page.event(`steps/${stepId}/finished`);
    // A log ends with its step.
    expect((await page.event(`steps/${stepId}/logs/stdio/finished`)).m).toMatchObject({ complete: true });
    await page.event(`logs/${logId}/finished`);
    expect((await page.event(`steps/${stepId}/logs/stdio/append`)).m).toMatchObject({ num_lines: 3 });
    await page.event(`logs/${logId}/append`);
    expect((await page.event(`buildrequests/${build.requestId}/complete`)).m).toMatchObject({
      complete: true,
      results: 0,
    });
    await page.event('workers/1/connected');
    expect((await page.event(`builds/${build.buildId}/properties/update`)).m).toHaveProperty('got_revision');
  });

  it('reads a row once for many hints, and sends it to its consumers only', async () => {
    const [page, other] = [await open(), await open()];
    await page.consume('builds/*/*');
    await other.consume('changes/*/*');
    const build = await site.built('docs', Result.SUCCESS);
    for (let i = 0; i < 100; i++) site.hint(hints.build(build.buildId, 'update'));
    site.hint(hints.build(build.buildId, 'finished'));
    await page.event(`builds/${build.buildId}/finished`);
    expect(page.events.filter((event) => event.k === `builds/${build.buildId}/update`).length).toBeLessThan(5);
    expect(other.events).toEqual([]);
  });

  it('finds changes without hints while the bus is away', async () => {
    const page = await open();
    for (const path of [
      'builds/*/*',
      'changes/*/*',
      'steps/*/logs/*/*',
      'buildrequests/*/*',
      'workers/*/*',
      'buildsets/*/*',
      'bus',
    ])
      await page.consume(path);
    ui.setBus('connecting');
    expect((await page.event('bus')).m).toEqual({ bus: 'connecting' });
    const change = await eventually(
      async () => {
        // The poller notices changes after its first look.
        const id = await site.change(Math.floor(Math.random() * 1e9));
        await eventually(() => page.event(`changes/${id}/new`), { timeoutMs: 500, what: 'the change' });
        return id;
      },
      { what: 'a change noticed by polling' },
    );
    expect(change).toBeGreaterThan(0);
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    await page.event(`buildsets/${created.buildsetId}/new`);
    await page.event(`buildrequests/${build.requestId}/claimed`);
    await page.event(`builds/${build.buildId}/new`);
    await site.write(build, [
      { kind: 'step-started', number: 0, name: 'test', hidden: false },
      { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: 'oone\n', lines: 1 },
    ]);
    const log = await eventually(
      () => {
        const found = page.events.find((event) => /^steps\/\d+\/logs\/stdio\/(new|append)$/.test(event.k));
        if (!found) throw new Error('no log yet');
        return found;
      },
      { what: 'the log' },
    );
    expect(log.m).toMatchObject({ slug: 'stdio' });
    await site.write(build, [{ kind: 'build-finished', end: { results: 0, stateString: 'build successful' } }]);
    expect((await page.event(`builds/${build.buildId}/finished`)).m).toMatchObject({ complete: true, results: 0 });
    await page.event(`buildrequests/${build.requestId}/complete`);
    await page.event(`buildsets/${created.buildsetId}/complete`);
    ui.setBus('connected');
    await page.event('resync');
  });

  it('drops a client that does not send JSON, and no other', async () => {
    const [page, other] = [await open(), await open()];
    await other.consume('builds/*/*');
    page.socket.send('not json');
    await eventually(() => expect(page.closed).toBe(true), { what: 'the end of the connection' });
    expect(other.closed).toBe(false);
  });

  it('ends the oldest connection that consumes nothing for a new one, and no other', async () => {
    const small = await startUi(site, { wsMax: 3 });
    const opened: Page[] = [];
    const enter = async (): Promise<Page> => {
      const page = await Page.open(small.url);
      opened.push(page);
      return page;
    };
    try {
      const first = await enter();
      await first.consume('builds/*/*');
      const idle = [await enter(), await enter()];
      for (let i = 0; i < 10; i++) idle.push(await enter());
      await eventually(() => idle.slice(0, -2).every((page) => page.closed), { what: 'the end of the oldest' });
      expect(idle.slice(-2).map((page) => page.closed)).toEqual([false, false]);
      for (const page of idle.slice(-2)) await page.consume('changes/*/*');
      await expect(Page.open(small.url)).rejects.toThrow('503');
      expect(first.closed).toBe(false);
      first.socket.send(JSON.stringify({ cmd: 'stopConsuming', path: 'builds/*/*', _id: 'done' }));
      await eventually(() => first.frames.some((frame) => frame._id === 'done'), { what: 'the acknowledgement' });
      await (await enter()).consume('builds/*/*');
      await eventually(() => first.closed, { what: 'the end of the one that consumes no more' });
    } finally {
      for (const page of opened) page.socket.terminate();
      await small.close();
    }
  });

  it('refuses pages from elsewhere', async () => {
    await expect(Page.open(ui.url, 'http://evil.example')).rejects.toThrow('403');
    const own = await Page.open(ui.url, 'http://ci.example.invalid');
    own.socket.terminate();
  });

  it.each([
    ['tells a page that does not read as fast to fetch again, once it has read what waits', '', false],
    ["cuts off Buildbot's pages, which do not fetch again", '/buildbot', true],
  ])('%s, and goes on sending to the others', async (_name, below, isCut) => {
    const [slow, other] = [await Page.open(`${ui.url}${below}`), await open()];
    await slow.consume('builds/*/*');
    await other.consume('builds/*/*');
    const build = await site.built('docs', Result.SUCCESS);
    await site.db.run('UPDATE builds SET state_string = ? WHERE id = ?', ['x'.repeat(1 << 20), build.buildId]);
    slow.socket.pause();
    let told = 0;
    const tell = async (): Promise<void> => {
      const before = other.events.length;
      site.hint(hints.build(build.buildId, 'update'));
      await eventually(() => expect(other.events.length).toBeGreaterThan(before), { what: 'the event' });
      told += 1;
    };
    // More than what the system keeps for a connection that nobody reads.
    while (told < 30) await tell();
    slow.socket.resume();
    if (isCut) await eventually(() => expect(slow.closed).toBe(true), { what: 'the end of the slow connection' });
    else {
      await eventually(() => expect(slow.frames.some(({ k }) => k === 'resync')).toBe(true), { what: 'the resync' });
      expect(slow.events.length).toBeLessThan(other.events.length);
      await eventually(
        async () => {
          const before = slow.events.length;
          await tell();
          await eventually(() => expect(slow.events.length).toBeGreaterThan(before), { timeoutMs: 1000 });
        },
        { what: 'events for the page that has caught up' },
      );
      expect(slow.closed).toBe(false);
    }
    expect(other.closed).toBe(false);
    slow.socket.terminate();
  });
});
