import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hints } from '@millrace/contracts';
import { type ClaimedBuild } from '@millrace/database';
import { eventually, requireService } from '@millrace/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const WEB = fileURLToPath(new URL('../../web/dist', import.meta.url));
/** Keys scroll without animation, so that the test can check the position. */
const QUIET =
  '--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-smooth-scrolling';
/** More lines than a browser can lay out. */
const MANY = 950_000;
const PATIENT = { timeoutMs: 30_000 };
const RED = '\u001b[31m';
const suite = requireService('chromium') ? describe : describe.skip;

suite('the page of a log, in Chromium', () => {
  let site: Site;
  let ui: UiServer;
  let browser: Browser;
  let page: Page;
  let build: ClaimedBuild;
  let steps = 0;

  beforeAll(async () => {
    if (!existsSync(`${WEB}/index.html`)) throw new Error('the web app is not built: npm run build');
    site = await Site.onSqlite();
    ui = await startUi(site, { webFolder: WEB });
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET.split(' ') });
    page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    const created = await site.buildset({ builders: ['linux-tests'] });
    build = await site.claim(created.requests[0]!.requestId, 'linux-tests');
  });
  afterAll(async () => {
    await browser.close();
    await ui.close();
    await site.close();
  });

  const append = async (step: number, lines: readonly string[], isNew = false): Promise<void> => {
    const committed = await site.write(build, [
      ...(isNew ? [{ kind: 'step-started' as const, number: step, name: `step ${step}`, hidden: false }] : []),
      {
        kind: 'log-lines',
        step,
        log: 'stdio',
        type: 's',
        text: lines.map((line) => `o${line}\n`).join(''),
        lines: lines.length,
      },
    ]);
    for (const one of committed.steps) site.hint(hints.step(build.buildId, one.stepId, one.event));
    for (const log of committed.logs) site.hint(hints.log(build.buildId, log.stepId, log.logId, log.event));
  };
  /**
   * Makes a new log.
   * @returns its address
   */
  const logOf = async (lines: readonly string[]): Promise<{ step: number; path: string }> => {
    const step = steps++;
    for (let from = 0; from === 0 || from < lines.length; from += 50_000)
      await append(step, lines.slice(from, from + 50_000), from === 0);
    return {
      step,
      path: `${ui.url}/builders/${build.builderId}/builds/${build.number}/steps/${step}/logs/stdio`,
    };
  };
  const counted = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i + 1}`);
  const inSight = (): Promise<number[]> =>
    page.locator('.log-box').evaluate((box) => {
      const { top, bottom } = box.getBoundingClientRect();
      return [...box.querySelectorAll('.line')]
        .filter((line) => {
          const at = line.getBoundingClientRect();
          return at.top >= top - 1 && at.bottom <= bottom + 1;
        })
        .map((line) => Number(line.querySelector('.line-number')!.textContent));
    });
  const showing = (line: number): Promise<boolean> => eventually(async () => (await inSight()).includes(line), PATIENT);

  it('of more lines than a browser can lay out opens at its end, and every line can be reached by keyboard', async () => {
    const { path, step } = await logOf(counted(0, MANY));
    await page.goto(path);
    await page.getByText(`line ${MANY}`, { exact: true }).waitFor();
    await showing(MANY);
    await page.keyboard.press('Home');
    await showing(1);
    await page.getByText('line 1', { exact: true }).waitFor();
    await page.keyboard.press('End');
    await showing(MANY);

    // No line is left out when scrolling by pages, neither near the ends nor in the middle.
    const across = async (key: string, times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const before = await inSight();
        await page.keyboard.press(key);
        const after = await eventually(async () => {
          const lines = await inSight();
          return lines.length >= before.length - 1 && lines[0] !== before[0] && lines;
        }, PATIENT);
        const [first, last] = [Math.min(before[0]!, after[0]!), Math.max(before.at(-1)!, after.at(-1)!)];
        expect(last - first + 1).toBeLessThanOrEqual(before.length + after.length);
      }
    };
    await across('PageUp', 3);
    await page.getByLabel('Go to line').fill('475000');
    await page.keyboard.press('Enter');
    await showing(475_000);
    expect(new URL(page.url()).hash).toBe('#L475000');
    await page.locator('.line.linked').getByText('line 475000', { exact: true }).waitFor();
    await page.locator('.log-box').focus();
    await across('PageDown', 3);
    await across('PageUp', 6);
    await across('ArrowDown', 3);

    await page.keyboard.press('End');
    await page.getByText('To the end').waitFor({ state: 'detached' });
    await append(step, ['THE END']);
    await page.getByText('THE END', { exact: true }).waitFor();
    await showing(MANY + 1);
  });

  it('shows the line of a link, also one that does not exist yet', async () => {
    const { path, step } = await logOf(counted(0, 5000));
    await page.goto(`${path}#L2500`);
    await showing(2500);
    await page.locator('.line.linked').getByText('line 2500', { exact: true }).waitFor();
    await page.goto('about:blank');
    await page.goto(`${path}#L5010`);
    await page.getByText('5,000 lines').waitFor();
    await append(step, counted(5000, 5100));
    await showing(5010);
    await page.locator('.line.linked').getByText('line 5010', { exact: true }).waitFor();
    // The view does not jump to the end.
    await append(step, counted(5100, 5200));
    await page.getByText('5,200 lines').waitFor();
    await showing(5010);
  });

  it('does not move while somebody reads a growing log, until they come back to its end', async () => {
    const { path, step } = await logOf(counted(0, 1000));
    await page.goto(path);
    await showing(1000);
    await append(step, counted(1000, 1010));
    await showing(1010);
    await page.keyboard.press('Home');
    await showing(1);
    await append(step, counted(1010, 1020));
    await page.getByText('1,020 lines').waitFor();
    expect((await inSight())[0]).toBe(1);
    await page.getByRole('button', { name: 'Follow' }).click();
    await append(step, counted(1020, 1030));
    await showing(1030);
  });

  it('keeps a colour over lines, pages and added lines, until it is reset', async () => {
    const lines = counted(0, 3500);
    lines[9] = `${RED}line 10`;
    const { path, step } = await logOf(lines);
    await page.goto(path);
    const red = (line: number): Promise<void> =>
      page.locator('.line .ansi-red-fg').getByText(`line ${line}`, { exact: true }).waitFor();
    await red(3500);
    await append(step, ['line 3501', '\u001b[0mline 3502', 'line 3503']);
    await red(3501);
    await page.getByText('line 3503', { exact: true }).waitFor();
    expect(await page.locator('.ansi-red-fg').getByText('line 3503').count()).toBe(0);
    await page.keyboard.press('Home');
    await red(10);
    expect(await page.locator('.ansi-red-fg').getByText('line 9', { exact: true }).count()).toBe(0);
    await page.goto(`${path}#L1001`);
    await red(1001);
  });

  it('below a step scrolls to a line, and leads from a line to its link', async () => {
    const { step } = await logOf(counted(0, 3000));
    await page.goto(`${ui.url}/builders/${build.builderId}/builds/${build.number}`);
    const row = page.locator('.step', { hasText: `step ${step}` });
    if ((await row.getByRole('button').first().getAttribute('aria-expanded')) === 'false')
      await row.getByRole('button').first().click();
    await row.getByLabel('Go to line').fill('1234');
    await page.keyboard.press('Enter');
    await row.locator('.line.linked').getByText('line 1234', { exact: true }).waitFor();
    await row.locator('.line.linked .line-number').click();
    await page.waitForURL(`**/steps/${step}/logs/stdio#L1234`);
    await page.locator('.line.linked').getByText('line 1234', { exact: true }).waitFor();
    await showing(1234);
  });
});
