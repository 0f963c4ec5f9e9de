import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openDatabase } from '@millrace/database';

const MAIN = join(import.meta.dirname, '../dist/main.js');

describe('millrace worker', () => {
  let folder: string;
  let database: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
    database = `sqlite:${join(folder, 'millrace.sqlite')}`;
    expect(millrace('db', 'migrate').status).toBe(0);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const millrace = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [MAIN, ...args], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: process.env['PATH'], MILLRACE_DB: database },
    });

  it('makes its database readable for its user only', () => {
    expect(statSync(join(folder, 'millrace.sqlite')).mode & 0o077).toBe(0);
  });

  it('prints commands that a shell reads as meant, whatever the name is, and no token among their arguments', () => {
    const name = `w;$(touch<owned)'"`;
    const { status, stdout } = millrace('worker', 'create', name, '--master', 'ws://engine:9989', '--pb');
    expect(status).toBe(0);
    const token = /mrw_[\w-]{43}/.exec(stdout)![0];
    expect(stdout.split(token)).toHaveLength(2);
    const lines = stdout.split('\n').filter((line) => /^ {2}(npx|buildbot-worker|chmod) /.test(line));
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const run = `printf '%s\\n' ${line.trim().replace('$(cat ', '$(printf %s ')}`;
      const words = spawnSync('/bin/sh', ['-c', run], { encoding: 'utf8', cwd: folder }).stdout.split('\n');
      expect(words.some((word) => word.includes(name))).toBe(true);
    }
    expect(spawnSync('ls', { encoding: 'utf8', cwd: folder }).stdout).not.toContain('owned');
  });

  it('writes the token into a new private file instead, and never over another', () => {
    const file = join(folder, 'w1.token');
    const first = millrace('worker', 'create', 'w1', '--token-file', file);
    expect(first).toMatchObject({ status: 0, stdout: expect.not.stringContaining('mrw_') });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, 'utf8');
    expect(token).toMatch(/^mrw_[\w-]{43}\n$/);
    expect(millrace('worker', 'create', 'w1', '--token-file', file)).toMatchObject({ status: 1 });
    expect(readFileSync(file, 'utf8')).toBe(token);
  });

  it('refuses a name with control characters', () => {
    const { status, stderr } = millrace('worker', 'create', 'w\u001b[2J');
    expect(status).toBe(1);
    expect(stderr).toContain('w\\x1b[2J');
    expect(stderr).not.toContain('\u001b');
  });

  it('lists foreign texts with their control characters escaped', async () => {
    const db = openDatabase(database);
    await db.run(
      `INSERT INTO workers (name, info, max_builds, paused, graceful, session_epoch) VALUES (?, ?, 1, 0, 0, 0)`,
      ['w\u001b]0;owned\u0007', '{"version":"\u009b31m"}'],
    );
    await db.close();
    const { status, stdout } = millrace('worker', 'list');
    expect(status).toBe(0);
    expect(stdout).toContain('w\\x1b]0;owned\\x07');

    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it('shows no secret of its environment in its help', () => {
    const { stdout } = spawnSync(process.execPath, [MAIN, 'trigger', '--help'], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], MILLRACE_TRIGGER_TOKEN: 'a-token-of-ours' },
    });
    expect(stdout).toContain('--token-file');
    expect(stdout).not.toContain('a-token-of-ours');
  });

  it('records who did what, and what came of it, without the token', async () => {
    const db = openDatabase(database);
    await db.run(
      `INSERT INTO workers (name, info, max_builds, paused, graceful, session_epoch) VALUES ('w1', '{}', 1, 0, 0, 0)`,
    );
    await db.close();
    const token = /mrw_[\w-]{43}/.exec(millrace('worker', 'create', 'w1').stdout)![0];
    expect(millrace('worker', 'pause', 'w1', '--reason', 'a new disk').status).toBe(0);
    expect(millrace('worker', 'revoke', 'w1').status).toBe(0);
    expect(millrace('worker', 'create', 'w1', '--token-file', folder).status).toBe(1);
    expect(millrace('rebuild', '99').status).toBe(1);
    expect(millrace('drain', 'nobody').status).toBe(1);

    const audit = openDatabase(database);
    const rows = await audit.all(`SELECT username, via, action, target, params, outcome, error FROM audit ORDER BY id`);
    await audit.close();
    const { username } = userInfo();
    const done = { username, via: 'cli', target: 'workers/w1', outcome: 'done', error: null };
    expect(rows).toEqual([
      { ...done, action: 'worker create', params: '{"pb":false,"revokeOld":false}' },
      { ...done, action: 'worker pause', params: '{"reason":"a new disk"}' },
      { ...done, action: 'worker revoke', params: '{}' },
      expect.objectContaining({ action: 'worker create', outcome: 'failed', error: expect.stringContaining('token') }),
      expect.objectContaining({ action: 'rebuild', target: 'builds/99', outcome: 'failed' }),
    ]);
    expect(JSON.stringify(rows)).not.toContain(token);
    expect(millrace('audit').stdout).toContain('worker pause workers/w1');
  });
});
