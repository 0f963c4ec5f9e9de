import type { Answer, ConfigHost, Question } from '@millrace/config';
import { messageOf, MillraceError, printable } from '@millrace/domain';
import type { Logger } from '@millrace/master';

/** Answers the questions of a kind of scheduler. */
export interface Judge {
  /** Answers a question. Rejects when the answer cannot be found now; a callback that keeps failing counts as an answer. */
  ask(question: Question): Promise<Answer>;
}

/** A callback that takes longer is aborted and counts as failed. */
const CALLBACK_TIMEOUT_MS = 60_000;

/** Number of attempts. The last one runs in a fresh thread; a callback that still fails keeps failing. */
const TRIES = 3;
const FAILURES = ['callback-failed', 'callback-timeout', 'callback-died'];

/** Whether the user's callback failed, and not the thread that runs it. */
export function isCallbackFailure(error: unknown): boolean {
  return error instanceof MillraceError && FAILURES.includes(error.code);
}

/** Runs the callbacks of the configuration in the configuration's thread (I5). */
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
