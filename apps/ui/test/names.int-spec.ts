import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { requireService } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const WEB = fileURLToPath(new URL('../../web/dist', import.meta.url));
const QUIET =
  '--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const ALIKE = 'integration-tests-of-the-whole-product-linux-x86_64-gcc-12-';
const suite = requireService('chromium') ? describe : describe.skip;

suite('long names, in Chromium', () => {
  let site: Site;
  let ui: UiServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    if (!existsSync(`${WEB}/index.html`)) throw new Error('the web app is not built: npm run build');
    site = await Site.onSqlite();
    for (const [old, end] of [
      ['linux-tests', 'debug'],
      ['docs', 'release'],
    ] as const) {
      for (const result of [Result.SUCCESS, Result.FAILURE]) await site.built(old, result);
      await site.db.run('UPDATE builders SET name = ? WHERE id = ?', [`${ALIKE}${end}`, site.builder(old)]);
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

  it.each([
    ['/waterfall', 1280],
    ['/waterfall', 400],
    ['/', 1280],
    ['/', 400],
    ['/workers/1', 1280],
    ['/workers/1', 400],
  ])('are cut where they are alike: %s, %d pixels wide', async (path, width) => {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`${ui.url}${path}`);
    for (const end of ['debug', 'release']) {
      const tail = page.locator('.cut-name > :last-child').getByText(end, { exact: true }).first();
      await tail.waitFor();
      const { isCut, isInside } = await tail.evaluate((element) => {
        const here = element.getBoundingClientRect();
        const around = element.closest('a, .grow, td')!.getBoundingClientRect();
        return { isCut: element.scrollWidth > element.clientWidth, isInside: here.right <= around.right + 1 };
      });
      expect({ isCut, isInside }).toEqual({ isCut: false, isInside: true });
    }
    expect(
      await page
        .locator('[title]', { has: page.locator('.cut-name', { hasText: 'release' }) })
        .first()
        .getAttribute('title'),
    ).toBe(`${ALIKE}release`);
  });
});
