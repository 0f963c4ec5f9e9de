import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Database, masterNamed, migrate, openDatabase, storesOf } from '@millrace/database';
import { eventually, freePort, makeCertificate, type MariaDb, requireService, startMariaDb } from '@millrace/testing';

const FIXTURE = join(import.meta.dirname, 'fixture-master.mjs');
/** Long enough for the thread that renews it to start on a busy machine. */
const LEASE_MS = 6000;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A master in a process of its own. */
class Master {
  output = '';
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;

  constructor(
    readonly port: number,
    env: Readonly<Record<string, string>>,
  ) {
    this.child = spawn(process.execPath, [FIXTURE], {
      env: { PATH: process.env['PATH'], MILLRACE_HTTP_PORT: String(port), MILLRACE_LEASE_MS: String(LEASE_MS), ...env },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve({ code, signal })));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async ready(): Promise<{ status: number; body: { status: string; epoch: number } }> {
    const response = await fetch(`http://127.0.0.1:${this.port}/readyz`);
    return { status: response.status, body: (await response.json()) as { status: string; epoch: number } };
  }

  /** Resolves when the master works. */
  async up(): Promise<number> {
    return eventually(
      async () => {
        const { body } = await this.ready();
        return body.status === 'ok' && body.epoch;
      },
      { timeoutMs: 30_000, what: 'the master to be up' },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.output}`);
    });
  }
}

/** Where the databases of these tests are; null: there is no such server here. */
const DATABASES: readonly [string, (folder: string) => Promise<{ url: string; stop: () => Promise<void> }>][] = [
  ['SQLite', async (folder) => ({ url: `sqlite:${join(folder, 'test.sqlite')}`, stop: async () => undefined })],
  [
    'MariaDB',
    async () => {
      const server: MariaDb = await startMariaDb();
      return { url: await server.createDatabase(), stop: () => server.stop() };
    },
  ],
];

describe.each(DATABASES.filter(([name]) => name === 'SQLite' || requireService('mariadb')))(
  'the life of a master on %s',
  (_name, open) => {
    const masters: Master[] = [];
    let folder: string;
    let url: string;
    let stop: () => Promise<void>;
    let db: Database;
    let names = 0;
    let name: string;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millrace-life-'));
      ({ url, stop } = await open(folder));
      await migrate(url);
      db = openDatabase(url);
    });
    afterEach(async () => {
      for (const master of masters) master.kill('SIGKILL');
      await Promise.all(masters.splice(0).map(({ ended }) => ended));
    });
    afterAll(async () => {
      await db.close();
      await stop();
      rmSync(folder, { recursive: true });
    });

    /** Starts a master under a name of its own, or again under the last one. */
    async function start(env: Readonly<Record<string, string>> = {}, again = false): Promise<Master> {
      if (!again) name = `master-${++names}`;
      const common = { MILLRACE_DB: url, MILLRACE_DATA: folder, MILLRACE_NAME: name, MILLRACE_POLL_MS: '100' };
      const master = new Master(await freePort(), { ...common, ...env });
      masters.push(master);
      return master;
    }
    const row = async () => (await masterNamed(db, name))!;

    it('begins with a registration and ends with giving it up', async () => {
      const master = await start();
      expect(await master.up()).toBe(1);
      expect(await row()).toMatchObject({ state: 'active', epoch: 1 });
      master.kill('SIGTERM');
      expect(await master.ended).toEqual({ code: 0, signal: null });
      expect(await row()).toMatchObject({ state: 'stopped' });
      const next = await start({}, true);
      expect(await next.up()).toBe(2);
    });

    it('does not begin with settings, or on a port, that cannot be', async () => {
      const badLease = await start({ MILLRACE_LEASE_MS: 'soon' });
      expect(await badLease.ended).toEqual({ code: 78, signal: null });
      expect(badLease.output).toContain(`MILLRACE_LEASE_MS is 'soon'`);
      const other = createServer().listen(0, '127.0.0.1');
      await eventually(() => other.listening);
      const { port } = other.address() as { port: number };
      const noPort = await start({ MILLRACE_HTTP_PORT: String(port) });
      expect(await noPort.ended).toEqual({ code: 78, signal: null });
      expect(noPort.output).toContain(`port ${port} is taken`);
      other.close();
    });

    it('has the certificate of its files, and does not begin without', async () => {
      const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
      const env = {
        FIXTURE_ROLE: 'ui',
        MILLRACE_UI_TLS_CERT: files.certFile,
        MILLRACE_UI_TLS_KEY: files.keyFile,
      };
      const without = await start(env);
      expect(await without.ended).toEqual({ code: 78, signal: null });
      expect(without.output).toContain('the certificate for the HTTP port cannot be used');

      makeCertificate(files);
      const master = await start(env);
      const metrics = (): Promise<string | false> =>
        new Promise((resolve) => {
          const options = { ca: readFileSync(files.certFile), agent: false };
          get(`https://localhost:${master.port}/metrics`, options, (answer) => {
            let heard = '';
            answer.on('data', (part: Buffer) => (heard += part.toString())).on('end', () => resolve(heard));
          }).on('error', () => resolve(false));
        });
      const text = await eventually(metrics, { timeoutMs: 30_000, what: 'metrics over TLS' });
      expect(text).toContain('millrace_http_tls_certificate_current 1');
      await eventually(() => master.output.includes(`https://127.0.0.1:${master.port}`), {
        timeoutMs: 30_000,
        what: 'its address',
      });
    });

    it('waits for a name that another process lives under, and takes that of a dead one at once', async () => {
      const first = await start();
      await first.up();
      const second = await start({}, true);
      await eventually(() => second.output.includes('"level":40'), {
        timeoutMs: 20_000,
        what: 'a word about the name',
      });
      expect(await row()).toMatchObject({ epoch: 1 });
      first.kill('SIGKILL');
      expect(await second.up()).toBe(2);
    });

    it('is over when its lease belongs to somebody else', async () => {
      const master = await start();
      await master.up();
      await db.run(`UPDATE masters SET epoch = epoch + 1 WHERE name = ?`, [name]);
      expect(await master.ended).toEqual({ code: null, signal: 'SIGKILL' });
    });

    it('is over when its main loop hangs for longer than its lease', async () => {
      const master = await start({ FIXTURE_RECONFIG: 'hang' });
      await master.up();
      master.kill('SIGHUP');
      expect(await master.ended).toEqual({ code: null, signal: 'SIGKILL' });
    });

    it('answers what came of reading its configuration again, and goes on when that was refused', async () => {
      for (const [how, answer] of [
        ['take', 'revision 2'],
        ['refuse', 'refused: line 3 is wrong'],
      ] as const) {
        const master = await start({ FIXTURE_RECONFIG: how });
        await master.up();
        const id = await storesOf(db).commands.requestReconfig((await row()).masterId);
        const said = await eventually(async () => (await storesOf(db).commands.commandResult(id)) ?? false);
        expect(said).toBe(answer);
        expect((await master.ready()).status).toBe(200);
      }
    });

    it('drains: is no longer ready, and ends when its work is done', async () => {
      const master = await start({ FIXTURE_DRAIN_MS: '1500' });
      await master.up();
      await storesOf(db).commands.requestDrain((await row()).masterId);
      await eventually(async () => (await master.ready()).body.status === 'draining', { what: 'draining' });
      expect((await master.ready()).status).toBe(503);
      expect(await row()).toMatchObject({ state: 'draining' });
      expect(await master.ended).toEqual({ code: 0, signal: null });
      expect(await row()).toMatchObject({ state: 'stopped' });
    });

    it('ends in order though a part of it fails to', async () => {
      const master = await start({ FIXTURE_STOP: 'throw' });
      await master.up();
      master.kill('SIGTERM');
      expect(await master.ended).toEqual({ code: 0, signal: null });
      expect(master.output).toContain('it does not want to end');
      expect(await row()).toMatchObject({ state: 'stopped' });
    });

    it('ends without order when a part of it hangs, and leaves its lease to run out', async () => {
      const master = await start({ FIXTURE_STOP: 'hang' });
      await master.up();
      master.kill('SIGTERM');
      await eventually(async () => (await master.ready()).body.status === 'stopping', { what: 'stopping' });
      expect(await master.ended).toEqual({ code: 70, signal: null });
      expect(master.output).toContain('did not stop within 10 s');
      expect(await row()).toMatchObject({ state: 'active' });
    }, 30_000);
  },
);
