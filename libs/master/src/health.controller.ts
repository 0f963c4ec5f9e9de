import { Controller, Get, Inject, Res } from '@nestjs/common';
import { type Database, databaseNowMs, type Incarnation } from '@millrace/database';
import { loggableText, messageOf } from '@millrace/domain';
import type { FastifyReply } from 'fastify';
import { Registry } from 'prom-client';
import { Ambers } from './ambers.js';
import { Hints } from './hints.js';
import { MasterPhase } from './phase.js';
import type { MasterSettings } from './settings.js';
import { DATABASE, ME, SETTINGS } from './tokens.js';

const MOST_AMBERS = 20;

/**
 * Serves `/livez` (the main loop turns), `/readyz` (`ok`; `amber` without the bus, when everything works a little later, and for problems
 * in `Ambers`; 503 without the database, while starting, draining and stopping) and `/metrics`.
 */
@Controller()
export class HealthController {
  constructor(
    private readonly hints: Hints,
    private readonly ambers: Ambers,
    private readonly phase: MasterPhase,
    private readonly metrics: Registry,
    @Inject(DATABASE) private readonly db: Database,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(SETTINGS) private readonly settings: MasterSettings,
  ) {}

  @Get('livez')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const database = await databaseNowMs(this.db).then(
      () => 'ok',
      (error: unknown) => loggableText(messageOf(error), 300),
    );
    const phase = this.phase.current;
    const bus = this.hints.state;
    const ambers = [...this.ambers.all].map(([what, why]) => `${what}: ${loggableText(why, 300)}`);
    const isAmber = bus === 'connecting' || ambers.length > 0;
    const status = phase !== 'running' ? phase : database !== 'ok' ? 'down' : isAmber ? 'amber' : 'ok';
    const { name, role } = this.settings;
    await reply.status(status === 'ok' || status === 'amber' ? 200 : 503).send({
      ...{ status, role, name, epoch: this.me.epoch, database, bus: bus === 'connecting' ? 'lost' : bus },
      ...(ambers.length > 0 ? { ambers: ambers.slice(0, MOST_AMBERS) } : {}),
    });
  }

  @Get('metrics')
  async exposition(@Res() reply: FastifyReply): Promise<void> {
    await reply.header('content-type', this.metrics.contentType).send(await this.metrics.metrics());
  }
}
