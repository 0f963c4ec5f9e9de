import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigError, ConfigHost } from '@millrace/config';

let folder: string;
let hosts: ConfigHost[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-config-')); // Outside of the repository on purpose.
  hosts = [];
});
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.close()));
  await rm(folder, { recursive: true });
});

async function write(branches: string, extra = '', name = 'master.config.ts'): Promise<string> {
  const file = join(folder, name);
  await writeFile(
    file,
    `import { builder, customStep, defineConfig, gitPoller, worker } from '@millrace/config';
${extra}
export default defineConfig({
  workers: [worker('w', { password: 'x' })],
  builders: [builder('b', { workers: ['w'], factory: [customStep('do', async () => 0)] })],
  changeSources: [gitPoller({ repository: 'r', branches: ${branches} })],
});
`,
  );
  return file;
}

async function start(file: string, options: Parameters<typeof ConfigHost.start>[1] = {}): Promise<ConfigHost> {
  const host = await ConfigHost.start(file, options);
  hosts.push(host);
  return host;
}

const HANDLE = 'changeSources.0.branches';

async function problemOf(file: string, options?: Parameters<typeof ConfigHost.start>[1]) {
  const error = await start(file, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${String(error)}`);
  expect(error.problems).toHaveLength(1);
  return error.problems[0]!;
}

describe('ConfigHost', () => {
  it('loads a TypeScript file with helpers, enums and top-level await, and calls its callbacks', async () => {
    await writeFile(
      join(folder, 'helper.ts'),
      `export enum Branch { Main = 'main' }\nexport const wanted = await Promise.resolve(Branch.Main as string);\n`,
    );
    const host = await start(await write('async (name) => name === wanted', `import { wanted } from './helper';`));
    expect(host.revision.builders[0]!.name).toBe('b');
    expect(await host.call(HANDLE, ['main'], { timeoutMs: 5_000 })).toBe(true);
    expect(await host.call(HANDLE, ['other'], { timeoutMs: 5_000 })).toBe(false);
  });

  it.each([
    ['a syntax error', 'name =>', '', 6, /Unexpected token/],
    ['an error that is thrown', `(() => { throw new Error('no way'); })()`, '', 6, /no way/],
    [
      'a module that is missing',
      '[]',
      `import x from './nowhere';\nconsole.log(x);`,
      undefined,
      /Cannot find module '\.\/nowhere'/,
    ],
    ['process.exit', '[]', 'process.exit(3);', undefined, /ended its thread \(exit code 3\)/],
  ] as const)('reports %s with the file', async (_what, branches, extra, line, message) => {
    const file = await write(branches, extra);
    const problem = await problemOf(file);
    expect(problem.file).toBe(file);
    expect(problem.message).toMatch(message);
    if (line !== undefined) expect(Math.abs((problem.line ?? 0) - line)).toBeLessThanOrEqual(1);
  });

  it('reports a file without a default export, one that is missing and one that never ends', async () => {
    const file = join(folder, 'odd.ts');
    await writeFile(file, 'export const x = 1;');
    expect((await problemOf(file)).message).toContain('has no default export');
    expect((await problemOf(join(folder, 'nothing.ts'))).message).toContain('ENOENT');
    await writeFile(file, 'for (;;);');
    expect((await problemOf(file, { loadTimeoutMs: 1_500 })).message).toContain('was not loaded within 1500 ms');
  });

  it('outlives a callback that burns CPU: it is reported and timed out, and the calls behind it are answered', async () => {
    const stalls: string[] = [];
    const file = await write(`(name) => { if (name === 'burn') for (;;); return name === 'main'; }`);
    const host = await start(file, { stallAfterMs: 100, onStall: (handle) => stalls.push(handle) });
    await writeFile(file, 'this is no longer a program'); // The replacement is made from the snapshot, not from this file.
    const startedAt = performance.now();
    let ticks = 0;
    const ticker = setInterval(() => ticks++, 5);
    const burning = host.call(HANDLE, ['burn'], { timeoutMs: 400 });
    const behind = host.call(HANDLE, ['main'], { timeoutMs: 10_000 });
    await expect(burning).rejects.toMatchObject({ code: 'callback-timeout', fields: { handle: HANDLE } });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(399);
    expect(ticks).toBeGreaterThan(10);
    expect(await behind).toBe(true);
    clearInterval(ticker);
    expect(stalls).toEqual([HANDLE]);
  });

  it.each([
    ['throws', `() => { throw new Error('bad luck'); }`, 'callback-failed', /bad luck/],
    ['returns what JSON cannot hold', '() => () => 1', 'callback-failed', /JSON cannot hold/],
    ['returns too much', `() => 'x'.repeat(2 << 20)`, 'callback-failed', /characters/],
    ['exits', '() => process.exit(7)', 'callback-died', /ended with 7/],
    [
      'throws out of band',
      `() => new Promise(() => setImmediate(() => { throw new Error('late'); }))`,
      'callback-died',
      /out of band: .*late/,
    ],
  ])('rejects the call of a callback that %s, and that one only', async (_what, branches, code, message) => {
    const host = await start(await write(branches));
    for (const _again of [1, 2]) {
      await expect(host.call(HANDLE, ['x'], { timeoutMs: 5_000 })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as unknown,
      });
    }
  });

  it('reloads to a new host; a bad file changes nothing', async () => {
    const host = await start(await write('(name) => name === "one"'));
    await write('(name) => name === "two"');
    const next = await host.reload();
    hosts.push(next);
    expect(next.fingerprint).not.toBe(host.fingerprint);
    expect(await host.call(HANDLE, ['one'], { timeoutMs: 5_000 })).toBe(true);
    expect(await next.call(HANDLE, ['two'], { timeoutMs: 5_000 })).toBe(true);
    await write('3');
    await expect(next.reload()).rejects.toMatchObject({ code: 'bad-config' });
    expect(await next.call(HANDLE, ['two'], { timeoutMs: 5_000 })).toBe(true);
  });

  it('has the same fingerprint wherever the file lies, and another one when a helper changes', async () => {
    const first = await start(await write('[]'));
    const moved = await mkdtemp(join(tmpdir(), 'millrace-config-'));
    const before = folder;
    folder = moved;
    const second = await start(await write('[]'));
    folder = before;
    await rm(moved, { recursive: true });
    expect(second.fingerprint).toBe(first.fingerprint);
    const third = await start(await write('[]', 'const unused = 1;'));
    expect(third.fingerprint).not.toBe(first.fingerprint);
    expect(third.builderFingerprints).toEqual(first.builderFingerprints);
  });

  it('rejects waiting calls when it is closed', async () => {
    const host = await start(await write('() => new Promise(() => {})'));
    const calls = [1, 2].map(() => host.call(HANDLE, [], { timeoutMs: 60_000 }));
    const settled = Promise.all(calls.map((call) => call.catch((error: unknown) => error)));
    await host.close();
    expect(await settled).toMatchObject([{ code: 'config-host-closed' }, { code: 'config-host-closed' }]);
  });

  it('calls in a fresh thread on request', async () => {
    const host = await start(await write('() => ++calls', 'let calls = 0;'));
    const call = (freshThread: boolean) => host.call(HANDLE, [], { timeoutMs: 5_000, freshThread });
    expect([await call(false), await call(false), await call(true), await call(false)]).toEqual([1, 2, 1, 2]);
  });
});
