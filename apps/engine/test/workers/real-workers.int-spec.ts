import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  eventually,
  makeCertificate,
  provisionStockWorker,
  requireService,
  startHaproxy,
  type Service,
  StockWorker,
} from '@millrace/testing';
import { Listening } from './listening.js';

const NODE_WORKER = join(import.meta.dirname, '../../../worker/dist/main.js');
/** HAProxy's source address as the engine sees it. */
const BALANCER = '127.0.0.3';

const stock = [
  ...(provisionStockWorker() ? [{ version: '4.3.0' }] : []),
  ...(requireService('debian-worker') ? [{ version: '3.7.0', program: '/usr/bin/buildbot-worker' }] : []),
];

describe('real workers over TLS', () => {
  let listening: Listening;
  let haproxy: Service | null = null;
  let certificate: string;
  const stops: (() => Promise<unknown>)[] = [];
  const direct = (): number => listening.settings.workerPort;
  const balanced = (): number => haproxy!.port;

  beforeAll(async () => {
    listening = await Listening.start((folder) => {
      certificate = join(folder, 'cert.pem');
      makeCertificate({ certFile: certificate, keyFile: join(folder, 'key.pem'), commonName: 'engine' });
      return {
        MILLRACE_WORKER_TLS_CERT: certificate,
        MILLRACE_WORKER_TLS_KEY: join(folder, 'key.pem'),
        MILLRACE_WORKER_PROXY_PROTOCOL: 'v2',
        MILLRACE_WORKER_PROXY_FROM: BALANCER,
      };
    });
    if (requireService('haproxy')) haproxy = await startHaproxy({ backendPorts: [direct()], source: BALANCER });
  });
  afterEach(async () => {
    await Promise.all(stops.splice(0).map((stop) => stop()));
    await eventually(() => listening.attached.length === 0, { what: 'the worker gone' });
  });
  afterAll(async () => {
    await haproxy?.stop();
    await listening.stop();
  });

  /** Returns the worker's address as soon as it is attached. */
  const attachedFrom = async (name: string): Promise<unknown> => {
    const attached = (): Listening['log'] =>
      listening.log.filter(({ message, fields }) => message === 'worker attached' && fields['worker'] === name);
    await eventually(() => attached().length > 0, { what: `${name} attached`, timeoutMs: 40_000 });
    const [line] = attached();
    return line!.fields['from'];
  };

  const startNodeWorker = (name: string, port: number): void => {
    const basedir = join(listening.folder, name);
    const child: ChildProcess = spawn(
      process.execPath,
      [NODE_WORKER, '--master', `wss://127.0.0.1:${port}`, '--name', name, '--basedir', basedir],
      {
        env: {
          PATH: process.env['PATH'],
          MILLRACE_WORKER_PASSWORD: `password-of-${name}`,
          NODE_EXTRA_CA_CERTS: certificate,
        },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    );
    stops.push(async () => {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    });
  };

  it('attach: ours, by wss', async () => {
    startNodeWorker('w0', direct());
    expect(await attachedFrom('w0')).toBe('127.0.0.1');
  });

  const throughBalancer = haproxy === null && !requireService('haproxy') ? it.skip : it;
  throughBalancer('attach: ours, by wss and HAProxy, with its own address', async () => {
    startNodeWorker('w1', balanced());
    expect(await attachedFrom('w1')).toBe('127.0.0.1');
    expect(listening.refusals.latest).toEqual([]);
  });

  const cases = stock.flatMap((one, i) =>
    (['msgpack', 'pb'] as const).map((protocol, j) => ({ ...one, protocol, name: `w${2 + 2 * i + j}` })),
  );
  (cases.length > 0 && requireService('haproxy') ? it.each(cases) : it.skip.each(cases))(
    'attach: buildbot-worker $version over $protocol, by HAProxy, as its manual says',
    async ({ name, protocol, ...one }) => {
      const basedir = join(listening.folder, name);
      mkdirSync(basedir);
      const worker = StockWorker.start({
        ...('program' in one ? { program: one.program } : {}),
        port: balanced(),
        name,
        password: `password-of-${name}`,
        basedir,
        protocol,
        options: ['--use-tls'],
        env: { SSL_CERT_FILE: certificate },
      });
      stops.push(() => worker.stop());
      const from = await attachedFrom(name).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${worker.log}`);
      });
      expect(from).toBe('127.0.0.1');
    },
    60_000,
  );
});
