import { expect, it, jest } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestMaster } from './test-master.js';

jest.setTimeout(120_000);

it('the packed worker installs on an empty machine without a network, and builds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-packed-'));
  const master = await TestMaster.start();
  // Nothing of ours, and no cache of npm that could help.
  const env = { PATH: process.env['PATH'], HOME: folder, npm_config_cache: join(folder, 'cache') };
  const run = (command: string, args: string[]): string =>
    execFileSync(command, args, { cwd: join(folder, 'site'), env, encoding: 'utf8' });
  try {
    const pack = join(import.meta.dirname, '../scripts/pack.mjs');
    const tarball = execFileSync(process.execPath, [pack, folder], { encoding: 'utf8' }).trim();
    expect(tarball).toMatch(/\/millrace-worker-\d+\.\d+\.\d+\.tgz$/);
    mkdirSync(join(folder, 'site'));
    expect(run('npx', ['--offline', '--yes', `../${tarball.split('/').at(-1)}`, '--help'])).toContain('--master <url>');
    run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball]);
    writeFileSync(join(folder, 'token'), `${master.password}\n`);
    const program = join(folder, 'site/node_modules/.bin/millrace-worker');
    const args = ['--master', master.url, '--name', 'w1', '--basedir', 'work', '--token-file', join(folder, 'token')];
    const worker = spawn(program, args, { cwd: folder, env, stdio: 'ignore' });
    try {
      const attached = await master.worker();
      expect(await attached.shell(join(folder, 'work/b'), 'echo packed')).toMatchObject({ rc: 0, stdout: 'packed\n' });
    } finally {
      worker.kill();
      await once(worker, 'exit');
    }
  } finally {
    await master.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
