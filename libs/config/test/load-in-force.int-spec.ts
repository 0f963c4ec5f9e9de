import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type InForce, KeptRevisions, loadInForce } from '@millrace/config';

let folder: string;
let kept: KeptRevisions;
let loaded: InForce[];
/** Which revision is to be in force in place of a file's. */
let reverts: Map<string, string>;
let notKept: unknown[];

const file = (): string => join(folder, 'master.config.ts');
const copies = (): string => join(folder, 'data', 'revisions');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-config-'));
  kept = new KeptRevisions(copies(), file());
  [loaded, reverts, notKept] = [[], new Map(), []];
});
afterEach(async () => {
  await Promise.all(loaded.map(({ host }) => host.close()));
  await rm(folder, { recursive: true });
});

async function write(title: string): Promise<void> {
  await writeFile(join(folder, 'value.txt'), 'as ever');
  await writeFile(join(folder, 'title.ts'), `export const title = '${title}';`);
  const path = JSON.stringify(join(folder, 'value.txt'));
  const value = title === 'one' ? `readFileSync(${path}, 'utf8')` : `'fixed'`;
  await writeFile(
    file(),
    `import { readFileSync } from 'node:fs';
import { builder, customStep, defineConfig, worker } from '@millrace/config';
import { title } from './title.ts';
export default defineConfig({
  title,
  workers: [worker('w', { password: 'x' })],
  builders: [builder('b', { workers: ['w'], properties: { value: ${value} }, factory: [customStep('do', async () => 0)] })],
});
`,
  );
}

async function load(): Promise<InForce> {
  const inForce = await loadInForce(file(), {
    kept,
    inForceFor: async (fingerprint) => reverts.get(fingerprint) ?? fingerprint,
    onNotKept: (error) => notKept.push(error),
  });
  loaded.push(inForce);
  return inForce;
}

describe('loadInForce', () => {
  it('loads the file, or the earlier revision with its imports, as long as the file is what that stands in for', async () => {
    await write('one');
    const one = (await load()).host.fingerprint;
    await write('two');
    const two = await load();
    expect(two).toMatchObject({ missing: null, fileFingerprint: two.host.fingerprint });
    reverts.set(two.fileFingerprint, one);
    const reverted = await load();
    expect(reverted).toMatchObject({ missing: null, fileFingerprint: two.fileFingerprint });
    expect(reverted.host).toMatchObject({ fingerprint: one, revision: { title: 'one' } });
    await write('three');
    expect((await load()).host.revision.title).toBe('three');
    expect(notKept).toEqual([]);
    expect((await stat(join(copies(), one))).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['is not kept', (path: string) => rm(path), /is not kept on this machine/],
    ['is damaged', (path: string) => writeFile(path, '{"master.config.ts":'), /is damaged: delete it/],
    ['is not what it should be', (path: string) => writeFile(path, '{"master.config.ts":7}'), /is damaged/],
    ['reads a file', () => writeFile(join(folder, 'value.txt'), 'new'), /comes out differently today/],
  ])('has the configuration of the file, and says why, when the earlier one %s', async (_what, spoil, why) => {
    await write('one');
    const one = (await load()).host.fingerprint;
    await write('two');
    const { fileFingerprint } = await load();
    reverts.set(fileFingerprint, one);
    await spoil(join(copies(), one));
    const now = await load();
    expect(now.host.revision.title).toBe('two');
    expect(now.missing).toMatch(why);
  });

  it('has the earlier revision, also where files that it imports are gone', async () => {
    await mkdir(join(folder, 'parts', 'deep'), { recursive: true });
    const files = {
      'parts/index.ts': `export * from './deep/name.js'; export { title } from '../title';`,
      'parts/deep/name.ts': `import { shown } from '../shown.js'; export const names = () => [shown, import.meta.dirname];`,
      'parts/shown.ts': `import { names } from './deep/name.ts'; export const shown = typeof names;`,
      'parts/data.json': `{ "from": "JSON" }`,
      'parts/module.mjs': `import { old } from './old.cjs'; import data from './data.json'; export default [old, data.from];`,
      'parts/old.cjs': `exports.old = __filename;`,
      'title.ts': `export const title: string = 'one';`,
      'master.config.ts': `import { builder, customStep, defineConfig, worker } from '@millrace/config';
import { names, title } from './parts';
import others from './parts/module.mjs';
import data from './parts/data.json' with { type: 'json' };
export default (async () => defineConfig({
  title,
  workers: [worker('w', { password: 'x' })],
  builders: [builder('b', { workers: ['w'], properties: { others, data, names: names(), more: (await import('./parts/shown.ts')).shown },
    factory: [customStep('do', async () => 0)] })],
}))();`,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const { host } = await load();
    await rm(join(folder, 'parts'), { recursive: true });
    await write('two');
    reverts.set((await load()).fileFingerprint, host.fingerprint);
    const reverted = await load();
    expect(reverted.missing).toBeNull();
    expect(reverted.host.revision).toEqual(host.revision);
    expect(reverted.host.revision.builders[0]!.properties).toEqual({
      others: [join(folder, 'parts', 'old.cjs'), 'JSON'],
      data: { from: 'JSON' },
      names: ['undefined', join(folder, 'parts', 'deep')],
      more: 'undefined',
    });
    // A copy of the copy is as good.
    expect((await load()).host.fingerprint).toBe(host.fingerprint);
  });

  it('replaces a damaged copy, and clears up what a killed process left', async () => {
    await write('one');
    const one = (await load()).host.fingerprint;
    const copy = await readFile(join(copies(), one), 'utf8');
    await writeFile(join(copies(), one), copy.slice(0, 20));
    const dead = spawnSync(process.execPath, ['--version']).pid;
    const unfinished = [dead, process.pid, process.ppid].map((pid) => `${'0'.repeat(64)}.${pid}`);
    for (const name of [...unfinished, 'notes']) await writeFile(join(copies(), name), '{');
    await load();
    expect(await readFile(join(copies(), one), 'utf8')).toBe(copy);
    expect((await readdir(copies())).sort()).toEqual([unfinished[2]!, one, 'notes'].sort());
    expect(notKept).toEqual([]);
  });

  it('keeps the newest twenty, and nothing is lost where they cannot be kept', async () => {
    await write('one');
    const one = (await load()).host;
    const old = new Date(1e12);
    for (let i = 0; i < 25; i++) {
      const path = join(copies(), i.toString(16).padStart(64, '0'));
      await writeFile(path, '{}');
      await utimes(path, old, new Date(1e12 + i * 1000));
    }
    await load();
    const names = await readdir(copies());
    expect(names).toHaveLength(20);
    expect(names).toContain(one.fingerprint);
    expect(names).not.toContain('0'.repeat(64));
    await rm(copies(), { recursive: true });
    await writeFile(copies(), 'a file where the folder should be');
    expect((await load()).host.fingerprint).toBe(one.fingerprint);
    expect(notKept).toHaveLength(1);
  });
});
