import type { FactoryProvider } from '@nestjs/common';
import type { Database, Incarnation } from '@millrace/database';
import { Registry } from 'prom-client';
import { Hints } from './hints.js';
import { Lease } from './lease.js';
import type { Logger } from './logging.js';
import type { RoleSettings } from './settings.js';
import { DATABASE, LOG, ME, SETTINGS } from './tokens.js';

/** Everything of a master in one object, for the modules that do not take the single providers yet. */
export interface Master<R extends keyof RoleSettings = keyof RoleSettings> {
  readonly me: Incarnation;
  readonly db: Database;
  readonly hints: Hints;
  readonly log: Logger;
  readonly settings: RoleSettings[R];
  readonly metrics: Registry;
  mayTakeOver(): boolean;
}

export const MASTER = Symbol('MASTER');

export const MASTER_PROVIDER: FactoryProvider<Master> = {
  provide: MASTER,
  useFactory: (
    me: Incarnation,
    db: Database,
    hints: Hints,
    log: Logger,
    settings: RoleSettings[keyof RoleSettings],
    metrics: Registry,
    lease: Lease,
  ): Master => ({ me, db, hints, log, settings, metrics, mayTakeOver: () => lease.mayTakeOver() }),
  inject: [ME, DATABASE, Hints, LOG, SETTINGS, Registry, Lease],
};
