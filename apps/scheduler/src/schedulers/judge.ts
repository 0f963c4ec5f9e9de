import type { Answer, Choice, ConfigHost, Question } from '@millrace/config';
import { messageOf, MillraceError, printable } from '@millrace/domain';
import type { Logger } from '@millrace/master';

/** Answers the questions of a kind of scheduler. */
export interface Judge {
  /** Answers a question. Rejects when the answer cannot be found now; a callback that keeps failing counts as an answer. */
  ask(question: Question): Promise<Answer>;
  /** Asks a callback that chooses something, in the same way. */
  choose(question: Question): Promise<Choice>;
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

/** Calls a callback of the configuration. Rejects when it cannot be called now; that it keeps failing counts as an answer. */
export type CallbackCaller = (question: Question) => Promise<Choice>;

/** Runs the callbacks of the configuration in the configuration's thread (I5). */
export class ConfigJudge implements Judge {
  readonly choose: CallbackCaller;

  constructor(host: Pick<ConfigHost, 'call'>, log: Logger) {
    this.choose = callbackCaller(host, log);
  }

  async ask(question: Question): Promise<Answer> {
    const answer = await this.choose(question);
    return 'failed' in answer ? answer : Boolean(answer.value);
  }
}

export function callbackCaller(host: Pick<ConfigHost, 'call'>, log: Logger): CallbackCaller {
  return async ({ handle, value, timeoutMs = CALLBACK_TIMEOUT_MS }) => {
    for (let tries = 1; ; tries++) {
      try {
        return { value: await host.call(handle, [value], { timeoutMs, freshThread: tries === TRIES }) };
      } catch (error) {
        if (!isCallbackFailure(error)) throw error;
        if (tries < TRIES) continue;
        log.warn({ handle, err: error }, `a callback keeps failing: ${messageOf(error)}`);
        return { failed: printable(messageOf(error)) };
      }
    }
  };
}
