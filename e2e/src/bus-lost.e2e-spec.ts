import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, eventually, requireService } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { TestRepository } from './git-repository.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

const PATIENT = { timeoutMs: 30_000 };
const stacks = availableStacks().filter((name) => name !== 'embedded');
const suite = requireService('chromium') && stacks.length > 0 ? describe : describe.skip;

suite.each(stacks)('pages without a bus, %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    stack = await startStack(name);
    const repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    cluster = await stack.start(join(FIXTURES, 'first-light.config.ts'), { E2E_REPOSITORY: repository.url });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--disable-gpu'] });
    page = await browser.newPage();
    page.setDefaultTimeout(PATIENT.timeoutMs);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await cluster.stop();
    await stack.stop();
  });

  it('say on every page that the bus is away, and show what happens all the same', async () => {
    const away = page.getByText('The message bus is away.');
    await page.goto(`${cluster.url}/masters`);
    await page.getByRole('heading', { name: 'Masters' }).waitFor();
    expect(await away.count()).toBe(0);
    await stack.bus!.kill();
    await away.waitFor();
    for (const [path, heading] of [
      ['/', 'Projects'],
      ['/waterfall', 'Waterfall'],
      ['/workers', 'Workers'],
      ['/no/such/page', 'Not found'],
    ] as const) {
      await page.goto(`${cluster.url}${path}`);
      await page.getByRole('heading', { name: heading }).waitFor();
      await away.waitFor();
    }
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['parade'] });
    await page.goto(`${cluster.url}${new URL(requests[0]!.link).pathname}`);
    await page.locator('a[href*="/builds/"]').first().waitFor();
    await stack.bus!.restart();
    await away.waitFor({ state: 'detached' });
    await eventually(async () => {
      const { bus } = (await (await fetch(`${cluster.url}/config`)).json()) as { bus: string };
      return bus === 'connected';
    }, PATIENT);
  });
});
