import { type JsonValue, OperationalError, printable } from '@millrace/domain';
import type { CallbackCaller } from '../schedulers/judge.js';

/** A branch, as the callback gets it. */
export interface Branch {
  readonly branch: string | null;
  readonly repository: string;
  readonly project: string;
  readonly codebase: string;
}

/** Code of the error that says that a key is unknown. */
export const BRANCH_KEY_FAILED = 'branch-key-failed';
/** Longest time for one key. */
const TIMEOUT_MS = 2000;
/** Most keys that are remembered. */
const MOST_KEYS = 10_000;

/** The keys of branches, as a callback of the configuration gives them. Each is asked for once. */
export class BranchKeys {
  private readonly keys = new Map<string, string | null>();

  constructor(
    private readonly handle: string,
    private readonly call: CallbackCaller,
  ) {}

  /**
   * Returns the items whose branch counts as the same as this one.
   * @throws OperationalError `branch-key-failed` when the callback fails or returns no key
   */
  async ofSame<T extends { readonly branch: string | null }>(
    { branch, repository, project, codebase }: Branch,
    items: readonly T[],
  ): Promise<readonly T[]> {
    if (items.length === 0) return [];
    const source = { repository, project, codebase };
    const key = await this.keyOf({ branch, ...source });
    if (key === null) return [];
    const same: T[] = [];
    for (const item of items) if ((await this.keyOf({ branch: item.branch, ...source })) === key) same.push(item);
    return same;
  }

  private async keyOf({ branch, repository, project, codebase }: Branch): Promise<string | null> {
    const value = { branch, repository, project, codebase };
    const name = JSON.stringify(Object.values(value));
    const known = this.keys.get(name);
    if (known !== undefined) return known;
    const answer = await this.call({ handle: this.handle, value, timeoutMs: TIMEOUT_MS });
    const fault = 'failed' in answer ? answer.failed : faultOf(answer.value);
    if (fault !== null) {
      const text = `branchKey failed for the branch ${printable(JSON.stringify(branch), 100)}: ${fault}`;
      throw new OperationalError(BRANCH_KEY_FAILED, text, value);
    }
    const key = (answer as { readonly value: string | null }).value;
    if (this.keys.size >= MOST_KEYS) this.keys.clear();
    this.keys.set(name, key);
    return key;
  }
}

function faultOf(value: JsonValue | undefined): string | null {
  if (value === null || typeof value === 'string') return null;
  return `it returned ${printable(JSON.stringify(value) ?? 'nothing', 100)}, which is neither text nor null`;
}
