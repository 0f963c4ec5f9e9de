import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { isLoopback, UserError } from '@millrace/domain';
import { type SchedulerSettings, SETTINGS } from '@millrace/master';

export interface Refusal {
  readonly error: string;
  readonly code: string;
}

/**
 * Lets only holders of the token trigger. The check runs before the body is read, which is earlier than Nest's own guards: without the
 * token nothing is parsed.
 */
@Injectable()
export class TriggerGuard {
  private readonly token: string | null;

  /** @throws UserError `trigger-token-missing` when without a token everybody beyond this machine could trigger */
  constructor(@Inject(SETTINGS) { triggerHost, triggerToken }: SchedulerSettings) {
    if (!isLoopback(triggerHost) && !triggerToken) {
      throw new UserError(
        'trigger-token-missing',
        `MILLRACE_TRIGGER_HOST is '${triggerHost}': whoever reaches it could start builds; set MILLRACE_TRIGGER_TOKEN too`,
        { setting: 'MILLRACE_TRIGGER_TOKEN' },
      );
    }
    this.token = triggerToken;
  }

  /** Returns the refusal of a request; null when it is allowed. */
  refuse(authorization: string | undefined): Refusal | null {
    if (this.token === null || isBearer(authorization, this.token)) return null;
    return {
      error: 'send the trigger token: Authorization: Bearer TOKEN (the setting MILLRACE_TRIGGER_TOKEN)',
      code: 'bad-token',
    };
  }
}

function isBearer(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization?.replace(/^Bearer /i, '') ?? '');
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
