import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { crossbarFolder, eventually, freePort, requireService } from '@millrace/testing/services';
import { PLACES, ROLES } from './roles.mjs';

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, '..');
/** Debian keeps servers in /usr/sbin, which not every user has on the path. */
const PATH = `${process.env['PATH']}:/usr/sbin`;
const checked = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> =>
  spawnSync(program, args, { encoding: 'utf8', env: { PATH, HOME: tmpdir(), ...env }, timeout: 60_000 });
const suite = (service: Parameters<typeof requireService>[0]): typeof describe | typeof describe.skip =>
  requireService(service) ? describe : describe.skip;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-deploy-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

suite('nats')('nats.conf', () => {
  it('is accepted by nats-server, with its password and not without', () => {
    const args = ['-t', '-c', join(FOLDER, 'nats.conf')];
    expect(checked('nats-server', args, { MILLRACE_BUS_TICKET: 'mrb' })).toMatchObject({ status: 0 });
    expect(checked('nats-server', args).status).not.toBe(0);
  });
});

suite('crossbar')('crossbar/config.json', () => {
  it('is accepted by crossbar, and not with a mistake in it', () => {
    const crossbar = join(crossbarFolder(), 'bin', 'crossbar');
    const cbdir = join(folder, 'crossbar');
    cpSync(join(FOLDER, 'crossbar'), cbdir, { recursive: true });
    const check = (): number | null =>
      checked(crossbar, ['check', '--cbdir', cbdir], { MILLRACE_BUS_TICKET: 'ticket' }).status;
    expect(check()).toBe(0);
    const file = join(cbdir, 'config.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"websocket"', '"websocked"'));
    expect(check()).not.toBe(0);
  }, 120_000);
});

suite('systemd-analyze')('the units', () => {
  const units = readdirSync(join(FOLDER, 'systemd')).filter((name) => name.endsWith('.service'));

  it('are one for each role', () => {
    expect(units).toHaveLength(Object.keys(ROLES).length);
  });

  it.each(units)('%s is completely understood by systemd', (name) => {
    const file = join(folder, name);
    const shipped = readFileSync(join(FOLDER, 'systemd', name), 'utf8');
    // systemd checks that the started programs exist.
    writeFileSync(file, shipped.replaceAll('/usr/bin/node', process.execPath).replaceAll(PLACES.code, ROOT));
    const { status, stderr } = checked('systemd-analyze', ['verify', '--man=no', file]);
    expect({ status, about: stderr.split('\n').filter((line) => line.includes('millrace')) }).toEqual({
      status: 0,
      about: [],
    });
    // Builds may do more than masters: they run compilers, browsers and anything else.
    const most = name.includes('worker') ? 50 : 20;
    const exposure = checked('systemd-analyze', ['security', '--offline=yes', `--threshold=${most}`, file]);
    expect({ status: exposure.status, about: exposure.stdout.split('\n').at(-2) }).toMatchObject({ status: 0 });
  });
});

suite('haproxy')('haproxy.cfg', () => {
  it('is accepted by HAProxy with any listening addresses', () => {
    const file = join(folder, 'checked.cfg');
    // The host names do not exist here, and are not resolved.
    writeFileSync(
      file,
      readFileSync(join(FOLDER, 'haproxy.cfg'), 'utf8').replace(/(?<=server \S+ )[^\s:]+:/g, '127.0.0.1:'),
    );
    const args = ['-c', '-f', file];
    expect(checked('haproxy', args, { BIND_UI: '127.0.0.1:8443' })).toMatchObject({ status: 0 });
    expect(checked('haproxy', args, { BIND_UI: 'nonsense' }).status).not.toBe(0);
  });

  /** A master as the balancer sees it: it answers, and reports whether it wants connections. */
  class Backend {
    isReady = true;
    private constructor(
      private readonly server: Server,
      readonly port: number,
    ) {}
    static async start(name: string): Promise<Backend> {
      const server = createServer((request, response) => {
        if (request.url === '/readyz') response.statusCode = backend.isReady ? 200 : 503;
        response.end(`${name} for ${request.headers['x-forwarded-for'] as string}`);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const backend: Backend = new Backend(server, (server.address() as AddressInfo).port);
      return backend;
    }
    stop(): void {
      this.server.close();
      this.server.closeAllConnections();
    }
  }

  it('distributes pages among the UIs that are ready, and tells which UI answered', async () => {
    const backends = [await Backend.start('ui-1'), await Backend.start('ui-2')];
    const port = await freePort();
    const shipped = readFileSync(join(FOLDER, 'haproxy.cfg'), 'utf8');
    const config = shipped
      // Only the UIs' ports exist; the others lead nowhere.
      .replace(/server ui-(\d) .*/g, (_, n) => {
        const own = backends[Number(n) - 1]!.port;
        return `server ui-${n} 127.0.0.1:${own} check port ${own}`;
      })
      .replace(/^listen (?!ui).*\n(?: .*\n)+/gm, '');
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, config);
    const haproxy: ChildProcess = spawn('haproxy', ['-db', '-f', file], {
      stdio: 'ignore',
      env: { PATH, BIND_UI: `127.0.0.1:${port}` },
    });
    const answers = async (): Promise<Set<string>> => {
      const asked = Array.from({ length: 6 }, () => fetch(`http://127.0.0.1:${port}/`));
      return new Set(await Promise.all(asked.map(async (one) => (await one).text())));
    };
    try {
      const [first, second] = ['ui-1 for 127.0.0.1', 'ui-2 for 127.0.0.1'];
      await eventually(async () => expect(await answers()).toEqual(new Set([first, second])));
      backends[0]!.isReady = false;
      await eventually(async () => expect(await answers()).toEqual(new Set([second])), { timeoutMs: 20_000 });
      backends[0]!.isReady = true;
      await eventually(async () => expect(await answers()).toEqual(new Set([first, second])), { timeoutMs: 20_000 });
    } finally {
      const ended = new Promise((resolve) => haproxy.once('exit', resolve));
      haproxy.kill('SIGKILL');
      await ended;
      for (const backend of backends) backend.stop();
    }
  });
});
