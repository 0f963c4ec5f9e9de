import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  httpAdapter,
  LOG,
  type Logger,
  MillraceErrorFilter,
  portRefused,
  type SchedulerSettings,
  SETTINGS,
} from '@millrace/master';
import { HookRoutes } from '@millrace/master/hooks';
import { TriggerController } from './trigger.controller.js';
import { TriggerGuard } from './trigger.guard.js';
import { TriggerService } from './trigger.service.js';

class TriggerApp {}

/** The HTTP server of the trigger API and of hooks: a small Nest application beside that of the master. */
@Injectable()
export class TriggerListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private app: NestFastifyApplication | null = null;

  constructor(
    private readonly service: TriggerService,
    private readonly guard: TriggerGuard,
    private readonly hooks: HookRoutes,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { triggerHost, triggerPort } = this.settings;
    this.app = await this.create();
    try {
      await this.app.listen(triggerPort, triggerHost);
    } catch (error) {
      throw portRefused(error as Error, triggerPort, 'MILLRACE_TRIGGER_PORT');
    }
    this.log.info({ url: await this.app.getUrl() }, 'trigger API and hooks listen');
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.app?.close();
  }

  private async create(): Promise<NestFastifyApplication> {
    const adapter = httpAdapter({ rule: this.settings.listenerRule });
    const http = adapter.getInstance();
    http.addHook('onRequest', async ({ raw, url }, reply) => {
      // Hooks have secrets of their own.
      if (url.startsWith('/change_hook/')) return;
      const refusal = await this.guard.refuse(raw);
      if (refusal) return reply.status(401).header('connection', 'close').send(refusal);
    });
    await this.hooks.addTo(http);
    // Accepts only JSON, and as text: a page may send text and forms without a CORS request, and `readTrigger` has limits of its own.
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    return NestFactory.create<NestFastifyApplication>(
      {
        module: TriggerApp,
        controllers: [TriggerController],
        providers: [
          { provide: TriggerGuard, useValue: this.guard },
          { provide: TriggerService, useValue: this.service },
          { provide: APP_FILTER, useClass: MillraceErrorFilter },
        ],
      },
      adapter,
      { logger: false, abortOnError: false, bodyParser: false },
    );
  }
}
