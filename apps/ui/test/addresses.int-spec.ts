import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hints } from '@millrace/contracts';
import { type ClaimedBuild } from '@millrace/database';
import { requireService } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const WEB = fileURLToPath(new URL('../../web/dist', import.meta.url));
const QUIET =
  '--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const suite = requireService('chromium') ? describe : describe.skip;

suite('addresses of builds, in Chromium', () => {
  let site: Site;
  let ui: UiServer;
  let browser: Browser;
  let page: Page;
  const builds = new Map<string, ClaimedBuild>();

  beforeAll(async () => {
    if (!existsSync(`${WEB}/index.html`)) throw new Error('the web app is not built: npm run build');
    site = await Site.onSqlite();
    for (const name of ['linux-tests', 'bad builder/with odd']) {
      const created = await site.buildset({ builders: [name] });
      const build = await site.claim(created.requests[0]!.requestId, name);
      await site.write(build, [
        { kind: 'step-started', number: 0, name: 'a step', hidden: false },
        { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: 'oone\notwo\n', lines: 2 },
      ]);
      builds.set(name, build);
    }
    ui = await startUi(site, { webFolder: WEB });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET.split(' ') });
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser.close();
    await ui.close();
    await site.close();
  });

  const NAMES = ['linux-tests', 'bad builder/with odd'];
  const BELOW = ['', '/steps/0/logs/stdio', '/steps/0/logs/stdio#L2', '?a=b'];
  const cases = NAMES.flatMap((name) => BELOW.map((below) => [name, below] as const));

  it.each(cases)("'%s' leads to a build by its builder's name or id, or its own id: %s", async (name, below) => {
    const build = builds.get(name)!;
    const canonical = `/builders/${build.builderId}/builds/${build.number}${below}`;
    for (const address of [
      canonical,
      `/builders/${encodeURIComponent(name)}/builds/${build.number}${below}`,
      `/builds/${build.buildId}${below}`,
    ]) {
      await page.goto(`${ui.url}${address}`);
      await page.waitForURL(`${ui.url}${canonical}`);
      await page.locator('.crumbs').getByRole('link', { name }).waitFor();
      if (below.includes('logs')) await page.locator('.line').getByText('two', { exact: true }).waitFor();
      else await page.getByRole('heading', { name: `Build #${build.number}` }).waitFor();
      if (below.includes('#')) await page.locator('.line.linked').getByText('two', { exact: true }).waitFor();
    }
    // Leaves the page, so that going back does not return to this address.
    await page.goto('about:blank');
    await page.goto(`${ui.url}/builds/${build.buildId}`);
    await page.waitForURL('**/builders/*/builds/*');
    await page.goBack();
    expect(page.url()).toBe('about:blank');
  });

  it.each(NAMES)("'%s' leads to a builder by its name", async (name) => {
    await page.goto(`${ui.url}/builders/${encodeURIComponent(name)}?results=2`);
    await page.waitForURL(`${ui.url}/builders/${site.builder(name)}?results=2`);
    await page.getByRole('heading', { name }).waitFor();
  });

  it.each([
    ['/builders', '/', 'Projects'],
    ['/#/builders', '/', 'Projects'],
    ['/#/pendingbuildrequests', '/pending', 'Queue'],
  ])("Buildbot's %s leads to the page with the same: %s", async (address, path, heading) => {
    await page.goto(`${ui.url}${address}`);
    await page.waitForURL(`${ui.url}${path}`);
    await page.getByRole('heading', { name: heading }).first().waitFor();
  });

  it.each([
    '/builders/none/builds/1',
    '/builders/999/builds/1',
    '/builders/999',
    '/builders/linux-tests/builds/999',
    '/builders/linux-tests/builds/first',
    '/builders/linux-tests/builds/1e3',
    '/builders/linux-tests/builds/99999999999999999999',
    '/builds/999',
    '/builds/none',
    '/builds/-1',
    '/builders/%E0%A4%A/builds/1',
    '/changes/none',
    '/builders/linux-tests/builds/1/steps/9/logs/stdio',
    '/builders/linux-tests/builds/1/steps/a%3Fb/logs/%2E%2E',
  ])('of nothing say so: %s', async (address) => {
    const refused: string[] = [];
    const note = (response: { status(): number; url(): string }): void => {
      if (response.status() === 400 && response.url().includes('/api/')) refused.push(response.url());
    };
    page.on('response', note);
    const answer = await page.goto(`${ui.url}${address}`);
    // The server refuses a malformed address.
    if (answer!.status() !== 400) await page.getByRole('heading', { name: 'Not found' }).waitFor();
    page.off('response', note);
    expect(refused).toEqual([]);
  });
});

suite('a site below a path, in Chromium', () => {
  let site: Site;
  let ui: UiServer;
  let browser: Browser;
  let page: Page;
  let build: ClaimedBuild;
  const below = (path: string): string => `${ui.url}/build.farm/ci${path}`;

  beforeAll(async () => {
    site = await Site.onSqlite();
    const created = await site.buildset({ builders: ['linux-tests'] });
    build = await site.claim(created.requests[0]!.requestId, 'linux-tests');
    ui = await startUi(site, { webFolder: WEB, publicUrl: 'http://127.0.0.1/build.farm/ci' });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET.split(' ') });
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser.close();
    await ui.close();
    await site.close();
  });

  it('has its pages, files, API and events there, and asks for nothing elsewhere', async () => {
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('websocket', (socket) => asked.push(socket.url().replace(/^ws/, 'http')));
    await page.goto(below(`/builds/${build.buildId}`));
    await page.waitForURL(below(`/builders/${build.builderId}/builds/${build.number}`));
    await page.getByRole('heading', { name: `Build #${build.number}` }).waitFor();
    await site.write(build, [{ kind: 'step-started', number: 0, name: 'seen live', hidden: false }]);
    const step = await site.db.get<{ id: number }>(`SELECT id FROM steps WHERE build_id = ?`, [build.buildId]);
    site.hint(hints.step(build.buildId, step!.id, 'started'));
    await page.getByText('seen live').waitFor();
    await page.getByRole('link', { name: 'Waterfall' }).click();
    await page.waitForURL(below('/waterfall'));
    await page.getByRole('link', { name: 'linux-tests' }).first().waitFor();
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((url) => !url.startsWith(below('/')))).toEqual([]);
  });

  it('is served below the path, and without it for a proxy that takes it off', async () => {
    for (const path of ['', '/', '/config', '/api/v2/builders?limit=1']) {
      const [outside, inside] = await Promise.all([fetch(below(path)), fetch(`${ui.url}${path}`)]);
      expect([outside.status, inside.status]).toEqual([200, 200]);
      expect(await outside.text()).toBe(await inside.text());
    }
    const config = (await (await fetch(below('/config'))).json()) as { buildbotURL: string };
    expect(config.buildbotURL).toBe('http://127.0.0.1/build.farm/ci/');
  });

  it('has links to further pages of a list that can be followed', async () => {
    for (let i = 0; i < 3; i++) await site.buildset({ builders: ['linux-tests'] });
    const first = (await (await fetch(below('/api/v2/buildrequests?limit=1'))).json()) as { meta: { next: string } };
    expect(first.meta.next).toMatch(/^\/build\.farm\/ci\/api\/v2\/buildrequests\?/);
    expect((await fetch(new URL(first.meta.next, ui.url))).status).toBe(200);
  });
});
