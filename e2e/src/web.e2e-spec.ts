import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, eventually, requireService } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { TestRepository } from './git-repository.js';
import { FIXTURES, type Stack, startStack } from './stacks.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const QUIET = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const PATIENT = { timeoutMs: 20_000 };

const describeWeb = requireService('chromium') && CHROMIUM ? describe : describe.skip;

describeWeb('the pages, in a browser', () => {
  let stack: Stack;
  let cluster: Cluster;
  let browser: Browser;
  let page: Page;
  let repository: TestRepository;
  const errors: string[] = [];

  beforeAll(async () => {
    stack = await startStack('embedded');
    repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    repository.checkout('failing');
    repository.commit('bad');
    repository.checkout('main');
    cluster = await stack.start(join(FIXTURES, 'first-light.config.ts'), { E2E_REPOSITORY: repository.url });
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: QUIET });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await cluster.stop();
    await stack.stop();
  });

  it('shows builds on the waterfall as they happen, the failing branch red', async () => {
    await page.goto(`${cluster.url}/waterfall?project=e2e`);
    await page.getByText('check', { exact: true }).first().waitFor();
    const bars = page.locator('a[href*="/builds/"]');
    await eventually(async () => (await bars.count()) >= 2, PATIENT);
    const before = await bars.count();
    repository.commit('good once more');
    // Without a reload: the new build comes over the WebSocket.
    await eventually(async () => (await bars.count()) > before, PATIENT);
    expect(await page.content()).toContain('✕');
  });

  it('leads from a build to its log lines, which can be linked to', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['parade'] });
    await page.goto(`${cluster.url}${new URL(requests[0]!.link).pathname}`);
    await page.locator('a[href*="/builds/"]').first().click();
    await page.getByText('interpolated').first().waitFor();
    await page.getByText('warnings').first().waitFor();
    await page.getByText('sums.carries').waitFor();
    await page.getByText('got 0').waitFor();
    await page.getByRole('link', { name: 'coverage' }).waitFor();
    const log = page.locator('a[href*="/steps/"][href*="/logs/stdio"]').nth(1);
    await log.click();
    await page.getByText('the answer is 42').first().waitFor();
    await page.goto(`${page.url().split('#')[0]}#L2`);
    await page.getByText('the answer is 42').first().waitFor();
  });

  it('follows a request that no worker can build yet, from its link', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['nobody'] });
    await page.goto(`${cluster.url}${new URL(requests[0]!.link).pathname}`);
    await page.getByText('The worker of this builder is not connected.').waitFor();
  });

  it('forces a build with the keyboard alone', async () => {
    const { builders } = await cluster.api<{ builders: { builderid: number }[] }>('/builders/true');
    await page.goto(`${cluster.url}/builders/${builders[0]!.builderid}`);
    const button = page.getByRole('button', { name: /force/i }).first();
    await button.waitFor();
    await button.focus();
    await page.keyboard.press('Enter');
    const submit = page.getByRole('dialog').getByRole('button').last();
    await submit.waitFor();
    await submit.focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/requests|builds/);
    await page
      .getByText(/success/i)
      .first()
      .waitFor();
  });

  it('rebuilds a build, and leads to the new one', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['true'] });
    await page.goto(`${cluster.url}${new URL(requests[0]!.link).pathname}`);
    const build = page.locator('a[href*="/builds/"]').first();
    await build.click();
    const former = page.getByRole('heading', { level: 1 }).filter({ hasText: /Build #\d+/ });
    const number = /#(\d+)/.exec((await former.textContent())!)![1]!;
    // Only a build that has ended has the button.
    await page.getByRole('button', { name: 'Rebuild', exact: true }).click({ timeout: PATIENT.timeoutMs * 3 });
    await page.waitForURL(/\/buildrequests\/\d+$/);
    await build.click();
    await page.waitForURL(/\/builds\/\d+$/);
    const next = new URL(page.url()).pathname.split('/').at(-1)!;
    expect(Number(next)).toBeGreaterThan(Number(number));
    // It ends as the former did, so it is the same that was built.
    await page.getByRole('button', { name: 'Rebuild', exact: true }).waitFor({ timeout: PATIENT.timeoutMs * 3 });
    const { builds } = await cluster.api<{ builds: { results: number }[] }>(`/builders/true/builds/${next}`);
    expect(builds[0]!.results).toBe(0);
  }, 180_000);

  it('forces a build of a patch, with files and values of groups', async () => {
    const { builders } = await cluster.api<{ builders: { builderid: number }[] }>('/builders/check');
    await page.goto(`${cluster.url}/builders/${builders[0]!.builderid}`);
    await page.getByRole('button', { name: 'Try a patch' }).click();
    const dialog = page.getByRole('dialog');
    const field = (name: string) => dialog.locator(`[name="${name}"]`);
    const file = (name: string, text: string) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
    const patch = `--- a/source.txt\n+++ b/source.txt\n@@ -1 +1 @@\n-bad\n+good again\n`;
    await field('app_branch').selectOption('failing');
    await field('app_patch_body').setInputFiles(file('mend.diff', patch));
    await field('app_patch_author').fill('Ada');
    await field('app_patch_comment').fill('mended');
    await field('options_deep_jobs').fill('3');
    await dialog.getByRole('tab', { name: 'notes' }).click();
    await field('options_notes').setInputFiles(file('notes.txt', 'a note\n'));
    await dialog.getByRole('button', { name: 'Try a patch' }).click();
    await page.waitForURL(/\/buildrequests\/\d+/);
    await page.getByText('with a patch by Ada: mended').click();
    await page.getByText('+good again').waitFor();
    const requestId = new URL(page.url()).pathname.split('/').at(-1)!;
    const builds = await eventually(
      async () => {
        const answer = await cluster.api<{ builds: { results: number | null; properties: object }[] }>(
          `/builds?buildrequestid=${requestId}&property=options`,
        );
        return answer.builds[0]?.results === 0 && answer.builds;
      },
      { timeoutMs: 60_000, what: 'the build of the patch' },
    );
    expect(builds[0]!.properties).toEqual({ options: [{ deep: { jobs: 3 }, notes: 'a note\n' }, 'Force Build Form'] });
  });

  it('pauses a worker with a reason, resumes it, and shuts it down', async () => {
    await page.goto(`${cluster.url}/workers`);
    const row = page.locator('tr', { hasText: 'local' });
    await row.getByText('connected', { exact: true }).waitFor();
    await row.getByRole('button', { name: 'Pause…' }).click();
    await page.getByLabel('Reason').fill('new disk');
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await row.getByText('(new disk)').waitFor();
    await row.getByRole('button', { name: 'Go on' }).click();
    await row.getByText('(new disk)').waitFor({ state: 'detached' });
    await row.getByRole('link', { name: 'local' }).click();
    await page.getByText('msgpack').waitFor();
    const before = cluster.pids('worker');
    await page.getByRole('button', { name: 'Shut down…' }).click();
    await page.getByLabel('Reason').fill('old kernel');
    await page.keyboard.press('Enter');
    // The worker's supervisor restarts it, and then it builds.
    await eventually(() => cluster.pids('worker').some((pid) => !before.includes(pid)), PATIENT);
    await page.locator('.lead').getByText('connected', { exact: true }).waitFor();
  });

  it.each(['/', '/waterfall', '/pending', '/changes', '/workers', '/workers/1', '/schedulers', '/locks', '/masters'])(
    'shows %s in light, dark and narrow without an error',
    async (path) => {
      errors.length = 0;
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.goto(`${cluster.url}${path}`);
        await page.getByRole('navigation').first().waitFor();
        await page.waitForLoadState('networkidle');
      }
      await page.setViewportSize({ width: 400, height: 800 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(400);
      await page.setViewportSize({ width: 1280, height: 800 });
      expect(errors).toEqual([]);
    },
  );

  it('shows the revisions of the configuration', async () => {
    await page.goto(`${cluster.url}/configuration`);
    const row = page.locator('tr', { hasText: 'the first one' });
    await row.getByRole('link').click();
    await page.getByText('Nothing that is stored').waitFor();
    await page.getByText(/scheduler@/).waitFor();
  });

  it('misses nothing between its first fetch and the opening of its socket', async () => {
    const late = await browser.newPage();
    let open = (): void => undefined;
    const opening = new Promise<void>((resolve) => (open = resolve));
    await late.routeWebSocket('**/ws', async (socket) => {
      await opening;
      socket.connectToServer();
    });
    await late.goto(`${cluster.url}/changes`);
    await late.getByText('good once more').first().waitFor();
    repository.commit('while the socket was opening');
    await eventually(async () => {
      const { changes } = await cluster.api<{ changes: { comments: string }[] }>('/changes?limit=1&order=-changeid');
      return changes[0]!.comments.startsWith('source: while');
    }, PATIENT);
    open();
    await late.getByText('while the socket was opening').first().waitFor();
    await late.close();
  });

  it('retries what the server could not answer, and shows the error', async () => {
    const unlucky = await browser.newPage();
    await unlucky.route('**/api/v2/changes?*', (route) =>
      route.fulfill({ status: 503, body: '{"error":"no database"}' }),
    );
    await unlucky.goto(`${cluster.url}/changes`);
    await unlucky.getByRole('alert').getByText('no database').waitFor();
    await unlucky.unroute('**/api/v2/changes?*');
    await unlucky.getByText('good once more').first().waitFor();
    await unlucky.getByText('no database').waitFor({ state: 'detached' });
    await unlucky.close();
  });

  it('retries slowly when older builds cannot be fetched', async () => {
    const unlucky = await browser.newPage();
    const times: number[] = [];
    await unlucky.route('**/api/v2/builds?*limit=150*', (route) =>
      route.continue({ url: route.request().url().replace('limit=150', 'limit=1') }),
    );
    await unlucky.route(/cursor=/, (route) => {
      times.push(performance.now());
      return route.fulfill({ status: 503, body: '{"error":"no database"}' });
    });
    await unlucky.goto(`${cluster.url}/waterfall`);
    await unlucky.getByText('no database').waitFor();
    await eventually(() => times.length > 1, PATIENT);
    expect(times[1]! - times[0]!).toBeGreaterThan(1000);
    await unlucky.unroute(/cursor=/);
    await unlucky.getByText('The first build is above.').waitFor();
    await unlucky.close();
  });

  it('shows a log as soon as it exists, and the state of its step', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['slow'] });
    const path = `/buildrequests/${requests[0]!.id}/builds`;
    const build = await eventually(async () => {
      const { builds } = await cluster.api<{ builds: { buildid: number; builderid: number; number: number }[] }>(path);
      return builds[0] ?? false;
    }, PATIENT);
    const steps = `${cluster.url}/builders/${build.builderid}/builds/${build.number}/steps`;
    await page.goto(`${steps}/1/logs/stdio`);
    await page.getByText('begun', { exact: true }).waitFor();
    await page.locator('h1').getByText('running').waitFor();
    const early = await browser.newPage();
    await early.goto(`${steps}/2/logs/stdio`);
    await early.getByText('There is no such log.').waitFor();
    await early.evaluate(
      (url) =>
        fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"jsonrpc":"2.0","id":1,"method":"stop","params":{}}',
        }),
      `${cluster.url}/api/v2/builds/${build.buildid}`,
    );
    await page.locator('h1').getByText('cancelled').waitFor();
    await early.locator('.log').getByText('after', { exact: true }).waitFor();
    await early.close();
  });

  it('shows that it lost the server, and recovers by itself', async () => {
    await page.goto(`${cluster.url}/`);
    await page.getByText('Projects').first().waitFor();
    const [pid] = cluster.signal('ui', 'SIGKILL');
    await page
      .getByText(/reconnecting/i)
      .first()
      .waitFor();
    await eventually(() => cluster.pids('ui').some((other) => other !== pid), PATIENT);
    await page
      .getByText(/reconnecting/i)
      .first()
      .waitFor({ state: 'detached' });
    await page.getByText('Projects').first().waitFor();
  });
});
