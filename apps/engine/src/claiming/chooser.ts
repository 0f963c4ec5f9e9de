import type { ChoiceStore, Incarnation, RequestToChoose } from '@millrace/database';
import { type JsonValue, messageOf, MillraceError, printable, type Properties, stampForUsers } from '@millrace/domain';
import type { Logger } from '@millrace/master';
import {
  type Asked,
  choose,
  type ChoiceCallback,
  type OfferedRequest,
  orderGiven,
  type Remark,
} from '../core/choice.js';
import type { Assignment, ChoiceLimits, FreeWorker, Head, Offer } from '../core/distribution.js';
import type { Assignments, AvailableWorker } from './distributor.js';

/** Time that a callback has. */
const CALLBACK_TIMEOUT_MS = 2_000;
/** Time for which a callback that failed is not called, so that it does not hold up those of other builders. */
const LEFT_OUT_MS = 10_000;
/** Interval at which what callbacks say is recorded again. It counts for a multiple of it. */
const RECORD_EVERY_MS = 10_000;
/** Most builders that `prioritizeBuilders` gets. */
const MOST_BUILDERS = 1000;
/** Failures of a callback itself. After others, such as that the configuration was replaced, it may simply be asked again. */
const FAILURES = ['callback-failed', 'callback-timeout', 'callback-died'];

/** The callbacks of the configuration in force, in the thread in which they run. */
export interface Callbacks {
  call(handle: string, args: readonly JsonValue[], options: { readonly timeoutMs: number }): Promise<JsonValue>;
}

export interface ChooserOptions {
  readonly store: ChoiceStore;
  readonly me: Incarnation;
  readonly log: Logger;
}

/** Asks the callbacks of builders which of their requests begins where, and remembers what they say. */
export class Chooser<W extends AvailableWorker> implements ChoiceLimits {
  private assignments: Assignments | null = null;
  private readonly asking = new Set<number>();
  private readonly keptSlots = new Map<number, number>();
  /** Workers on which a builder's callbacks wanted to begin nothing. */
  private readonly refused = new Map<number, ReadonlySet<number>>();
  private readonly requests = new Map<number, ReadonlyMap<number, OfferedRequest>>();
  private readonly said = new Map<number, { readonly text: string; readonly atMs: number }>();
  private readonly failed = new Map<string, { readonly text: string; readonly untilMs: number }>();
  private places: ReadonlyMap<number, number> = new Map();

  constructor(private readonly options: ChooserOptions) {}

  /** Takes over the configuration in force. What callbacks of another one said does not count any more. */
  use(assignments: Assignments): void {
    if (this.assignments === assignments) return;
    this.assignments = assignments;
    this.refused.clear();
    this.failed.clear();
    this.places = new Map();
  }

  chooses(builderId: number): boolean {
    return this.assignments?.builders.get(builderId)?.choices !== undefined;
  }

  rests(builderId: number, workers: readonly FreeWorker[]): boolean {
    if (this.asking.has(builderId)) return true;
    const refused = this.refused.get(builderId);
    return refused !== undefined && workers.every(({ workerId }) => refused.has(workerId));
  }

  kept(workerId: number): number {
    return this.keptSlots.get(workerId) ?? 0;
  }

  placeOf(builderId: number): number {
    return this.places.get(builderId) ?? Number.MAX_SAFE_INTEGER;
  }

  /** Lets a builder's callbacks be asked again: its queue has changed. */
  forget(builderId: number): void {
    this.refused.delete(builderId);
  }

  /**
   * Lets all callbacks be asked again.
   * @returns whether there are any that wanted to begin nothing
   */
  clear(): boolean {
    const any = this.refused.size > 0;
    this.refused.clear();
    return any;
  }

  /**
   * Asks a builder's callbacks about free workers, of which it keeps a slot each meanwhile.
   * @returns the request and the worker that they chose, and the locks; null when nothing is to begin now
   */
  async choose({ builderId, workers }: Offer<W>, heads: readonly Head[]): Promise<Assignment<W> | null> {
    this.asking.add(builderId);
    this.keep(workers, 1);
    try {
      const choice = await this.ask(builderId, workers, heads);
      if (choice === null) this.refused.set(builderId, new Set(workers.map(({ workerId }) => workerId)));
      return choice;
    } catch (error) {
      // Another configuration is in force now, whose callbacks are asked next.
      if (error instanceof MillraceError && error.code === 'config-host-closed') return null;
      this.options.log.error({ builderId, err: error }, `choosing a request failed: ${messageOf(error)}`);
      this.refused.set(builderId, new Set(workers.map(({ workerId }) => workerId)));
      return null;
    } finally {
      this.keep(workers, -1);
      this.asking.delete(builderId);
    }
  }

  /** Asks `prioritizeBuilders` for the order of the builders with waiting requests. When it fails, the order is the usual one. */
  async prioritize(queues: ReadonlyMap<number, readonly Head[]>): Promise<void> {
    const { assignments } = this;
    const handle = assignments?.prioritizeBuilders;
    if (!assignments || handle === undefined) return;
    const waiting = [...queues].filter(([builderId, heads]) => heads.length > 0 && assignments.builders.has(builderId));
    waiting.sort(([, [a]], [, [b]]) => a!.rank - b!.rank || a!.requestId - b!.requestId);
    const ids = new Map(
      waiting.slice(0, MOST_BUILDERS).map(([builderId]) => [assignments.builders.get(builderId)!.name, builderId]),
    );
    const infos = [...ids.values()].map((builderId) => ({
      ...builderInfo(assignments, builderId),
      priority: priorityOf(queues.get(builderId)![0]!),
      waiting: queues.get(builderId)!.length,
    }));
    if (infos.length < 2) return;
    const asked = await this.call('prioritizeBuilders', handle, [infos]);
    const given = 'failed' in asked ? asked : orderGiven(asked.value, [...ids.keys()]);
    if ('failed' in given && !('failed' in asked)) this.leaveOut('prioritizeBuilders', handle, given.failed);
    this.places = 'failed' in given ? new Map() : new Map(given.order.map((name, place) => [ids.get(name)!, place]));
  }

  private keep(workers: readonly W[], change: 1 | -1): void {
    for (const { workerId } of workers) {
      const kept = this.kept(workerId) + change;
      if (kept === 0) this.keptSlots.delete(workerId);
      else this.keptSlots.set(workerId, kept);
    }
  }

  private async ask(builderId: number, workers: readonly W[], heads: readonly Head[]): Promise<Assignment<W> | null> {
    const assignments = this.assignments!;
    const handles = assignments.builders.get(builderId)!.choices!;
    const best = [...heads].sort((a, b) => a.rank - b.rank || a.requestId - b.requestId);
    const seesAll = handles.nextBuild !== undefined || handles.canStartBuild !== undefined;
    const requests = await this.requestsOf(builderId, seesAll ? best : best.slice(0, 1));
    if (requests.length === 0) return null;
    const { chosen, remark } = await choose(
      {
        builder: builderInfo(assignments, builderId),
        requests,
        workers: workers.map(({ workerId, name, freeSlots }) => ({
          name,
          properties: valuesOf(assignments.workerProperties(workerId)),
          freeSlots,
        })),
        has: new Set(Object.keys(handles) as ChoiceCallback[]),
      },
      (callback, args) => this.call(callback, handles[callback]!, args, builderId),
    );
    await this.record(builderId, remark);
    if (!chosen) return null;
    return {
      head: best.find(({ requestId }) => requestId === chosen.requestId)!,
      worker: workers.find(({ name }) => name === chosen.worker)!,
      ...(chosen.locks && { locks: chosen.locks }),
    };
  }

  /** Returns requests as callbacks get them. Each is read once for as long as it waits. */
  private async requestsOf(builderId: number, heads: readonly Head[]): Promise<OfferedRequest[]> {
    const known = this.requests.get(builderId);
    const missing = heads.filter(({ requestId }) => !known?.has(requestId)).map(({ requestId }) => requestId);
    const read = await this.options.store.requests(missing);
    const infos = heads.flatMap((head) => {
      const fresh = read.get(head.requestId);
      const info = known?.get(head.requestId) ?? (fresh && requestInfo(fresh, head));
      return info ? [info] : [];
    });
    this.requests.set(builderId, new Map(infos.map((info) => [info.id, info])));
    return infos;
  }

  private async call(
    callback: string,
    handle: string,
    args: readonly JsonValue[],
    builderId: number | null = null,
  ): Promise<Asked> {
    const failed = this.failed.get(handle);
    if (failed && performance.now() < failed.untilMs) return { failed: failed.text };
    try {
      return { value: await this.assignments!.callbacks!.call(handle, args, { timeoutMs: CALLBACK_TIMEOUT_MS }) };
    } catch (error) {
      if (!(error instanceof MillraceError) || !FAILURES.includes(error.code)) throw error;
      const text = printable(messageOf(error));
      this.leaveOut(callback, handle, text, builderId);
      return { failed: text };
    }
  }

  private leaveOut(callback: string, handle: string, text: string, builderId: number | null = null): void {
    this.failed.set(handle, { text, untilMs: performance.now() + LEFT_OUT_MS });
    const builder = builderId === null ? undefined : this.assignments?.builders.get(builderId)?.name;
    this.options.log.warn({ builder, callback, handle }, `the callback ${callback} failed: ${text}`);
  }

  /** Records what the callbacks said, for people who wonder why a request waits. */
  private async record(builderId: number, remark: Remark | null): Promise<void> {
    const before = this.said.get(builderId);
    if (remark === null ? !before : before?.text === remark.text && performance.now() - before.atMs < RECORD_EVERY_MS)
      return;
    await this.options.store.record(this.options.me, builderId, remark);
    if (remark === null) this.said.delete(builderId);
    else this.said.set(builderId, { text: remark.text, atMs: performance.now() });
  }
}

function priorityOf({ rank }: Head): number {
  return rank === 0 ? 0 : -rank;
}

function builderInfo({ builders }: Assignments, builderId: number): { readonly [key: string]: JsonValue } {
  const { name, tags, properties } = builders.get(builderId)!;
  return { name, tags, properties: valuesOf(properties) };
}

function requestInfo({ requestId, submittedAtMs, reason, properties, sourceStamps }: RequestToChoose, head: Head) {
  return {
    id: requestId,
    priority: priorityOf(head),
    submittedAt: Math.floor(submittedAtMs / 1000),
    reason,
    properties: valuesOf(properties),
    sourceStamps: sourceStamps.map(stampForUsers),
  };
}

function valuesOf(properties: Properties): { readonly [name: string]: JsonValue } {
  return Object.fromEntries(Object.entries(properties).map(([name, [value]]) => [name, value]));
}
