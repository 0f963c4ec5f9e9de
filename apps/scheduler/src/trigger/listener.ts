import { isIP } from 'node:net';
import { Module, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { UserError } from '@millrace/domain';
import { type Master, portRefused } from '@millrace/master';
import { strangerAt } from '../core/strangers.js';
import type { CurrentRuntime } from '../runtime.js';
import { TriggerController } from './trigger.controller.js';
import { TriggerService } from './trigger.service.js';

@Module({})
class TriggerModule {}

/**
 * The trigger API, on a listener and port of its own.
 * @throws UserError `trigger-token-missing` when it would listen beyond this machine without a token
 */
export async function startTriggerListener(master: Master, runtime: CurrentRuntime): Promise<NestFastifyApplication> {
  const { triggerHost, triggerPort, triggerToken, publicUrl } = master.settings;
  if (!isLoopback(triggerHost) && !triggerToken) {
    throw new UserError(
      'trigger-token-missing',
      `MILLRACE_TRIGGER_HOST is '${triggerHost}': whoever reaches it could start builds; set MILLRACE_TRIGGER_TOKEN too`,
      { setting: 'MILLRACE_TRIGGER_TOKEN' },
    );
  }
  const adapter = new FastifyAdapter({ bodyLimit: 1 << 20, forceCloseConnections: true });
  const http = adapter.getInstance();
  // A page may send text and forms without asking first.
  http.removeContentTypeParser('text/plain');
  http.addHook('onRequest', async ({ headers: { origin, host } }, reply) => {
    const error = strangerAt({ origin, host }, { publicUrl, hasToken: triggerToken !== null });
    if (error !== null) return reply.status(403).send({ error, code: 'stranger' });
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    {
      module: TriggerModule,
      controllers: [TriggerController],
      providers: [{ provide: TriggerService, useFactory: () => new TriggerService(master, runtime) }],
    },
    adapter,
    { logger: false, abortOnError: false, bodyParser: false },
  );
  app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }));
  try {
    await app.listen(triggerPort, triggerHost);
  } catch (error) {
    throw portRefused(error as Error, triggerPort, 'MILLRACE_TRIGGER_PORT');
  }
  return app;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
