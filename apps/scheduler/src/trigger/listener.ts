import { timingSafeEqual } from 'node:crypto';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { isLoopback, UserError } from '@millrace/domain';
import { httpAdapter, type Master, portRefused } from '@millrace/master';
import type { CurrentRuntime } from '../runtime.js';
import { TriggerController } from './trigger.controller.js';
import { TriggerService } from './trigger.service.js';

@Module({})
class TriggerModule {}

/**
 * The trigger API, on a listener and port of its own.
 * @throws UserError `trigger-token-missing` when it would listen beyond this machine without a token
 */
export async function startTriggerListener(
  master: Master<'scheduler'>,
  runtime: CurrentRuntime,
): Promise<NestFastifyApplication> {
  const { triggerHost, triggerPort, triggerToken, listenerRule } = master.settings;
  if (!isLoopback(triggerHost) && !triggerToken) {
    throw new UserError(
      'trigger-token-missing',
      `MILLRACE_TRIGGER_HOST is '${triggerHost}': whoever reaches it could start builds; set MILLRACE_TRIGGER_TOKEN too`,
      { setting: 'MILLRACE_TRIGGER_TOKEN' },
    );
  }
  const adapter = httpAdapter({ rule: listenerRule });
  const http = adapter.getInstance();
  // Before the body is read: whoever has no token gets nothing parsed.
  http.addHook('onRequest', async ({ headers }, reply) => {
    if (triggerToken === null || isBearer(headers.authorization, triggerToken)) return;
    const error = 'send the trigger token: Authorization: Bearer TOKEN (the setting MILLRACE_TRIGGER_TOKEN)';
    return reply.status(401).header('connection', 'close').send({ error, code: 'bad-token' });
  });
  // JSON only, and as text: a page may send text and forms without asking first, and `readTrigger` has limits of its own.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  const app = await NestFactory.create<NestFastifyApplication>(
    {
      module: TriggerModule,
      controllers: [TriggerController],
      providers: [{ provide: TriggerService, useFactory: () => new TriggerService(master, runtime) }],
    },
    adapter,
    { logger: false, abortOnError: false, bodyParser: false },
  );
  try {
    await app.listen(triggerPort, triggerHost);
  } catch (error) {
    throw portRefused(error as Error, triggerPort, 'MILLRACE_TRIGGER_PORT');
  }
  return app;
}

function isBearer(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization?.replace(/^Bearer /i, '') ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
