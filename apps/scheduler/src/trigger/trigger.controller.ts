import { timingSafeEqual } from 'node:crypto';
import { Body, Controller, Headers, HttpCode, HttpException, Inject, Post } from '@nestjs/common';
import { MillraceError, OperationalError, UserError } from '@millrace/domain';
import { TriggerRequest } from './trigger-request.js';
import { type TriggerAnswer, TriggerService } from './trigger.service.js';

const STATUS: Readonly<Record<string, number>> = {
  'not-found': 404,
  'idempotency-conflict': 409,
  disabled: 409,
  'bad-token': 401,
};

/** `POST /trigger`: accepted means committed (I2); what cannot be committed is answered 503, never 2xx. */
@Controller('trigger')
export class TriggerController {
  constructor(@Inject(TriggerService) private readonly service: TriggerService) {}

  @Post()
  @HttpCode(202)
  async trigger(
    @Body() request: TriggerRequest,
    @Headers('authorization') authorization: string | undefined,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<TriggerAnswer> {
    try {
      checkToken(this.service.token, authorization);
      return await this.service.trigger(request, key ?? null);
    } catch (error) {
      throw asHttp(error);
    }
  }
}

function checkToken(expected: string | null, authorization: string | undefined): void {
  if (expected === null) return;
  const given = Buffer.from(authorization?.replace(/^Bearer /i, '') ?? '');
  const wanted = Buffer.from(expected);
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return;
  throw new UserError(
    'bad-token',
    'send the trigger token: Authorization: Bearer TOKEN (the setting MILLRACE_TRIGGER_TOKEN)',
  );
}

function asHttp(error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error;
  const status = error instanceof OperationalError ? 503 : (STATUS[error.code] ?? 400);
  return new HttpException({ error: error.message, code: error.code, ...error.fields }, status);
}
