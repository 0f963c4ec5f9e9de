import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Cluster,
  eventually,
  provisionStockFrontend,
  requireService,
  stockFrontendFolder,
} from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { FIXTURES, type Stack, startStack } from './stacks.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
const PATIENT = { timeoutMs: 20_000 };
/** What that frontend asks for in vain from Buildbot's own server, too: a package's styles, and its icon at the root of the host. */
const EXPECTED = /\/plugins\/grid_view\/styles\.css|:\d+\/icon\.png$/;

const describeStock = requireService('chromium') && CHROMIUM && provisionStockFrontend() ? describe : describe.skip;

/** Below a path of its host, as behind a proxy that passes the path on. */
describeStock("Buildbot's own frontend, in a browser", () => {
  let stack: Stack;
  let cluster: Cluster;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    stack = await startStack('embedded');
    cluster = await stack.start(join(FIXTURES, 'stock-frontend.config.ts'), {
      E2E_STOCK_FRONTEND: stockFrontendFolder(),
      MILLRACE_URL: 'http://127.0.0.1/ci',
    });
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: QUIET });
    page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (
        message.type() === 'error' &&
        !/Failed to load resource/.test(message.text()) &&
        !EXPECTED.test(message.text())
      )
        errors.push(message.text());
    });
    page.on('response', (response) => {
      if (response.status() >= 400 && !EXPECTED.test(response.url()))
        errors.push(`${response.status()} ${response.url()}`);
    });
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await cluster.stop();
    await stack.stop();
  });

  const open = async (route: string): Promise<void> => {
    await page.goto(`${cluster.url}/ci/buildbot/#/${route}`);
    // Another route of the same page is no load.
    await page.reload();
  };

  it('forces a build, and follows it to its log', async () => {
    await open('builders');
    await page.getByText('hello', { exact: true }).first().click();
    await page.getByText('force', { exact: true }).first().click();
    await page.getByText('Start Build').click();
    await page.getByText('greet').first().waitFor();
    await eventually(async () => (await page.getByText('SUCCESS').count()) > 0, PATIENT);
    await page.goto(`${cluster.url}/ci/buildbot/#/builders/1/builds/1/steps/0/logs/stdio`);
    await page.getByText('hello from a step').first().waitFor();
  });

  it.each([
    ['', 'Welcome to buildbot'],
    ['waterfall', 'hello'],
    ['console', 'Console'],
    ['builders/1', 'hello'],
    ['builders/1/builds/1', 'greet'],
    ['buildrequests/1', 'hello'],
    ['pendingbuildrequests', 'Pending'],
    ['changes', 'Changes'],
    ['workers', 'local'],
    ['masters', 'Masters'],
    ['schedulers', 'force'],
    ['about', 'Millrace'],
    ['settings', 'Settings'],
  ])('shows the page /%s', async (route, text) => {
    await open(route);
    await eventually(async () => (await page.locator('body').innerText()).includes(text), PATIENT);
  });

  it('shows the web app below the same path, and nothing has failed', async () => {
    await page.goto(`${cluster.url}/ci/waterfall`);
    await page.locator('a[href*="/ci/builders/1/builds/"]').first().click();
    await page.getByText('greet').first().waitFor();
    expect(new URL(page.url()).pathname).toBe('/ci/builders/1/builds/1');
    expect(errors).toEqual([]);
  });
});
