import type { ChangeInfo, ConfigHost } from '@millrace/config';
import type { Change } from '@millrace/database';
import { filterChange, type JsonValue } from '@millrace/domain';
import type { ChangeScheduler, Judgement } from './change-scheduler.js';

/** A callback that takes longer is cut off and counts as failed. */
const CALLBACK_TIMEOUT_MS = 60_000;

/** Filters are plain data as far as possible; the rest is asked of the configuration's own thread (I5). */
export function judgementOf(scheduler: ChangeScheduler, host: ConfigHost): Judgement {
  const ask = async (handle: string, value: JsonValue): Promise<boolean> =>
    Boolean(await host.call(handle, [value], { timeoutMs: CALLBACK_TIMEOUT_MS }));
  return {
    async passes(change) {
      const decision = filterChange(scheduler.filter, change);
      if (decision.kind !== 'undecided') return decision.kind === 'passes';
      for (const { handle, value } of decision.ask) if (!(await ask(handle, value))) return false;
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
