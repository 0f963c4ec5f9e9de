import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationStore, type Database, type Incarnation, migrate, openDatabase } from '@millrace/database';
import { type EngineSettings, readSettings } from '@millrace/master';
import { freePort, registerMaster } from '@millrace/testing';
import { type LogLine, testMaster } from '@millrace/testing/master';
import { pbDigest } from '@millrace/worker-protocol';
import { Test, type TestingModule } from '@nestjs/testing';
import { Registry } from 'prom-client';
import { EngineSignals } from '../../src/builds/engine-signals.js';
import { Connections } from '../../src/workers/connections.js';
import { WorkerListener } from '../../src/workers/listener.js';
import { WorkerDirectory } from '../../src/workers/login.js';
import { Refusals } from '../../src/workers/refusals.js';
import { BuildsOfWorkers, WorkerSessions } from '../../src/workers/sessions.js';
import { WORKER_PROVIDERS } from '../../src/workers/workers.module.js';

/** A worker listener on real ports, with a database and workers `w0` … whose passwords are `password-of-wN`. */
export class Listening {
  private constructor(
    private readonly module: TestingModule,
    readonly settings: EngineSettings,
    readonly folder: string,
    readonly log: LogLine[],
    private readonly metrics: Registry,
    private readonly db: Database,
  ) {}

  static async start(
    env: (folder: string) => Record<string, string> | Promise<Record<string, string>> = () => ({}),
    workers = 10,
  ): Promise<Listening> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-listener-'));
    const url = `sqlite:${join(folder, 'test.sqlite')}`;
    await migrate(url);
    const db = openDatabase(url);
    const me: Incarnation = await registerMaster(db, { name: 'engine' });
    const names = Array.from({ length: workers }, (_, i) => `w${i}`);
    const compiled = names.map((name) => ({
      name,
      hasPassword: true,
      maxBuilds: 1,
      missingTimeoutMs: null,
      env: {},
      properties: {},
    }));
    const ids = await new ConfigurationStore(db).apply(
      me,
      { fingerprint: 'f', body: '{}' },
      { projects: [], builders: [], workers: compiled, schedulers: [], changeSources: [] },
      { serves: true },
    );
    const directory: WorkerDirectory = {
      workers: new Map(compiled.map((worker) => [worker.name, worker])),
      workerIds: ids.workers,
      workerDigests: Object.fromEntries(names.map((name) => [name, pbDigest(`password-of-${name}`).toString('hex')])),
      tokens: { check: () => null, checkPb: () => null, isWorking: () => false },
      builddirs: () => [],
    };
    const settings = readSettings('engine', {
      MILLRACE_DATA: folder,
      MILLRACE_WORKER_PORT: String(await freePort()),
      ...(await env(folder)),
    });
    const lines: LogLine[] = [];
    const metrics = new Registry();
    const module = await Test.createTestingModule({
      imports: [testMaster({ db, me, settings, metrics, lines })],
      providers: [
        ...WORKER_PROVIDERS,
        EngineSignals,
        { provide: WorkerDirectory, useValue: directory },
        {
          provide: BuildsOfWorkers,
          useValue: { adopt: () => Promise.resolve(), workerAway: () => undefined } satisfies BuildsOfWorkers,
        },
      ],
    }).compile();
    await module.init();
    return new Listening(module, settings, folder, lines, metrics, db);
  }

  get connections(): Connections {
    return this.module.get(Connections);
  }

  get refusals(): Refusals {
    return this.module.get(Refusals);
  }

  get sessions(): WorkerSessions {
    return this.module.get(WorkerSessions);
  }

  get listener(): WorkerListener {
    return this.module.get(WorkerListener);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.settings.workerPort}`;
  }

  get attached(): string[] {
    return [...this.sessions.attached.values()].map(({ name }) => name).sort();
  }

  /** Returns the value of a metric, with its labels if it has any: `name{label="value"}`. */
  async metric(name: string): Promise<number> {
    const lines = (await this.metrics.metrics()).split('\n');
    return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1));
  }

  async stop(): Promise<void> {
    await this.module.close();
    await this.db.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** A connection that sends raw bytes and keeps what it receives. */
export class Talk {
  heard = Buffer.alloc(0);
  readonly closed: Promise<void>;

  private constructor(readonly socket: Socket) {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => (this.heard = Buffer.concat([this.heard, bytes])));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static with(port: number, words: string | Uint8Array = ''): Talk {
    return Talk.over(connect(port, '127.0.0.1'), words);
  }

  static over(socket: Socket, words: string | Uint8Array = ''): Talk {
    const talk = new Talk(socket);
    if (words.length > 0) socket.write(words);
    return talk;
  }

  get text(): string {
    return this.heard.toString('latin1');
  }
}

/** The master's greeting over PB. */
export const PB_GREETING = Buffer.from('02800282706204826e6f6e65', 'hex');

/** Returns the first request of a msgpack worker. */
export function upgrade(name: string, password: string): string {
  return [
    'GET / HTTP/1.1',
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Authorization: Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
    'Sec-WebSocket-Key: L9eczmAycq6DZpthUHbyAw==',
    'Sec-WebSocket-Version: 13',
    '\r\n',
  ].join('\r\n');
}
