import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
