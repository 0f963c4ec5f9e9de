import 'reflect-metadata';
import { setDefaultResultOrder } from 'node:dns';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type BusOptions, checkBusOptions } from '@millrace/bus';
import { hints } from '@millrace/contracts';
import {
  checkSchema,
  type Database,
  type Incarnation,
  keepFolderPrivate,
  keepSqlitePrivate,
  MasterStore,
  openDatabase,
  sabotaged,
  sqliteFile,
} from '@millrace/database';
import { loggableText, MillraceError, messageOf, OperationalError, printable, UserError } from '@millrace/domain';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { ControlClient } from './control/client.js';
import type { CommandHandlers } from './command-handler.js';
import { commandLoop } from './commands.js';
import { addHealthRoutes, type Phase } from './health.js';
import { httpAdapter } from './http-listener.js';
import type { Master, MasterParts } from './master.js';
import { createLogger, type Logger } from './logging.js';
import { OutageGuard } from './outage-guard.js';
import { type MasterSettings, readSettings } from './settings.js';

export const VERSION = '0.1.0';

/**
 * The life of a master process: settings, schema check, registration, control thread, the role itself, HTTP, and an orderly end on
 * SIGTERM or SIGINT. An unhandled rejection ends the process: its lease runs out and another master takes over.
 */
export async function runMaster(options: {
  role: MasterSettings['role'];
  setup: (master: Master) => Promise<MasterParts>;
}): Promise<void> {
  let log: Logger | undefined;
  // Databases, mirrors and uploads hold what not everybody on the machine may read.
  process.umask(0o077);
  try {
    const settings = readSettings(options.role);
    log = createLogger(settings);
    await new MasterProcess(settings, log).run(options.setup);
  } catch (error) {
    const code = error instanceof MillraceError ? error.code : 'unexpected';
    if (log) log.fatal({ code, err: error }, `cannot start: ${messageOf(error)}`);
    else process.stderr.write(`millrace: ${shownLines(messageOf(error))}\n`);
    // What the person has to mend is not restarted (sysexits: EX_CONFIG); anything else is tried again by the supervisor.
    process.exit(error instanceof UserError ? 78 : 1);
  }
}

class MasterProcess {
  private readonly stops: (() => Promise<void>)[] = [];
  private reload: (() => Promise<string>) | null = null;
  private reloading: Promise<string> = Promise.resolve('');
  private readonly handlers: CommandHandlers = new Map();
  private drain: () => Promise<void> = () => Promise.resolve();
  private phase: Phase = 'starting';
  /** Until everything is up there is nothing to stop in order. */
  private onOrphaned: () => void = () => process.exit(0);

  constructor(
    private readonly settings: MasterSettings,
    private readonly log: Logger,
  ) {}

  async run(setup: (master: Master) => Promise<MasterParts>): Promise<void> {
    const { settings, log } = this;
    // A supervisor that died while this process was being loaded is not heard of again.
    if (settings.isSupervised && !process.connected) process.exit(0);
    if (process.connected) process.once('disconnect', () => this.onOrphaned());
    setDefaultResultOrder('ipv4first');
    checkBusOptions(busOptions(settings));
    this.keepPrivate();
    for (const guarantee of ['fence', 'cause', 'poll'] as const) {
      if (sabotaged(guarantee))
        log.error({ guarantee }, 'MILLRACE_TEST_SABOTAGE is set: this master breaks its guarantees on purpose');
    }
    process.on('unhandledRejection', (reason) => this.die('unhandled rejection', reason));
    process.on('uncaughtException', (error) => this.die('uncaught exception', error));
    await this.schemaReady();
    const db = openDatabase(settings.databaseUrl);
    const me = await this.register(db);
    const guard = new OutageGuard(settings.leaseMs);
    const control = new ControlClient(
      { databaseUrl: settings.databaseUrl, bus: busOptions(settings), me, leaseMs: settings.leaseMs },
      (ok, reason) => {
        if (ok) guard.worked(performance.now());
        else {
          guard.failed();
          log.warn({ reason }, 'the lease could not be renewed');
        }
      },
      (reason) => this.die('control thread', new Error(reason)),
      (text, fields) => log.warn(fields, text),
    );
    const metrics = new Registry();
    collectDefaultMetrics({ register: metrics });
    new Gauge({
      name: 'millrace_bus_connected',
      help: '1 while the message bus is connected or switched off, 0 while it is lost',
      registers: [metrics],
      collect() {
        this.set(control.state === 'connecting' ? 0 : 1);
      },
    });
    new Counter({
      name: 'millrace_bus_hints_dropped_total',
      help: 'What came by the bus and was no hint; counted once a minute',
      registers: [metrics],
      collect() {
        this.reset();
        this.inc(control.droppedHints);
      },
    });
    control.onState((state) => log.info({ bus: state }, 'bus state'));
    const master: Master = {
      me,
      db,
      hints: control,
      log,
      settings,
      metrics,
      mayTakeOver: () => guard.mayTakeOver(performance.now()),
      onStop: (stop) => this.stops.unshift(stop),
      onReload: (reload) => (this.reload = reload),
      onDrain: (drain) => (this.drain = drain),
      onCommand: (kind, handler) => this.handlers.set(kind, handler),
    };
    this.handlers.set('reconfig', () => this.reloadNow());
    const parts = await setup(master);
    const commands = commandLoop(master, this.handlers);
    const app = await NestFactory.create<NestFastifyApplication>(
      parts.module,
      httpAdapter({ rule: settings.listenerRule, ...parts.http }),
      {
        logger: nestLogger(log),
        abortOnError: false,
      },
    );
    addHealthRoutes(app, master, () => this.phase);
    await listen(app, settings);
    await parts.onReady?.(app);
    commands.start();
    this.phase = 'running';
    control.publish(hints.master(me.masterId, 'started'));
    log.info({ url: await app.getUrl(), epoch: me.epoch }, 'master started');

    const stop = (signal: string): void => {
      if (this.phase === 'stopping') return;
      this.phase = 'stopping';
      this.stops.push(() => commands.stop());
      void this.stop(signal, app, control, master);
    };
    this.handlers.set('drain', async () => {
      if (this.phase !== 'running') return this.phase;
      this.phase = 'draining';
      await new MasterStore(db).setState(me, 'draining');
      control.publish(hints.master(me.masterId, 'started'));
      log.info('draining: nothing new is taken');
      void this.drain().then(
        () => stop('drained'),
        (error: unknown) => this.die('drain', error),
      );
      return 'draining';
    });
    process.on('SIGTERM', () => stop('SIGTERM'));
    // Ctrl-C reaches a supervised master as well as its supervisor, which stops everything in its order.
    process.on('SIGINT', () => this.settings.isSupervised || stop('SIGINT'));
    process.on('SIGHUP', () => void this.reloadNow());
    this.onOrphaned = () => stop('the supervisor is gone');
  }

  /** @throws UserError `data-folder-shared` */
  private keepPrivate(): void {
    const { dataFolder, databaseUrl } = this.settings;
    const file = sqliteFile(databaseUrl);
    // A role that keeps no data needs no folder.
    const repairs = [
      existsSync(dataFolder) ? keepFolderPrivate(dataFolder) : null,
      file === null ? null : keepSqlitePrivate(file),
    ];
    for (const repair of repairs) if (repair !== null) this.log.warn({ repair }, repair);
  }

  /** A database that is not there yet is waited for; one with an old schema is the person's business. */
  private async schemaReady(): Promise<void> {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        return await checkSchema(this.settings.databaseUrl);
      } catch (error) {
        if (!(error instanceof OperationalError)) throw error;
        this.log.warn({ err: error }, 'waiting for the database');
        await delay(waitMs);
      }
    }
  }

  private async register(db: Database): Promise<Incarnation> {
    const { settings } = this;
    const store = new MasterStore(db);
    for (;;) {
      try {
        return await store.register({
          name: settings.name,
          role: settings.role,
          host: hostname(),
          pid: process.pid,
          version: VERSION,
          leaseMs: settings.leaseMs,
          isAlive,
        });
      } catch (error) {
        if (!(error instanceof OperationalError)) throw error;
        this.log.warn({ code: error.code }, messageOf(error));
        await delay(500);
      }
    }
  }

  private async stop(
    signal: string,
    app: NestFastifyApplication,
    control: ControlClient,
    master: Master,
  ): Promise<void> {
    this.log.info({ signal }, 'stopping');
    // Whatever hangs here must not keep the lease: the process ends all the same, and its lease runs out.
    setTimeout(() => this.die('stop', new Error('did not stop within 10 s')), 10_000).unref();
    for (const stop of this.stops) {
      await stop().catch((error: unknown) => this.log.error({ err: error }, `while stopping: ${messageOf(error)}`));
    }
    await app.close();
    control.publish(hints.master(master.me.masterId, 'stopped'));
    await control.stop();
    await master.db.close();
    this.log.info('stopped');
    process.exit(0);
  }

  /** One after the other. Never rejects: what went wrong is the answer. */
  private reloadNow(): Promise<string> {
    this.reloading = this.reloading.then(() => this.reloadOnce());
    return this.reloading;
  }

  private async reloadOnce(): Promise<string> {
    if (!this.reload) return 'this master has no configuration of its own';
    try {
      const answer = await this.reload();
      this.log.info({ answer }, 'reconfigured');
      return answer;
    } catch (error) {
      this.log.error({ err: error }, `reconfiguration refused, nothing was changed: ${messageOf(error)}`);
      return `refused: ${messageOf(error)}`;
    }
  }

  private die(what: string, error: unknown): never {
    this.log.fatal({ err: error }, `${what}: ${messageOf(error)}`);
    process.exit(70);
  }
}

function busOptions(settings: MasterSettings): BusOptions {
  return {
    url: settings.busUrl,
    realm: settings.busRealm,
    prefix: settings.busPrefix,
    ...(settings.busAuthId ? { authId: settings.busAuthId } : {}),
    ...(settings.busTicket ? { ticket: settings.busTicket } : {}),
  };
}

async function listen(app: NestFastifyApplication, settings: MasterSettings): Promise<void> {
  try {
    await app.listen(settings.httpPort, settings.httpHost);
  } catch (error) {
    throw portRefused(error as Error, settings.httpPort, 'MILLRACE_HTTP_PORT');
  }
}

/** What to throw when a port could not be listened on. */
export function portRefused(error: NodeJS.ErrnoException, port: number, setting: string): Error {
  const { code } = error;
  if (code === 'EADDRINUSE') return portTaken(port, setting);
  if (code !== 'EACCES') return error;
  return new UserError('port-refused', `port ${port} is not for this user: set ${setting} to another port`, {
    port,
    setting,
  });
}

function portTaken(port: number, setting: string): UserError {
  return new UserError('port-taken', `port ${port} is taken: stop what uses it, or set ${setting} to another port`, {
    port,
    setting,
  });
}

/** For a terminal: several problems stand on lines of their own. */
function shownLines(text: string): string {
  return loggableText(text)
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function nestLogger(log: Logger): LoggerService {
  const nest = log.child({ component: 'nest' });
  return {
    log: (message: unknown) => nest.debug(String(message)),
    warn: (message: unknown) => nest.warn(String(message)),
    error: (message: unknown, stack?: unknown) => nest.error({ stack }, String(message)),
  };
}
