import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { databaseNowMs } from '@millrace/database';
import { loggableText, messageOf } from '@millrace/domain';
import type { Master } from './master.js';

export type Phase = 'starting' | 'running' | 'draining' | 'stopping';

/**
 * `/livez` (the main loop turns), `/readyz` (`ok`; `amber` without the bus: everything works, a little later; 503 without the
 * database, while starting, draining and stopping) and `/metrics`.
 */
export function addHealthRoutes(app: NestFastifyApplication, master: Master, phase: () => Phase): void {
  const http = app.getHttpAdapter().getInstance();
  http.get('/livez', async () => ({ status: 'ok' }));
  http.get('/readyz', async (_request, reply) => {
    const database = await databaseNowMs(master.db).then(
      () => 'ok',
      (error: unknown) => loggableText(messageOf(error), 300),
    );
    const bus = master.hints.state;
    const status = phase() !== 'running' ? phase() : database !== 'ok' ? 'down' : bus === 'connecting' ? 'amber' : 'ok';
    const { name, role } = master.settings;
    return reply
      .status(status === 'ok' || status === 'amber' ? 200 : 503)
      .send({ status, role, name, epoch: master.me.epoch, database, bus: bus === 'connecting' ? 'lost' : bus });
  });
  http.get('/metrics', async (_request, reply) =>
    reply.header('content-type', master.metrics.contentType).send(await master.metrics.metrics()),
  );
}
