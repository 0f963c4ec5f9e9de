import { Body, Controller, Headers, HttpCode, HttpException, Inject, Post } from '@nestjs/common';
import { MillraceError, OperationalError } from '@millrace/domain';
import { readTrigger } from './trigger-request.js';
import { type TriggerAnswer, TriggerService } from './trigger.service.js';

const STATUS: ReadonlyMap<string, number> = new Map([
  ['not-found', 404],
  ['idempotency-conflict', 409],
  ['disabled', 409],
]);

/** `POST /trigger`: accepted means committed (I2); what cannot be committed is answered 503, never 2xx. */
@Controller('trigger')
export class TriggerController {
  constructor(@Inject(TriggerService) private readonly service: TriggerService) {}

  @Post()
  @HttpCode(202)
  async trigger(@Body() body: unknown, @Headers('idempotency-key') key: string | undefined): Promise<TriggerAnswer> {
    try {
      // Absent where there is none; the listener leaves JSON as text and takes nothing else.
      const request = readTrigger(typeof body === 'string' ? body : '');
      return await this.service.trigger(request, key ?? null);
    } catch (error) {
      throw asHttp(error);
    }
  }
}

function asHttp(error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error;
  const status = error instanceof OperationalError ? 503 : (STATUS.get(error.code) ?? 400);
  return new HttpException({ error: error.message, code: error.code, ...error.fields }, status);
}
