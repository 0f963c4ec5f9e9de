import { Controller, Get, Inject } from '@nestjs/common';
import type { LoginFailure } from '../core/login-failures.js';
import type { WorkerListener } from './listener.js';

export const WORKER_LISTENER = Symbol('WorkerListener');

/** `GET /workers/refused`: who tried to connect as a worker lately and was not let in. */
@Controller('workers')
export class RefusalsController {
  constructor(@Inject(WORKER_LISTENER) private readonly listener: Pick<WorkerListener, 'refusals'>) {}

  @Get('refused')
  refused(): { refused: readonly LoginFailure[] } {
    return { refused: this.listener.refusals };
  }
}
