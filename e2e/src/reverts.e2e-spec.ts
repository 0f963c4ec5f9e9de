import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually, type Extra, freePort, requireService } from '@millrace/testing';
import { chromium } from 'playwright-core';
import { Api } from './resources.js';
import { availableStacks, millraceSoon, type Stack, startStack } from './stacks.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const inBrowser = requireService('chromium') && CHROMIUM ? it : it.skip;

interface Readiness {
  readonly status: string;
  readonly ambers?: readonly string[];
}

describe.each(availableStacks().slice(0, 2))('going back to an earlier configuration on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let folder: string;
  let other: Extra;

  /** Writes a configuration whose scheduler and step are called so. */
  const write = (called: string, imports: string, said: string): void =>
    writeFileSync(
      join(folder, 'master.config.ts'),
      `import { builder, defineConfig, trigger, worker } from '@millrace/config';
import { shell } from '@millrace/steps';
${imports}
export default defineConfig({
  title: '${called}',
  workers: [worker('local', { passwordEnv: 'MILLRACE_WORKER_PASSWORD' })],
  builders: [builder('b', { workers: ['local'], factory: [shell({ name: 'say', command: ['echo', ${said}] })] })],
  schedulers: [trigger('${called}', { builders: ['b'] })],
});
`,
    );

  beforeAll(async () => {
    stack = await startStack(name);
    folder = join(stack.folder, 'configuration');
    mkdirSync(join(folder, 'parts'), { recursive: true });
    writeFileSync(join(folder, 'parts', 'said.ts'), `export const said: string = 'said by the first one';`);
    write('first', `import { said } from './parts/said.ts';`, 'said');
    cluster = await stack.start(join(folder, 'master.config.ts'));
    api = new Api(cluster);
  }, 240_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  const database = (): string => stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
  const newest = async (): Promise<string> =>
    (await cluster.api<{ revisions: { fingerprint: string }[] }>('/revisions?order=-revisionid&limit=1')).revisions[0]!
      .fingerprint;
  const readiness = async ({ httpPort }: Extra): Promise<Readiness> =>
    (await (await fetch(`http://127.0.0.1:${httpPort}/readyz`)).json()) as Readiness;
  const isReady = (extra: Extra, is: (readiness: Readiness) => boolean, what: string) =>
    eventually(async () => is(await readiness(extra).catch(() => ({ status: 'away' }))), { timeoutMs: 60_000, what });
  const reverts = async () =>
    (await cluster.api<{ reverts: { masters: string[]; missing: { master: string; why: string }[] }[] }>('/reverts'))
      .reverts;

  it('brings a deleted file back; a second scheduler that lacks the revision says so, and goes on with what it has', async () => {
    const first = await newest();
    rmSync(join(folder, 'parts'), { recursive: true });
    write('second', '', `'said by the second one'`);
    expect((await millraceSoon(['reconfig', '--database', database()])).status).toBe(0);
    const port = await freePort();
    other = await cluster.add('scheduler', 'other', undefined, { MILLRACE_TRIGGER_PORT: String(port) });
    await isReady(other, ({ status }) => status === 'ok', 'the other scheduler to be ready');

    const { status, stdout } = await millraceSoon(['config', 'revert', first.slice(0, 12), '--database', database()]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/other.*is not kept on this machine/);
    expect(await reverts()).toMatchObject([
      {
        masters: [expect.any(String), expect.any(String)],
        missing: [{ master: 'other', why: expect.stringContaining('is not kept on this machine') as unknown }],
      },
    ]);
    const { stdout: list } = await millraceSoon(['config', 'list', '--database', database()]);
    expect(list).toMatch(/other stays with what it has: revision \w+ is not kept on this machine/);
    const [, inForceOn] = /asked to go back to \w+ from \w+, which the file has\. It is in force on (.*)\.$/m.exec(
      list,
    )!;
    const [masters] = (await reverts()).map(({ masters: names }) => names);
    expect(inForceOn!.split(', ')).toEqual(masters);

    const { requests } = await cluster.trigger({ scheduler: 'first', builders: ['b'] });
    await eventually(async () => (await api.request(requests[0]!.id)).complete, { timeoutMs: 60_000, what: 'a build' });
    const [build] = await api.attempts(requests[0]!.id);
    expect([build!.results, (await api.log(build!.buildid, 'say')).join('\n')]).toEqual([
      Result.SUCCESS,
      expect.stringContaining('said by the first one'),
    ]);

    const triggered = async (scheduler: string): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${port}/trigger`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ scheduler }),
      });
      return response.status;
    };
    const isAmber = ({ status: is, ambers = [] }: Readiness): boolean =>
      is === 'amber' && ambers.some((amber) => /^earlier configuration: .* is not kept on this machine/.test(amber));
    await isReady(other, isAmber, 'the other scheduler to be amber');
    expect([await triggered('first'), await triggered('second')]).toEqual([404, 202]);
    const { pid } = other.process;
    process.kill(pid!, 'SIGKILL');
    await eventually(() => ![pid, null].includes(other.process.pid), { what: 'another life of the other scheduler' });
    await isReady(other, isAmber, 'the other scheduler to be amber again');
    expect([await triggered('first'), await triggered('second')]).toEqual([404, 202]);
  }, 240_000);

  inBrowser(
    'the page says which master lacks the revision',
    async () => {
      const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--disable-gpu', '--no-first-run'] });
      try {
        const page = await browser.newPage();
        await page.goto(`${cluster.url}/configuration`);
        await page.getByText(/^other stays with what it has: revision \w+ is not kept on this machine$/).waitFor();
        await page.getByText(/It is in force on [^,]+, [^,]+, and ends when the file is edited/).waitFor();
      } finally {
        await browser.close();
      }
    },
    60_000,
  );

  it('is over when somebody ends it, on all of them', async () => {
    expect((await millraceSoon(['config', 'revert', '--end', '--database', database()])).status).toBe(0);
    expect(await reverts()).toEqual([]);
    await isReady(other, ({ status: is }) => is === 'ok', 'the other scheduler to be green');
  }, 120_000);
});
