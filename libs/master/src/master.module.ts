import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER, DiscoveryModule } from '@nestjs/core';
import type { BusOptions } from '@millrace/bus';
import { hints } from '@millrace/contracts';
import { type Database, type Incarnation, MasterStore } from '@millrace/database';
import { Registry } from 'prom-client';
import { Ambers } from './ambers.js';
import { BusWatch } from './bus-watch.js';
import { Commands } from './commands.js';
import { ControlClient } from './control/client.js';
import { HealthController } from './health.controller.js';
import { Hints } from './hints.js';
import { HttpListening } from './http-listening.js';
import { Lease } from './lease.js';
import type { Logger } from './logging.js';
import { masterMetrics } from './metrics.js';
import { MillraceErrorFilter } from './millrace-error.filter.js';
import { MasterPhase } from './phase.js';
import { reachDatabase, register } from './registration.js';
import type { MasterSettings } from './settings.js';
import { STORES } from './stores.js';
import type { TlsIdentity } from './tls-identity.js';
import { DATABASE, HTTP_TLS, LOG, ME, SETTINGS } from './tokens.js';

export interface MasterContext {
  readonly settings: MasterSettings;
  readonly log: Logger;
  /** The certificate of the HTTP port; null without TLS. */
  readonly tls: TlsIdentity | null;
  /** Ends the process at once. Its lease runs out, and another master takes over. */
  readonly die: (what: string, error: unknown) => never;
}

/**
 * Provides what scheduler, engine and UI have in common: settings, log, database and stores, this life of the master and its lease, hints,
 * metrics, commands, health. Its hooks run first at the start and last at the end.
 */
@Module({})
export class MasterModule implements OnApplicationShutdown {
  constructor(
    private readonly control: ControlClient,
    @Inject(DATABASE) private readonly db: Database,
    @Inject(ME) private readonly me: Incarnation,
  ) {}

  static for({ settings, log, tls, die }: MasterContext): DynamicModule {
    const provided = [Ambers, SETTINGS, LOG, DATABASE, ME, Lease, Hints, Registry, MasterPhase];
    return {
      module: MasterModule,
      global: true,
      imports: [DiscoveryModule],
      controllers: [HealthController],
      providers: [
        ...STORES,
        Ambers,
        BusWatch,
        Commands,
        HttpListening,
        MasterPhase,
        { provide: APP_FILTER, useClass: MillraceErrorFilter },
        { provide: SETTINGS, useValue: settings },
        { provide: LOG, useValue: log },
        { provide: HTTP_TLS, useValue: tls },
        { provide: Lease, useFactory: () => new Lease(settings.leaseMs) },
        { provide: DATABASE, useFactory: () => reachDatabase(settings, log) },
        { provide: ME, useFactory: (store: MasterStore) => register(store, settings, log), inject: [MasterStore] },
        {
          provide: ControlClient,
          useFactory: (me: Incarnation, lease: Lease) => controlClient({ settings, log, tls, die }, me, lease),
          inject: [ME, Lease],
        },
        { provide: Hints, useExisting: ControlClient },
        { provide: Registry, useFactory: masterMetrics, inject: [ControlClient, HTTP_TLS] },
      ],
      exports: [...provided, ...STORES.map(({ provide }) => provide)],
    };
  }

  /** Gives up the lease after every role has ended its work and the HTTP port is closed. Only now may another master take the name. */
  async onApplicationShutdown(): Promise<void> {
    this.control.publish(hints.master(this.me.masterId, 'stopped'));
    await this.control.stop();
    await this.db.close();
  }
}

function controlClient({ settings, log, die }: MasterContext, me: Incarnation, lease: Lease): ControlClient {
  const { databaseUrl, leaseMs } = settings;
  return new ControlClient({
    setup: { databaseUrl, leaseMs, me, bus: busOptions(settings) },
    onRenewal: (ok, reason) => {
      if (ok) return lease.renewed();
      lease.notRenewed();
      log.warn({ reason }, 'the lease could not be renewed');
    },
    onClockSet: (stepMs) => {
      lease.clockSet();
      log.warn({ stepMs }, "the database's clock was set forward: nothing is taken over from others for a while");
    },
    onDeath: (reason) => die('control thread', new Error(reason)),
    onTrouble: (text, fields) => log.warn(fields, text),
  });
}

export function busOptions(settings: MasterSettings): BusOptions {
  return {
    url: settings.busUrl,
    realm: settings.busRealm,
    prefix: settings.busPrefix,
    ...(settings.busAuthId ? { authId: settings.busAuthId } : {}),
    ...(settings.busTicket ? { ticket: settings.busTicket } : {}),
  };
}
