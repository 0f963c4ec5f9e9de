import type { IncomingMessage } from 'node:http';
import { Body, Controller, Headers, HttpCode, type PipeTransform, Post, Req } from '@nestjs/common';
import { readTrigger, TriggerRequest } from './trigger-request.js';
import { TriggerGuard } from './trigger.guard.js';
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
  constructor(
    private readonly service: TriggerService,
    private readonly guard: TriggerGuard,
  ) {}

  @Post()
  @HttpCode(202)
  trigger(
    @Body(TriggerBody) request: TriggerRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Req() { raw }: { readonly raw: IncomingMessage },
  ): Promise<TriggerAnswer> {
    return this.service.trigger(request, {
      caller: this.guard.callerOf(raw),
      address: raw.socket.remoteAddress ?? '',
      idempotencyKey: key ?? null,
    });
  }
}
