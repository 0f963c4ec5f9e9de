import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { Cluster, eventually } from '@millrace/testing';
import { Api } from './resources.js';
import { millrace } from './stacks.js';

const EXAMPLE = join(import.meta.dirname, '../../examples/quickstart/master.config.ts');

/** Tests what `npm start` runs on a fresh machine. */
describe('the quickstart', () => {
  let folder: string;
  let cluster: Cluster;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-quickstart-'));
    cluster = await Cluster.start({ config: EXAMPLE, folder });
  }, 120_000);
  afterAll(async () => {
    await cluster.stop();
    rmSync(folder, { recursive: true });
  });

  it('builds both projects at once: this checkout, and a shell program with a failing branch', async () => {
    const api = new Api(cluster);
    const builds = await eventually(
      async () => {
        const all = await api.builds();
        const done = all.filter((build) => build.complete);
        return new Set(done.map((build) => build.properties['project']![0])).size === 2 && done.length >= 3 && done;
      },
      { timeoutMs: 180_000, intervalMs: 200, what: 'a build of each branch' },
    );
    const outcome = (builds || []).map((build) => [
      build.properties['project']![0],
      build.properties['branch']![0],
      build.results,
    ]);
    expect(outcome).toEqual(
      expect.arrayContaining([
        ['hello', 'main', Result.SUCCESS],
        ['hello', 'failing', Result.FAILURE],
      ]),
    );
    for (const [project, branch, results] of outcome)
      if (project === 'millrace') expect([branch, results]).toEqual([branch, Result.SUCCESS]);
  }, 200_000);

  it('can be triggered and waited for from a shell', () => {
    const args = [
      'trigger',
      'trigger',
      '--builder',
      'hello',
      '--url',
      `http://127.0.0.1:${cluster.ports.trigger}`,
      '--wait',
    ];
    const good = millrace([...args, '--branch', 'main']);
    expect(good.stdout).toMatch(/^hello: http.*\/requests\/[0-9a-f-]{36}\nhello: success\n$/);
    expect(good.status).toBe(0);
    const bad = millrace([...args, '--branch', 'failing']);
    expect(bad.stdout).toContain('hello: failure');
    expect(bad.status).toBe(1);
  }, 120_000);
});
