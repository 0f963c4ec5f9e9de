import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Balancer,
  type Cluster,
  eventually,
  type Extra,
  provisionStockFrontend,
  requireService,
  stockFrontendFolder,
} from '@millrace/testing';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { TestRepository } from './git-repository.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
const PATIENCE_MS = 60_000;
const TEST_MS = 240_000;
const PATIENT = { timeoutMs: PATIENCE_MS };
/** What that frontend asks for in vain from Buildbot's own server, too: a package's styles, and its icon at the root of the host. */
const EXPECTED = /\/plugins\/grid_view\/styles\.css|:\d+\/icon\.png$/;
/** SQLite has the same pages, and `conformance.e2e-spec.ts` asks for what they ask on both. */
const STACK = availableStacks().at(-1)!;

type Row = Readonly<Record<string, unknown>>;

const describeStock = requireService('chromium') && CHROMIUM && provisionStockFrontend() ? describe : describe.skip;

/** Below a path of its host, as behind a proxy that passes the path on, and served by two UIs. */
describeStock(`Buildbot's own frontend, in a browser, on ${STACK}`, () => {
  let stack: Stack;
  let cluster: Cluster;
  let second: Extra;
  let balancer: Balancer;
  let browser: Browser;
  let page: Page;
  /** What the UI refused, though the page asked for it. */
  const errors: string[] = [];
  /** The numbers of builders and workers by their names. */
  const ids: Record<string, number> = {};

  beforeAll(async () => {
    stack = await startStack(STACK);
    const repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    cluster = await stack.start(join(FIXTURES, 'stock-frontend.config.ts'), {
      E2E_STOCK_FRONTEND: stockFrontendFolder(),
      E2E_REPOSITORY: repository.url,
      MILLRACE_URL: 'http://127.0.0.1/ci',
    });
    second = await cluster.add('ui', 'ui-2');
    await eventually(async () => (await fetch(`http://127.0.0.1:${second.httpPort}/readyz`)).ok, PATIENT);
    balancer = await Balancer.start([second.httpPort!, cluster.ports.ui]);
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: QUIET });
    page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('response', (response) => {
      if (response.status() >= 400 && !EXPECTED.test(response.url()))
        errors.push(`${response.status()} ${response.url()}`);
    });
    for (const { name, builderid } of (await api('/builders'))['builders']!) ids[String(name)] = Number(builderid);
    for (const { name, workerid } of (await api('/workers'))['workers']!) ids[String(name)] = Number(workerid);
    for (const builder of ['starved', 'slow']) await force(builder);
    await eventually(async () => (await lastBuild('tests'))?.['complete'] === true, PATIENT);
  }, 240_000);
  afterAll(async () => {
    await browser.close();
    await balancer.stop();
    await cluster.stop();
    await stack.stop();
  });

  const open = async (route: string): Promise<void> => {
    const filled = route.replace(/\{(\w+)\}/g, (_whole, name: string) => String(ids[name]));
    // Another route of the same page is no load, and what the page before still waits for may lead elsewhere.
    await page.goto('about:blank');
    await page.goto(`http://127.0.0.1:${balancer.port}/ci/buildbot/#/${filled}`);
  };
  const shows = (text: string) =>
    eventually(async () => (await page.locator('body').innerText()).includes(text), {
      ...PATIENT,
      what: `'${text}' on ${page.url()}`,
    });
  const button = (name: string): Locator => page.getByRole('button', { name });
  const field = (name: string): Locator => page.locator(`[data-bb-test-id="force-field-${name}"]`);
  const api = (path: string) => cluster.api<Readonly<Record<string, Row[]>>>(path);
  const force = (builder: string) =>
    cluster.api('/forceschedulers/force', {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'force', params: { builderNames: [builder] } }),
    });
  const lastBuild = async (builder: string): Promise<Row | undefined> =>
    (await api(`/builders/${builder}/builds?order=-number&limit=1`))['builds']![0];
  const pathOf = async (builder: string): Promise<string> => {
    const build = await eventually(async () => (await lastBuild(builder)) ?? false, {
      ...PATIENT,
      what: `a build of ${builder}`,
    });
    return `builders/${String(build['builderid'])}/builds/${String(build['number'])}`;
  };

  it(
    'forces a build, and follows it to its log',
    async () => {
      await open('builders');
      await page.getByText('hello', { exact: true }).first().click();
      await page.getByText('force', { exact: true }).first().click();
      await page.getByText('Start Build').click();
      await page.getByText('greet').first().waitFor();
      await shows('SUCCESS');
      await open('builders/{hello}/builds/1/steps/1/logs/stdio');
      await page.getByText('hello from a step').first().waitFor();
    },
    TEST_MS,
  );

  it.each([
    ['', 'Welcome to buildbot'],
    ['waterfall', 'hello'],
    ['console', 'good'],
    ['grid', 'tests'],
    ['projects', 'widgets'],
    ['projects/1', 'All of the widgets'],
    ['builders/{hello}', 'hello'],
    ['builders/{hello}/builds/1', 'greet'],
    ['buildrequests/1', 'Debug'],
    ['pendingbuildrequests', 'starved'],
    ['changes', 'good'],
    ['changes/1', 'Changed files'],
    ['workers', 'ghost'],
    ['workers/{local}', 'os_name'],
    ['masters', 'engine@'],
    ['schedulers', 'force'],
    ['about', 'Millrace'],
    ['settings', 'Settings'],
  ])(
    'shows the page /%s',
    async (route, text) => {
      await open(route);
      await shows(text);
    },
    TEST_MS,
  );

  it(
    'shows each tab of a build, and a report as the page that it is',
    async () => {
      const path = await pathOf('tests');
      await open(path);
      for (const [tab, text] of [
        ['Build Properties', 'got_revision'],
        ['Worker: local', 'numcpus'],
        ['Responsible Users', 'Ada'],
        ['Changes', '1 changes'],
        ['Debug', 'submitted_at'],
        ['Build steps', 'report done'],
      ] as const) {
        await page.getByRole('tab', { name: tab }).click();
        await shows(text);
      }
      await open(`${path}/steps/2/logs/report.html`);
      await page.locator('b#shown').waitFor();
    },
    TEST_MS,
  );

  it(
    'starts a build with fields of every kind, and says what is wrong with one',
    async () => {
      await open('builders/{hello}/force/form');
      const start = page.getByText('Start build', { exact: true });
      const refused = page.waitForResponse((response) => response.status() === 400);
      await start.click();
      await refused;
      await shows("'Version' needs to be specified");
      errors.splice(
        errors.findIndex((error) => /^400 .*forceschedulers\/form/.test(error)),
        1,
      );
      await field('version').fill('1.2');
      await field('notes').fill('two\nlines');
      await field('jobs').fill('7');
      await field('clean').check();
      await field('extra_name').fill('colour');
      await field('extra_value').fill('blue');
      await start.click();
      const build = await eventually(
        async () => {
          const found = await lastBuild('hello');
          return found !== undefined && Number(found['number']) >= 2 && found;
        },
        { ...PATIENT, what: 'the build' },
      );
      const { properties } = await api(`/builds/${String(build['buildid'])}/properties`);
      const values = Object.fromEntries(
        Object.entries(properties![0]!).map(([name, value]) => [name, (value as unknown[])[0]]),
      );
      expect(values).toMatchObject({
        ...{ version: '1.2', notes: 'two\nlines', jobs: 7, clean: true, colour: 'blue', branch: 'main' },
        ...{ systems: [], free: 'one', channel: 'stable', options: { first: { depth: '1' } }, project: 'widgets' },
      });
    },
    TEST_MS,
  );

  it(
    'rebuilds a build',
    async () => {
      await open(await pathOf('tests'));
      await button('Rebuild').click();
      await page.waitForURL(new RegExp(`builders/${ids['tests']}/builds/2$`));
      await shows('SUCCESS');
    },
    TEST_MS,
  );

  it(
    'cancels a request',
    async () => {
      const { buildrequests } = await api('/buildrequests?complete=false&order=buildrequestid');
      const request = buildrequests!.find(({ builderid }) => builderid === ids['starved'])!['buildrequestid'];
      await open(`buildrequests/${String(request)}`);
      await button('Cancel').click();
      await eventually(
        async () => (await api(`/buildrequests/${String(request)}`))['buildrequests']![0]!['results'] === 6,
        PATIENT,
      );
    },
    TEST_MS,
  );

  it(
    'pauses a worker, and lets it go on',
    async () => {
      const isPaused = async (): Promise<boolean> =>
        (await api(`/workers/${ids['local']}`))['workers']![0]!['paused'] === true;
      for (const [name, paused] of [
        ['Pause', true],
        ['Unpause', false],
      ] as const) {
        await open('workers/{local}');
        await button('Actions...').click();
        await page.getByRole('button', { name, exact: true }).click();
        await eventually(async () => (await isPaused()) === paused, PATIENT);
      }
    },
    TEST_MS,
  );

  it(
    'disables a scheduler, and enables it again',
    async () => {
      await open('schedulers');
      const box = page.locator('tr', { hasText: 'changes' }).locator('input');
      for (const enabled of [false, true]) {
        await box.click();
        await eventually(
          async () =>
            (await api('/schedulers'))['schedulers']!.find(({ name }) => name === 'changes')!['enabled'] === enabled,
          PATIENT,
        );
        await eventually(async () => (await box.isChecked()) === enabled, PATIENT);
      }
    },
    TEST_MS,
  );

  it(
    'goes on through the other UI when the one that serves it is killed, and stops a build there',
    async () => {
      await open(await pathOf('slow'));
      await button('Stop').waitFor();
      // It has answered everything so far.
      expect(errors).toEqual([]);
      balancer.offer([cluster.ports.ui]);
      const { pid } = second.process;
      process.kill(pid!, 'SIGKILL');
      await eventually(() => second.process.pid !== pid, { ...PATIENT, what: 'its end' });
      // A new one has its port soon: connections to that would be none of a UI that is gone.
      balancer.drop();
      await button('Stop').click();
      await eventually(async () => (await lastBuild('slow'))?.['results'] === 6, PATIENT);
      // That frontend subscribes once, so a page that lost its socket does not hear of it.
      await page.reload();
      await shows('CANCELLED');
    },
    TEST_MS,
  );

  it(
    'shows the web app below the same path',
    async () => {
      await page.goto(`${cluster.url}/ci/waterfall`);
      await page.locator(`a[href*="/ci/builders/${ids['hello']}/builds/"]`).first().click();
      await page.getByText('greet').first().waitFor();
      expect(new URL(page.url()).pathname).toMatch(/^\/ci\/builders\/\d+\/builds\/\d+$/);
    },
    TEST_MS,
  );
});
