import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { hints } from '@millrace/contracts';
import { type ClaimedBuild } from '@millrace/database';
import { Result } from '@millrace/domain';
import { requireService } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const WEB = fileURLToPath(new URL('../../web/dist', import.meta.url));
const QUIET =
  '--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const suite = requireService('chromium') ? describe : describe.skip;

suite('the pages, in Chromium', () => {
  let site: Site;
  let ui: UiServer;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    if (!existsSync(`${WEB}/index.html`)) throw new Error('the web app is not built: npm run build');
    site = await Site.onSqlite();
    ui = await startUi(site, { webFolder: WEB });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET.split(' ') });
    page = await browser.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    // A refused form (400) is not an error of the page.
    page.on(
      'console',
      (message) =>
        message.type() === 'error' && !message.text().includes('status of 400') && problems.push(message.text()),
    );
    page.on('request', (request) => !request.url().startsWith(ui.url) && problems.push(`request to ${request.url()}`));
  });
  afterEach(() => expect(problems.splice(0)).toEqual([]));
  afterAll(async () => {
    await browser.close();
    await ui.close();
    await site.close();
  });

  const begun = async (): Promise<ClaimedBuild> => {
    const created = await site.buildset({ builders: ['linux-tests'] });
    const build = await site.claim(created.requests[0]!.requestId, 'linux-tests');
    site.hint(hints.build(build.buildId, 'new'));
    return build;
  };
  const ended = async (build: ClaimedBuild, results: Result): Promise<void> => {
    await site.finish(build, results);
    site.hint(hints.build(build.buildId, 'finished'));
    site.hint(hints.builder(build.builderId));
  };

  it('a request that was collapsed leads to the one that is built in its place, and shows its build', async () => {
    await site.db.run(`UPDATE builders SET collapse = 'always' WHERE id = ?`, [site.builder('docs')]);
    const [first, second] = [await site.buildset({ builders: ['docs'] }), await site.buildset({ builders: ['docs'] })];
    await page.goto(`${ui.url}/requests/${first.requests[0]!.uuid}`);
    const { requestId: secondId } = second.requests[0]!;
    await page.getByRole('link', { name: `build request ${secondId}` }).waitFor();
    await page.getByText('No build has started yet.').waitFor();
    const third = await site.buildset({ builders: ['docs'] });
    const { requestId, builderId } = third.requests[0]!;
    site.hint(hints.request(secondId, builderId, 'complete'));
    const build = await site.claim(requestId, 'docs');
    site.hint(hints.build(build.buildId, 'new'));
    await page.getByRole('link', { name: `#${build.number}` }).waitFor();
    await ended(build, Result.SUCCESS);
    await site.db.run(`UPDATE builders SET collapse = NULL`);
  });

  it('changes shows the branches of codebases, each with its newest commit', async () => {
    for (const statement of [
      `INSERT INTO codebases (id, project_id, name, slug) VALUES (1, 1, 'app', 'the-app')`,
      `INSERT INTO codebase_commits (id, codebase_id, revision, author, comments, when_ms)
       VALUES (1, 1, 'abcdef0123456789', 'Ann <a@b>', 'the newest of all', 1000)`,
      `INSERT INTO codebase_branches (id, codebase_id, name, commit_id, moved_at_ms) VALUES (1, 1, 'next', 1, 3000)`,
    ])
      await site.db.run(statement);
    await page.goto(`${ui.url}/changes`);
    await page.getByText('Branches of the-app').click();
    await page.getByText('the newest of all').waitFor();
    await page.getByText('next', { exact: true }).waitFor();
  });

  it('home shows running and failed builds as they happen', async () => {
    await page.goto(`${ui.url}/`);
    await page.getByText('Nothing is running.').waitFor();
    const build = await begun();
    await page
      .locator('section', { hasText: 'Running now' })
      .getByRole('link', { name: `#${build.number}` })
      .waitFor();
    await ended(build, Result.FAILURE);
    await page
      .locator('section', { hasText: 'Failed lately' })
      .getByRole('link', { name: `failure #${build.number}` })
      .waitFor();
    await page.getByText('Nothing is running.').waitFor();
    await page.getByText(/1 failing/).waitFor();
  });

  it('a build page follows the log, and its lines have links', async () => {
    const build = await begun();
    await page.goto(`${ui.url}/builders/${build.builderId}/builds/${build.number}`);
    const say = async (from: number, to: number, entries: Parameters<Site['write']>[1] = []): Promise<void> => {
      const text = Array.from({ length: to - from }, (_, i) => `o\u001b[32mline\u001b[0m ${from + i + 1}\n`).join('');
      const committed = await site.write(build, [
        ...entries,
        { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text, lines: to - from },
      ]);
      for (const step of committed.steps) site.hint(hints.step(build.buildId, step.stepId, step.event));
      for (const log of committed.logs) site.hint(hints.log(build.buildId, log.stepId, log.logId, log.event));
    };
    await say(0, 5000, [{ kind: 'step-started', number: 0, name: 'test', hidden: false }]);
    await page.getByText('line 5000').waitFor();
    expect(await page.locator('.ansi-green-fg').first().textContent()).toBe('line');
    await say(5000, 5003);
    await page.getByText('line 5003').waitFor();
    // Only visible lines are rendered.
    expect(await page.locator('.line').count()).toBeLessThan(200);

    await page.goto(`${ui.url}/builders/${build.builderId}/builds/${build.number}/steps/0/logs/stdio#L2500`);
    const linked = page.locator('.line.linked');
    await linked.getByText('line 2500').waitFor();
    expect(await linked.textContent()).toBe('2500line 2500');
    await expectInSight(page, '.line.linked');
    await page.getByText('2503', { exact: true }).click();
    expect(new URL(page.url()).hash).toBe('#L2503');
    await site.write(build, [
      { kind: 'build-finished', end: { results: Result.SUCCESS, stateString: 'build successful' } },
    ]);
  });

  it('forces a build by form, by keyboard, and follows its request', async () => {
    await page.goto(`${ui.url}/builders/${site.builder('docs')}`);
    await page.getByRole('button', { name: 'Force a build' }).press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('reason').fill('');
    await dialog.getByRole('button', { name: 'Force a build' }).click();
    await dialog.getByText(`'reason:' needs to be specified`).waitFor();
    await dialog.getByLabel('reason').fill('by keyboard');
    await dialog.getByLabel('reason').press('Enter');
    await page.waitForURL('**/buildrequests/*');
    await page.getByText('First in the queue of its builder.').waitFor();
    await page.getByText('by keyboard').waitFor();
    const requestId = Number(page.url().split('/').at(-1));
    const build = await site.claim(requestId, 'docs');
    site.hint(hints.request(requestId, build.builderId, 'claimed'));
    site.hint(hints.build(build.buildId, 'new'));
    await page.getByRole('link', { name: `running #${build.number}` }).waitFor();
    await site.finish(build, Result.SUCCESS);
    site.hint(hints.build(build.buildId, 'finished'));
    site.hint(hints.request(requestId, build.builderId, 'complete'));
    await page.locator('h1').getByText('success').waitFor();
  });

  it('the waterfall is live, and its filter is in the URL', async () => {
    await page.goto(`${ui.url}/waterfall`);
    const column = page.getByRole('list', { name: 'linux-tests' });
    const before = await column.getByRole('listitem').count();
    const build = await begun();
    await column.getByRole('link', { name: `running ${build.number}` }).waitFor();
    expect(await column.getByRole('listitem').count()).toBeGreaterThan(before);
    await ended(build, Result.WARNINGS);
    await column.getByRole('link', { name: `warnings ${build.number}` }).waitFor();
    await page.getByRole('button', { name: 'docs' }).click();
    await page.waitForURL('**/waterfall?tag=docs');
    await column.waitFor({ state: 'detached' });
    await page.getByRole('list', { name: 'docs' }).waitFor();
  });

  it('cancels in the queue, shows the state of the bus, and reports unknown addresses', async () => {
    const created = await site.buildset({ builders: ['docs'] });
    await page.goto(`${ui.url}/pending`);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Nothing waits to be built.').waitFor();
    await page.goto(`${ui.url}/requests/${created.requests[0]!.uuid}`);
    await page.locator('h1').getByText('cancelled').waitFor();
    ui.setBus('connecting');
    await page.getByText('The message bus is away.').waitFor();
    ui.setBus('connected');
    await page.getByText('The message bus is away.').waitFor({ state: 'detached' });
    await page.goto(`${ui.url}/no/such/page`);
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
    // The browser says so as well.
    expect(problems.splice(0)).toEqual([expect.stringContaining('status of 404')]);
  });

  it('shows when the server is gone, and catches up when it is back', async () => {
    await page.goto(`${ui.url}/`);
    await page.getByText('Nothing is running.').waitFor();
    const port = Number(new URL(ui.url).port);
    await ui.close();
    await page.getByText('Connection to the server lost').waitFor();
    const created = await site.buildset({ builders: ['docs'] });
    const build = await site.claim(created.requests[0]!.requestId, 'docs');
    ui = await startUi(site, { webFolder: WEB, port });
    await page.getByRole('link', { name: `running #${build.number}` }).waitFor();
    await page.getByText('Connection to the server lost').waitFor({ state: 'detached' });
    // Refused connections are the only errors.
    expect(
      problems
        .splice(0)
        .filter(
          (problem) =>
            !/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_SOCKET_NOT_CONNECTED|ERR_EMPTY_RESPONSE|WebSocket/.test(
              problem,
            ),
        ),
    ).toEqual([]);
  });
});

async function expectInSight(page: Page, selector: string): Promise<void> {
  const inSight = await page.locator(selector).evaluate((element) => {
    const line = element.getBoundingClientRect();
    const box = element.closest('.log-box')!.getBoundingClientRect();
    return line.top >= box.top && line.bottom <= box.bottom;
  });
  expect(inSight).toBe(true);
}
