import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { checkSchema, type Database, type Incarnation, type MasterStore, openDatabase } from '@millrace/database';
import { messageOf, OperationalError } from '@millrace/domain';
import type { Logger } from './logging.js';
import type { MasterSettings } from './settings.js';
import { VERSION } from './version.js';

/**
 * Opens the database. It waits for a database that is not there yet. An old schema is an error that a person has to fix.
 * @throws UserError about the address or the schema
 */
export async function reachDatabase({ databaseUrl }: MasterSettings, log: Logger): Promise<Database> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
    try {
      await checkSchema(databaseUrl);
      return openDatabase(databaseUrl);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.warn({ err: error }, 'waiting for the database');
      await delay(waitMs);
    }
  }
}

/** Begins a life of this master, as soon as no other process lives under its name. */
export async function register(store: MasterStore, settings: MasterSettings, log: Logger): Promise<Incarnation> {
  const { name, role, leaseMs } = settings;
  for (;;) {
    try {
      return await store.register({
        name,
        role,
        host: hostname(),
        pid: process.pid,
        version: VERSION,
        leaseMs,
        isAlive,
      });
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.warn({ code: error.code }, messageOf(error));
      await delay(500);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
