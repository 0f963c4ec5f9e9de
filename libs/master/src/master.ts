import type { DynamicModule, Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Database, Incarnation, MasterCommand } from '@millrace/database';
import type { Registry } from 'prom-client';
import type { CommandHandler } from './command-handler.js';
import type { Hints } from './control/client.js';
import type { ListenerOptions } from './http-listener.js';
import type { Logger } from './logging.js';
import type { MasterSettings } from './settings.js';

/** What every role gets: who it is, the database, hints, logging. */
export interface Master {
  readonly me: Incarnation;
  readonly db: Database;
  readonly hints: Hints;
  readonly log: Logger;
  readonly settings: MasterSettings;
  readonly metrics: Registry;
  /** Whether what belonged to a master that looks dead may be taken over now (see `OutageGuard`). */
  mayTakeOver(): boolean;
  /** Runs at the end, the last one added first; the lease is given up after all of them. */
  onStop(stop: () => Promise<void>): void;
  /** Runs on SIGHUP and on the command `reconfig`; returns what it did, in words. Rejects when nothing was changed. */
  onReload(reload: () => Promise<string>): void;
  /** Runs on the command `drain`: takes nothing new and resolves when what was there is finished; the master then stops. */
  onDrain(drain: () => Promise<void>): void;
  /** Handles command rows of this kind that are addressed to this master; the answer is stored with the row. */
  onCommand(kind: MasterCommand['kind'], handler: CommandHandler): void;
}

export interface MasterParts {
  readonly module: DynamicModule | Type;
  /** What this role's HTTP listener has beyond what all have. */
  readonly http?: Omit<ListenerOptions, 'rule'>;
  /** After the HTTP listener is up. */
  readonly onReady?: (app: NestFastifyApplication) => Promise<void> | void;
}
