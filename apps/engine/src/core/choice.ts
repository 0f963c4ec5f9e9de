import { type JsonValue, type LockAccess, printable } from '@millrace/domain';

/** The callbacks by which a builder chooses among its requests and workers, and says which locks the build takes. */
export type ChoiceCallback = 'nextBuild' | 'nextWorker' | 'canStartBuild' | 'locks';

/** A request as callbacks get it. */
export type OfferedRequest = { readonly id: number } & Readonly<Record<string, JsonValue>>;

/** A worker as callbacks get it. */
export type OfferedWorker = { readonly name: string } & Readonly<Record<string, JsonValue>>;

export interface ChoiceInput {
  readonly builder: JsonValue;
  /** The best first, never empty. */
  readonly requests: readonly OfferedRequest[];
  /** Workers that are free for the builder, the best first, never empty. */
  readonly workers: readonly OfferedWorker[];
  /** The callbacks that the builder has. */
  readonly has: ReadonlySet<ChoiceCallback>;
}

/** The result of a callback, or why it failed. */
export type Asked = { readonly value: JsonValue } | { readonly failed: string };

export type Ask = (callback: ChoiceCallback, args: readonly JsonValue[]) => Promise<Asked>;

export interface Choice {
  /** Null when no build is to begin now. `locks`: those that the callback `locks` named; null without one. */
  readonly chosen: {
    readonly requestId: number;
    readonly worker: string;
    readonly locks: readonly LockAccess[] | null;
  } | null;
  /** Why nothing was chosen, or which callback failed and was left out. Null when there is nothing to say. */
  readonly remark: Remark | null;
}

export interface Remark {
  readonly callback: ChoiceCallback;
  readonly text: string;
  readonly hasFailed: boolean;
}

/** Most calls of `canStartBuild` for one choice. */
export const MOST_ASKED = 50;

/**
 * Chooses a request and a worker as a builder's callbacks say: `nextBuild` a request, `nextWorker` a worker for it, and `canStartBuild`
 * whether the two may begin; if not, the next worker and then the next request are tried. `locks` says which locks the build of the two
 * takes. When `nextBuild` or `nextWorker` fails, the best is taken. When `canStartBuild` or `locks` fails, nothing may begin.
 */
export async function choose({ builder, requests, workers, has }: ChoiceInput, ask: Ask): Promise<Choice> {
  let remark: Remark | null = null;
  let asked = 0;
  const broken = new Set<ChoiceCallback>();
  const fail = (callback: ChoiceCallback, message: string): void => {
    broken.add(callback);
    remark = { callback, text: `${callback} failed: ${message}`, hasFailed: true };
  };
  const none = (callback: ChoiceCallback, text: string): Choice => ({
    chosen: null,
    remark: remark ?? { callback, text: `${callback} ${text}`, hasFailed: false },
  });
  const failed = (callback: ChoiceCallback, message: string): Choice => {
    fail(callback, message);
    return { chosen: null, remark };
  };
  /** Returns the item that a callback picks; null for none. */
  const pick = async <T extends OfferedRequest | OfferedWorker>(
    callback: 'nextBuild' | 'nextWorker',
    items: readonly T[],
    key: 'id' | 'name',
    args: readonly JsonValue[],
  ): Promise<T | null> => {
    if (!has.has(callback) || broken.has(callback)) return items[0]!;
    const answer = await ask(callback, args);
    if ('failed' in answer) fail(callback, answer.failed);
    else if (answer.value === null) return null;
    else {
      const meant = meantBy(answer.value, key);
      const found = items.find((item) => (item as Readonly<Record<string, JsonValue>>)[key] === meant);
      if (found) return found;
      fail(callback, notOffered(answer.value));
    }
    return items[0]!;
  };

  let waiting = requests;
  while (waiting.length > 0) {
    const request = await pick('nextBuild', waiting, 'id', [builder, waiting]);
    if (!request) return none('nextBuild', 'chose no request');
    let free = workers;
    while (free.length > 0) {
      const worker = await pick('nextWorker', free, 'name', [builder, free, request]);
      if (!worker) return none('nextWorker', 'chose no worker');
      const args = [builder, worker, request];
      if (has.has('canStartBuild')) {
        if (asked++ === MOST_ASKED) return none('canStartBuild', `refused ${MOST_ASKED} times`);
        const answer = await ask('canStartBuild', args);
        if ('failed' in answer) return failed('canStartBuild', answer.failed);
        if (!answer.value) {
          free = free.filter((other) => other !== worker);
          continue;
        }
      }
      const chosen = { requestId: request.id, worker: worker.name };
      if (!has.has('locks')) return { chosen: { ...chosen, locks: null }, remark };
      const named = await ask('locks', args);
      if ('failed' in named) return failed('locks', named.failed);
      // The configuration's thread has checked them.
      return { chosen: { ...chosen, locks: named.value as unknown as readonly LockAccess[] }, remark };
    }
    waiting = waiting.filter((other) => other !== request);
  }
  return none('canStartBuild', 'refused it on every free worker');
}

/** Returns whom a callback means: it returned the item that it got, or the item's id or name. */
function meantBy(value: JsonValue, key: 'id' | 'name'): JsonValue | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, JsonValue>>)[key] : value;
}

function notOffered(value: JsonValue | undefined): string {
  return `it returned ${printable(JSON.stringify(value) ?? 'nothing', 100)}, which was not offered`;
}

/** Returns the names in the order that `prioritizeBuilders` gave, or what is wrong with it. Those that it left out come last. */
export function orderGiven(
  value: JsonValue,
  names: readonly string[],
): { order: readonly string[] } | { failed: string } {
  const known = new Set(names);
  const given: string[] = [];
  for (const item of Array.isArray(value) ? (value as readonly JsonValue[]) : [value]) {
    const name = meantBy(item, 'name');
    if (typeof name !== 'string' || !known.has(name)) return { failed: notOffered(item) };
    given.push(name);
  }
  return { order: [...new Set([...given, ...names])] };
}
