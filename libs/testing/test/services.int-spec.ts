import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, freePort, requireService, startMariaDb, startNats } from '../src/services/index.js';

// The tests run real servers on a machine that may be busy. Every wait in them has its own limit.
jest.setTimeout(60_000);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program that starts nats-server, prints its pid, port and working folder, and then waits to be killed. */
async function startOwner(): Promise<{ owner: number; service: number; folder: string; gone: Promise<unknown> }> {
  const entry = new URL('../dist/services/index.js', import.meta.url).href;
  const script = `
    import { readlinkSync } from 'node:fs';
    import { startNats } from ${JSON.stringify(entry)};
    const service = await startNats();
    console.log(JSON.stringify({ pid: service.pid, folder: readlinkSync('/proc/' + service.pid + '/cwd') }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString()));
    child.once('exit', () => reject(new Error('the owner ended before it printed anything')));
  });
  const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
  return { owner: child.pid!, service: pid, folder, gone };
}

(requireService('nats') ? describe : describe.skip)('a service process', () => {
  it('dies with the process that started it, even by SIGKILL, and leaves no files', async () => {
    const { owner, service, folder, gone } = await startOwner();
    expect(isAlive(service)).toBe(true);
    process.kill(owner, 'SIGKILL');
    await gone;
    await eventually(() => !existsSync(folder), { what: 'removal of the folder' });
    await eventually(() => !existsSync(`/proc/${service}/exe`), { what: 'end of the service' });
  });

  it('comes back on the same port after being killed', async () => {
    const nats = await startNats();
    const { url, pid } = nats;
    await nats.kill();
    await expect(fetch(url.replace('nats:', 'http:'))).rejects.toThrow();
    await nats.restart();
    expect(nats.url).toBe(url);
    expect(nats.pid).not.toBe(pid);
    await nats.stop();
  });
});

(requireService('mariadb') ? describe : describe.skip)('startMariaDb', () => {
  it('makes fresh databases that survive a SIGKILL of the server', async () => {
    const mariaDb = await startMariaDb();
    const first = await mariaDb.createDatabase();
    expect(await mariaDb.createDatabase()).not.toBe(first);
    await mariaDb.restart();
    await expect(mariaDb.createDatabase(new URL(first).pathname.slice(1))).rejects.toThrow(/database exists/);
    await mariaDb.stop();
  });
});

describe('eventually', () => {
  it('reports what was waited for and the last failure', async () => {
    let attempts = 0;
    const waiting = eventually(
      () => {
        throw new Error(`failure ${++attempts}`);
      },
      { timeoutMs: 50, intervalMs: 5, what: 'the impossible' },
    );
    await expect(waiting).rejects.toThrow(/the impossible did not hold within 50 ms .* failure \d+$/);
    expect(attempts).toBeGreaterThan(1);
  });

  it('returns the value once the check holds', async () => {
    let attempts = 0;
    expect(await eventually(() => ++attempts > 2 && attempts, { intervalMs: 1 })).toBe(3);
  });
});

describe('requireService', () => {
  const { PATH, CI } = process.env;
  afterEach(() => {
    process.env['PATH'] = PATH;
    if (CI === undefined) delete process.env['CI'];
    else process.env['CI'] = CI;
  });

  it('returns false on a laptop and throws in CI when a program is missing', () => {
    process.env['PATH'] = '/nonexistent';
    delete process.env['CI'];
    expect(requireService('chromium')).toBe(false);
    process.env['CI'] = 'true';
    expect(() => requireService('chromium')).toThrow(/chromium not found; run 'npm run provision'/);
  });
});

describe('freePort', () => {
  it('stays below the ephemeral range', async () => {
    expect(await freePort()).toBeLessThan(32_768);
  });
});
