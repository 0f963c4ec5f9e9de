import type { Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { ControlStore } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import { MASTER, type Master } from '@millrace/master';
import type { FastifyInstance } from 'fastify';
import { ControlApi } from './control/control-api.js';
import { UI_HOST, type UiHost } from './host.js';
import { ChangePoller } from './live/change-poller.js';
import { LiveEvents } from './live/live-events.js';
import { Subscriptions } from './live/subscriptions.js';
import { WsGateway } from './live/ws-gateway.js';
import { Reads } from './reads.js';
import { EVERYBODY_MAY, type Rights } from './resources/caller.js';
import { ResourceTable, resourceTable } from './resources/resource-table.js';
import { ApiDispatcher } from './rest/api-dispatcher.js';
import { RestApi } from './rest/rest-api.js';
import { RestController } from './rest/rest.controller.js';
import { PagesController } from './web/pages.controller.js';
import { WebApp } from './web/web-app.js';

const WEB_FOLDER = fileURLToPath(new URL('../../web/dist', import.meta.url));

/** REST, commands, live events and the web app. */
@Module({})
export class UiParts implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    private readonly table: ResourceTable,
    private readonly gateway: WsGateway,
    private readonly live: LiveEvents,
    private readonly poller: ChangePoller,
    webApp: WebApp,
    @Inject(UI_HOST) private readonly host: UiHost,
  ) {
    webApp.attach(adapterHost.httpAdapter.getInstance<FastifyInstance>());
    // Bodies stay text: a body that is not JSON gets JSON-RPC's answer, not the framework's.
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      adapterHost.httpAdapter.useBodyParser(type, true, {}, (_request, body, done) => done(null, body.toString()));
    }
  }

  static with(host: Provider, webFolder: string = WEB_FOLDER, rights: Rights = EVERYBODY_MAY): DynamicModule {
    return {
      module: UiParts,
      controllers: [RestController, PagesController],
      providers: [
        ApiDispatcher,
        Subscriptions,
        host,
        { provide: WebApp, useFactory: () => new WebApp(webFolder) },
        { provide: Reads, useFactory: ({ db }: UiHost) => new Reads(db), inject: [UI_HOST] },
        {
          provide: ResourceTable,
          useFactory: (reads: Reads, { db, hints }: UiHost) =>
            resourceTable({ reads, control: new ControlStore(db), publish: (hint) => hints.publish(hint) }),
          inject: [Reads, UI_HOST],
        },
        { provide: RestApi, useFactory: (table: ResourceTable) => new RestApi(table, rights), inject: [ResourceTable] },
        {
          provide: ControlApi,
          useFactory: (table: ResourceTable, { log }: UiHost) =>
            new ControlApi(table, rights, (error) => log.error({ err: error }, `command failed: ${messageOf(error)}`)),
          inject: [ResourceTable, UI_HOST],
        },
        {
          provide: LiveEvents,
          useFactory: (table: ResourceTable, subscriptions: Subscriptions, { log }: UiHost) =>
            new LiveEvents(table, subscriptions, (error) =>
              log.warn({ err: error }, `live events: ${messageOf(error)}`),
            ),
          inject: [ResourceTable, Subscriptions, UI_HOST],
        },
        {
          provide: WsGateway,
          useFactory: (subscriptions: Subscriptions, { settings, log }: UiHost) =>
            new WsGateway(subscriptions, settings, (error, unsaid) =>
              log.error({ err: error, unsaid }, `a frame of /ws failed: ${messageOf(error)}`),
            ),
          inject: [Subscriptions, UI_HOST],
        },
        {
          provide: ChangePoller,
          useFactory: (
            table: ResourceTable,
            reads: Reads,
            live: LiveEvents,
            subscriptions: Subscriptions,
            host: UiHost,
          ) => new ChangePoller(host, table, reads.recent, live, subscriptions),
          inject: [ResourceTable, Reads, LiveEvents, Subscriptions, UI_HOST],
        },
      ],
    };
  }

  onModuleInit(): void {
    this.gateway.attach(this.adapterHost.httpAdapter.getHttpServer<Server>());
  }

  onApplicationBootstrap(): void {
    this.host.hints.subscribe('', (topic) => {
      const event = this.table.eventOf(topic);
      if (!event) return;
      this.poller.heard(event);
      this.live.changed(event);
    });
    this.host.hints.onState((bus) => {
      this.live.broadcast('bus', { bus });
      // Whatever was hinted at while it was away is found by reading again.
      if (bus === 'connected') this.live.broadcast('resync', {});
      else this.poller.busLost();
    });
    this.poller.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.gateway.close();
    await this.poller.stop();
    await this.live.stop();
  }
}

/** The role `ui`. */
@Module({
  imports: [
    UiParts.with({
      provide: UI_HOST,
      useFactory: (master: Master<'ui'>): UiHost => master,
      inject: [MASTER],
    }),
  ],
})
export class UiModule {}
