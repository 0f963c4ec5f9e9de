import { Body, Controller, Headers, HttpCode, type PipeTransform, Post } from '@nestjs/common';
import { readTrigger, TriggerRequest } from './trigger-request.js';
import { type TriggerAnswer, TriggerService } from './trigger.service.js';

/** Reads the body of a request; undefined without one, otherwise text, because the listener does not parse JSON. */
class TriggerBody implements PipeTransform<unknown, TriggerRequest> {
  transform(body: unknown): TriggerRequest {
    return readTrigger(typeof body === 'string' ? body : '');
  }
}

/** `POST /trigger`: accepted means committed (I2). What cannot be committed is answered 503, never 2xx. */
@Controller('trigger')
export class TriggerController {
  constructor(private readonly service: TriggerService) {}

  @Post()
  @HttpCode(202)
  trigger(
    @Body(TriggerBody) request: TriggerRequest,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<TriggerAnswer> {
    return this.service.trigger(request, key ?? null);
  }
}
