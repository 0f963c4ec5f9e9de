import 'reflect-metadata';
import { setDefaultResultOrder } from 'node:dns';
import { existsSync } from 'node:fs';
import type { LoggerService, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { checkBusOptions } from '@millrace/bus';
import { hints } from '@millrace/contracts';
import {
  type Incarnation,
  keepFolderPrivate,
  keepSqlitePrivate,
  type MasterRole,
  sqliteFile,
} from '@millrace/database';
import { loggableText, MillraceError, messageOf, printable, UserError } from '@millrace/domain';
import { Commands } from './commands.js';
import { Hints } from './hints.js';
import { httpAdapter, type ListenerOptions } from './http-listener.js';
import { HttpListening } from './http-listening.js';
import { createLogger, type Logger } from './logging.js';
import { busOptions, type MasterContext, MasterModule } from './master.module.js';
import { MasterPhase } from './phase.js';
import { type MasterSettings, readSettings } from './settings.js';
import { TlsIdentity } from './tls-identity.js';
import { ME } from './tokens.js';

const STOP_WITHIN_MS = 10_000;

export interface MasterOptions {
  readonly role: MasterRole;
  /** The role's module. All of the role's work starts and ends in lifecycle hooks of this module and of those it imports. */
  readonly module: Type;
  /** Options of this role's HTTP listener beyond the common ones. */
  readonly http?: Omit<ListenerOptions, 'rule' | 'tls' | 'hstsSeconds'>;
}

/**
 * Runs a master process: settings, schema check, registration, control thread, HTTP, the role itself, and an orderly end on SIGTERM or
 * SIGINT. An unhandled rejection ends the process: its lease runs out and another master takes over.
 */
export async function runMaster(options: MasterOptions): Promise<void> {
  let log: Logger | undefined;
  // Databases, mirrors and uploads must not be readable by everybody on the machine.
  process.umask(0o077);
  try {
    const settings = readSettings(options.role);
    log = createLogger(settings);
    await new MasterProcess(settings, log).run(options);
  } catch (error) {
    const code = error instanceof MillraceError ? error.code : 'unexpected';
    if (log) log.fatal({ code, err: error }, `cannot start: ${messageOf(error)}`);
    else process.stderr.write(`millrace: ${shownLines(messageOf(error))}\n`);
    // An error that a person has to fix is not restarted (sysexits: EX_CONFIG). After any other the supervisor tries again.
    process.exit(error instanceof UserError ? 78 : 1);
  }
}

class MasterProcess {
  /** Called when the supervisor is gone. Until everything is up there is nothing to stop in order. */
  private onOrphaned: () => void = () => process.exit(0);

  constructor(
    private readonly settings: MasterSettings,
    private readonly log: Logger,
  ) {}

  async run({ module, http }: MasterOptions): Promise<void> {
    this.prepare();
    const { settings, log } = this;
    const files = settings.httpTls;
    const tls = files && new TlsIdentity({ files, audience: 'the HTTP port', log });
    const app = await createMaster({ settings, log, tls, die: (what, error) => this.die(what, error) }, module, http);
    await app.init();
    const me = app.get<Incarnation>(ME);
    app.get(MasterPhase).current = 'running';
    app.get(Commands).start((work) => {
      work.then(
        () => this.stop(app, 'drained'),
        (error: unknown) => this.die('drain', error),
      );
    });
    app.get(Hints).publish(hints.master(me.masterId, 'started'));
    this.log.info({ url: app.get(HttpListening).url, epoch: me.epoch }, 'master started');
    this.obeySignals(app);
  }

  /**
   * Checks everything that must be right before anything is written.
   * @throws UserError about the bus or the data folder
   */
  private prepare(): void {
    const { settings } = this;
    // When the supervisor died while this process was loading, no disconnect event follows.
    if (settings.isSupervised && !process.connected) process.exit(0);
    if (process.connected) process.once('disconnect', () => this.onOrphaned());
    process.on('unhandledRejection', (reason) => this.die('unhandled rejection', reason));
    process.on('uncaughtException', (error) => this.die('uncaught exception', error));
    setDefaultResultOrder('ipv4first');
    checkBusOptions(busOptions(settings));
    this.keepPrivate();
  }

  /**
   * Makes the data folder private to this user.
   * @throws UserError `data-folder-shared`
   */
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

  private obeySignals(app: NestFastifyApplication): void {
    process.on('SIGTERM', () => this.stop(app, 'SIGTERM'));
    // Ctrl-C reaches a supervised master as well as its supervisor, which stops everything in its order.
    process.on('SIGINT', () => this.settings.isSupervised || this.stop(app, 'SIGINT'));
    process.on('SIGHUP', () => void app.get(Commands).reconfigure());
    this.onOrphaned = () => this.stop(app, 'the supervisor is gone');
  }

  private stop(app: NestFastifyApplication, signal: string): void {
    const phase = app.get(MasterPhase);
    if (phase.current === 'stopping') return;
    phase.current = 'stopping';
    this.log.info({ signal }, 'stopping');
    // A hanging hook must not keep the lease: the process ends all the same, and its lease runs out.
    setTimeout(() => this.die('stop', new Error('did not stop within 10 s')), STOP_WITHIN_MS).unref();
    app.close().then(
      () => {
        this.log.info('stopped');
        process.exit(0);
      },
      (error: unknown) => this.die('stop', error),
    );
  }

  private die(what: string, error: unknown): never {
    this.log.fatal({ err: error }, `${what}: ${messageOf(error)}`);
    process.exit(70);
  }
}

/** Makes the Nest application of a master: `MasterModule` and the role's own module. */
function createMaster(
  context: MasterContext,
  module: Type,
  http: MasterOptions['http'],
): Promise<NestFastifyApplication> {
  const { settings, log, tls } = context;
  return NestFactory.create<NestFastifyApplication>(
    { module: Root, imports: [MasterModule.for(context), module] },
    httpAdapter({ rule: settings.listenerRule, tls, hstsSeconds: settings.hstsSeconds, ...http }),
    { logger: nestLogger(log), abortOnError: false },
  );
}

class Root {}

/** Formats a message for a terminal: several problems are shown on separate lines. */
function shownLines(text: string): string {
  return loggableText(text)
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
}

function nestLogger(log: Logger): LoggerService {
  const nest = log.child({ component: 'nest' });
  return {
    log: (message: unknown) => nest.debug(String(message)),
    warn: (message: unknown) => nest.warn(String(message)),
    error: (message: unknown, stack?: unknown) => nest.error({ stack }, String(message)),
  };
}
