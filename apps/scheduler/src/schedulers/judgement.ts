import type { ChangeInfo, ConfigHost, OnChange } from '@millrace/config';
import type { CompiledScheduler } from '@millrace/contracts';
import type { Change } from '@millrace/database';
import { filterChange, type JsonValue, MillraceError } from '@millrace/domain';

export type ChangeScheduler = CompiledScheduler & OnChange;

/** The configuration's callbacks, run in its own thread (I5). */
export interface Judgement {
  /** Does the filter let this change through? */
  passes(change: Change): Promise<boolean>;
  isImportant(change: Change): Promise<boolean>;
}

/** A callback that takes longer is cut off and counts as failed. */
const CALLBACK_TIMEOUT_MS = 60_000;

/** Anything may fail once; what still fails the last time, in a fresh thread, keeps failing. */
const TRIES = 3;
const FAILURES = ['callback-failed', 'callback-timeout', 'callback-died', 'bad-pattern'];

/** Whether it is the person's callback or expression that failed, not what was to run it. */
export function isCallbackFailure(error: unknown): boolean {
  return error instanceof MillraceError && FAILURES.includes(error.code);
}

/** Filters are plain data as far as possible; the rest is asked of the configuration's own thread (I5). */
export function judgementOf(scheduler: ChangeScheduler, host: ConfigHost): Judgement {
  const ask = async (handle: string, value: JsonValue, timeoutMs = CALLBACK_TIMEOUT_MS): Promise<boolean> => {
    for (let tries = 1; ; tries++) {
      try {
        return Boolean(await host.call(handle, [value], { timeoutMs, freshThread: tries === TRIES }));
      } catch (error) {
        if (tries === TRIES || !isCallbackFailure(error)) throw error;
      }
    }
  };
  return {
    async passes(change) {
      const decision = filterChange(scheduler.filter, change);
      if (decision.kind !== 'undecided') return decision.kind === 'passes';
      for (const { handle, value, timeoutMs } of decision.ask) if (!(await ask(handle, value, timeoutMs))) return false;
      return true;
    },
    async isImportant(change) {
      return scheduler.isImportant === null || ask(scheduler.isImportant, changeForUsers(change));
    },
  };
}

/** A change as callbacks see it: `ChangeInfo` of the configuration's vocabulary. */
function changeForUsers(change: Change): JsonValue {
  const { changeId, author, comments, branch, revision, files, repository, project, codebase, category, whenMs } =
    change;
  const info: ChangeInfo = {
    id: changeId,
    author,
    comments,
    branch,
    revision,
    files,
    repository,
    project,
    codebase,
    category,
    when: whenMs,
  };
  return { ...info, files: [...files] };
}
