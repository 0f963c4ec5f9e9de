import { Controller, Get } from '@nestjs/common';
import type { LoginFailure } from '../core/login-failures.js';
import { Refusals } from './refusals.js';

/** `GET /workers/refused`: workers whose connections were refused lately. */
@Controller('workers')
export class RefusalsController {
  constructor(private readonly refusals: Refusals) {}

  @Get('refused')
  refused(): { refused: readonly LoginFailure[] } {
    return { refused: this.refusals.latest };
  }
}
