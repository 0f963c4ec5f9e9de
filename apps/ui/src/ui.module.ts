import type { Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { messageOf } from '@millrace/domain';
import type { FastifyInstance } from 'fastify';
import { ControlApi } from './control/control-api.js';
import { UI_HOST, type UiHost } from './host.js';
import { ChangePoller } from './live/change-poller.js';
import { LiveEvents } from './live/live-events.js';
import { Subscriptions } from './live/subscriptions.js';
import { rowEventOf } from './live/topics.js';
import { WsGateway } from './live/ws-gateway.js';
import { Reads } from './reads.js';
import { ApiDispatcher } from './rest/api-dispatcher.js';
import { RestApi } from './rest/rest-api.js';
import { RestController } from './rest/rest.controller.js';
import { PagesController } from './web/pages.controller.js';
import { WebApp } from './web/web-app.js';

const WEB_FOLDER = fileURLToPath(new URL('../../web/dist', import.meta.url));

/** The role `ui`: REST, commands, live events and the web app. */
@Module({})
export class UiModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
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

  static with(host: UiHost, webFolder: string = WEB_FOLDER): DynamicModule {
    const trouble = (error: unknown): void => host.log.warn({ err: error }, `live events: ${messageOf(error)}`);
    const unexpected = (error: unknown): void => host.log.error({ err: error }, `command failed: ${messageOf(error)}`);
    const fault = (error: unknown, unsaid: number): void =>
      host.log.error({ err: error, unsaid }, `a frame of /ws failed: ${messageOf(error)}`);
    return {
      module: UiModule,
      controllers: [RestController, PagesController],
      providers: [
        ApiDispatcher,
        Subscriptions,
        { provide: UI_HOST, useValue: host },
        { provide: WebApp, useFactory: () => new WebApp(webFolder) },
        { provide: Reads, useFactory: () => new Reads(host.db) },
        { provide: RestApi, useFactory: (reads: Reads) => new RestApi(reads), inject: [Reads] },
        {
          provide: ControlApi,
          useFactory: (reads: Reads) => new ControlApi(reads, (hint) => host.hints.publish(hint), unexpected),
          inject: [Reads],
        },
        {
          provide: LiveEvents,
          useFactory: (reads: Reads, subscriptions: Subscriptions) => new LiveEvents(reads, subscriptions, trouble),
          inject: [Reads, Subscriptions],
        },
        {
          provide: WsGateway,
          useFactory: (subscriptions: Subscriptions) => new WsGateway(subscriptions, host.settings, fault),
          inject: [Subscriptions],
        },
        {
          provide: ChangePoller,
          useFactory: (live: LiveEvents, subscriptions: Subscriptions) => new ChangePoller(host, live, subscriptions),
          inject: [LiveEvents, Subscriptions],
        },
      ],
    };
  }

  onApplicationBootstrap(): void {
    this.gateway.attach(this.adapterHost.httpAdapter.getHttpServer<Server>());
    this.host.hints.subscribe('', (topic, payload) => {
      const event = rowEventOf(topic, payload);
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
    this.host.onStop(() => this.stop());
  }

  onApplicationShutdown(): Promise<void> {
    return this.stop();
  }

  private async stop(): Promise<void> {
    this.gateway.close();
    await this.poller.stop();
    await this.live.stop();
  }
}
