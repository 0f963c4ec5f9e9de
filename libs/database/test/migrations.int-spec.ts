import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  checkSchema,
  migrate,
  migrateDown,
  migrationStatus,
  openDatabase,
  placeholders,
  sqliteFile,
} from '@millrace/database';
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

  it('go up, do nothing the second time, and go down again', async () => {
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

  it('remove the hashes of passwords from revisions of earlier releases, and nothing else', async () => {
    const url = await fresh();
    const { pending } = await migrationStatus(url);
    await migrate(url);
    for (let left = pending.length - pending.indexOf('NoPasswordHashes1700000000006'); left > 0; left--)
      await migrateDown(url);
    const hash = `scrypt$1024$8$1$${'c2FsdA'.repeat(8)}$${'a2V5'.repeat(8)}`;
    const revision = (workers: object) => ({ title: 'T', workers, builders: [{ name: 'b "passwordHash"' }] });
    const before = [
      { name: 'w', passwordHash: hash, maxBuilds: 2 },
      { name: 'linux-*', passwordHash: '', maxBuilds: 1 },
    ];
    let db = openDatabase(url);
    for (const [fingerprint, body] of [
      ['old', JSON.stringify(revision(before))],
      ['new', JSON.stringify(revision([{ name: 'w', hasPassword: true }]))],
    ])
      await db.run(`INSERT INTO revisions (fingerprint, body, created_at_ms) VALUES (?, ?, 1)`, [fingerprint!, body!]);
    await db.close();
    await migrate(url);
    db = openDatabase(url);
    const rows = await db.all<{ body: string }>(`SELECT body FROM revisions ORDER BY id`);
    await db.close();
    expect(rows.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      revision([
        { name: 'w', maxBuilds: 2, hasPassword: true },
        { name: 'linux-*', maxBuilds: 1, hasPassword: false },
      ]),
      revision([{ name: 'w', hasPassword: true }]),
    ]);
    const file = sqliteFile(url);
    if (file !== null) expect(readFileSync(file, 'latin1')).not.toContain(hash);
  });

  it('record which commands of cut off builds their workers had reported as ended', async () => {
    const url = await fresh();
    const { pending } = await migrationStatus(url);
    await migrate(url);
    for (let left = pending.length - pending.indexOf('EndedCommands1700000000008'); left > 0; left--)
      await migrateDown(url);
    let db = openDatabase(url);
    const [success, cancelled] = [0, 6];
    for (const [buildId, results] of [
      [1, cancelled],
      [2, success],
      [3, null],
    ]) {
      const build = { id: buildId!, number: buildId!, builder_id: 1, request_id: 1, buildset_id: 1, attempt: 1 };
      const more = { worker_id: 1, master_id: 1, started_at_ms: 1, state_string: '', locks_ms: 0, properties: '{}' };
      const row = { ...build, ...more, results: results!, uuid: Buffer.alloc(16, buildId!) };
      await db.run(
        `INSERT INTO builds (${Object.keys(row).join()}) VALUES ${placeholders(Object.keys(row).length)}`,
        Object.values(row),
      );
      for (const [ordinal, outcome] of ['{"rc":0,"failure":null}', '{"rc":null,"failure":"gone"}', null].entries()) {
        const command = [buildId!, 0, ordinal, 'shell', Buffer.alloc(16, ordinal), '', 1, outcome];
        await db.run(
          `INSERT INTO commands (build_id, step_number, ordinal, name, uuid, args_hash, sent_at_ms, outcome) VALUES ${placeholders(8)}`,
          command,
        );
      }
    }
    await db.close();
    await migrate(url);
    db = openDatabase(url);
    const ended = await db.all(`SELECT build_id AS build, ordinal FROM commands WHERE ended = 1 ORDER BY build_id`);
    await db.close();
    expect(ended).toEqual([
      { build: 1, ordinal: 0 },
      { build: 3, ordinal: 0 },
    ]);
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
