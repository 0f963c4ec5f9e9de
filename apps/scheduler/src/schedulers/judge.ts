import type { Answer, ConfigHost, Question } from '@millrace/config';
import { messageOf, MillraceError, printable } from '@millrace/domain';
import type { Logger } from '@millrace/master';

/** Answers what a kind of scheduler asks before it decides. */
export interface Judge {
  /** Rejects when it cannot be known now; a callback that keeps failing is an answer. */
  ask(question: Question): Promise<Answer>;
}

/** A callback that takes longer is cut off and counts as failed. */
const CALLBACK_TIMEOUT_MS = 60_000;

/** Anything may fail once; what still fails the last time, in a fresh thread, keeps failing. */
const TRIES = 3;
const FAILURES = ['callback-failed', 'callback-timeout', 'callback-died'];

/** Whether it is the person's callback that failed, not what was to run it. */
export function isCallbackFailure(error: unknown): boolean {
  return error instanceof MillraceError && FAILURES.includes(error.code);
}

/** The callbacks of the configuration, run in its own thread (I5). */
export class ConfigJudge implements Judge {
  constructor(
    private readonly host: Pick<ConfigHost, 'call'>,
    private readonly log: Logger,
  ) {}

  async ask({ handle, value, timeoutMs = CALLBACK_TIMEOUT_MS }: Question): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return Boolean(await this.host.call(handle, [value], { timeoutMs, freshThread: tries === TRIES }));
      } catch (error) {
        if (!isCallbackFailure(error)) throw error;
        if (tries < TRIES) continue;
        this.log.warn({ handle, err: error }, `a callback keeps failing: ${messageOf(error)}`);
        return { failed: printable(messageOf(error)) };
      }
    }
  }
}
