import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkSchema, migrate, migrateDown, migrationStatus } from '@millrace/database';
import { type MariaDb, requireService, startMariaDb } from '@millrace/testing';

const CASES = ['sqlite', ...(requireService('mariadb') ? ['mariadb'] : [])];

describe.each(CASES)('migrations on %s', (kind) => {
  let server: MariaDb | null = null;
  let folder: string;
  let databases = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-migrate-'));
    if (kind === 'mariadb') server = await startMariaDb();
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true });
  });
  const fresh = async (): Promise<string> =>
    server ? server.createDatabase() : `sqlite:${join(folder, `${++databases}.sqlite`)}`;

  it('go up, are a no-op the second time, and go down again', async () => {
    const url = await fresh();
    await expect(checkSchema(url)).rejects.toMatchObject({ code: 'schema-too-old' });
    const { pending } = await migrationStatus(url);
    expect(await migrate(url)).toEqual(pending);
    expect(await migrate(url)).toEqual([]);
    await checkSchema(url);
    for (let left = pending.length; left > 0; left--) await migrateDown(url);
    expect((await migrationStatus(url)).applied).toEqual([]);
    expect(await migrate(url)).toEqual(pending);
  });

  it('run once when three processes migrate at the same time', async () => {
    const url = await fresh();
    const script = `import { migrate } from '@millrace/database'; console.log((await migrate(process.argv[1])).length);`;
    const counts = await Promise.all(
      [1, 2, 3].map(async () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script, url], {
          cwd: import.meta.dirname,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let output = '';
        child.stdout.on('data', (data: Buffer) => (output += data.toString()));
        const [code] = (await once(child, 'close')) as [number];
        return { code, applied: Number(output) };
      }),
    );
    expect(counts.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(counts.filter(({ applied }) => applied > 0)).toHaveLength(1);
  }, 60_000);
});
