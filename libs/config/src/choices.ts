import type { BuilderChoices } from '@millrace/contracts';
import type { JsonValue, SourceStamp } from '@millrace/domain';
import type { Callback, CallbackTable } from './callback-table.js';
import { type LockList, type LockUse, checkedLocks } from './locks.js';
import type { ObjectReader } from './object-reader.js';

/** A builder, as callbacks get it. */
export interface BuilderInfo {
  readonly name: string;
  readonly tags: readonly string[];
  readonly properties: Readonly<Record<string, JsonValue>>;
}

/** A builder with waiting requests, as `prioritizeBuilders` gets it. */
export interface WaitingBuilderInfo extends BuilderInfo {
  /** The priority of its next request. */
  readonly priority: number;
  /** Number of waiting requests that the engine knows of, at most 50. */
  readonly waiting: number;
}

/** A worker that is free for a builder, as callbacks get it. */
export interface FreeWorkerInfo {
  readonly name: string;
  readonly properties: Readonly<Record<string, JsonValue>>;
  readonly freeSlots: number;
}

/** A waiting build request, as callbacks get it. */
export interface RequestInfo {
  readonly id: number;
  readonly priority: number;
  /** In seconds since 1970. */
  readonly submittedAt: number;
  readonly reason: string;
  readonly properties: Readonly<Record<string, JsonValue>>;
  readonly sourceStamps: readonly SourceStamp[];
}

type MayWait<T> = T | Promise<T>;

/** Callbacks by which a builder chooses among its requests and workers. Each has two seconds. */
export interface ChoiceOptions {
  /**
   * Returns one of the workers that are free, or its name; null to begin nothing now. They are given with the one that has been idle for
   * longest first, which is also the default.
   */
  readonly nextWorker?: (
    builder: BuilderInfo,
    workers: readonly FreeWorkerInfo[],
    request: RequestInfo,
  ) => MayWait<FreeWorkerInfo | string | null>;
  /** Returns one of the first 50 waiting requests, or its id; null to begin nothing now. The default is the first. */
  readonly nextBuild?: (builder: BuilderInfo, requests: readonly RequestInfo[]) => MayWait<RequestInfo | number | null>;
  /** Returns whether a build of the request may begin on the worker. When it fails, it may not. */
  readonly canStartBuild?: (builder: BuilderInfo, worker: FreeWorkerInfo, request: RequestInfo) => MayWait<boolean>;
}

/**
 * Returns the locks that the build of a request takes on a worker before it begins, and holds to its end. It has two seconds. When it fails,
 * the build does not begin.
 */
export type LocksOfBuild = (
  builder: BuilderInfo,
  worker: FreeWorkerInfo,
  request: RequestInfo,
) => MayWait<readonly LockUse[]>;

/** Returns builders, or their names, in the order in which they get free workers. Those that are left out come last. */
export type PrioritizeBuilders = (
  builders: readonly WaitingBuilderInfo[],
) => MayWait<readonly (WaitingBuilderInfo | string)[]>;

/** Two waiting requests of a builder, as `collapseRequests` gets them. They have the same codebases, repositories, projects and branches. */
export interface CollapsePair {
  readonly builder: BuilderInfo;
  readonly newer: RequestInfo;
  readonly older: RequestInfo;
  /** Whether the older one would be collapsed without a callback. */
  readonly isCompatible: boolean;
}

/** Returns whether the newer request takes the place of the older one. It has two seconds. When it fails, it does not. */
export type CollapseRequests = (pair: CollapsePair) => MayWait<boolean>;

/** What `collapseRequests` says: whether a new request takes the place of older ones, and the handle of the callback that says of which. */
export interface Collapse {
  readonly collapseRequests: boolean;
  readonly collapseCallback?: string;
}

/** Reads the option `collapseRequests`. */
export function compileCollapse(reader: ObjectReader, callbacks: CallbackTable, byDefault: Collapse): Collapse {
  const value = reader.raw('collapseRequests');
  if (value === undefined) return byDefault;
  if (typeof value === 'boolean') return { collapseRequests: value };
  if (typeof value === 'function')
    return { collapseRequests: true, collapseCallback: callbacks.keep(reader.at('collapseRequests'), value) };
  reader.problem('collapseRequests', 'true, false or a callback');
  return byDefault;
}

const CHOICES = ['nextBuild', 'nextWorker', 'canStartBuild'] as const;

/** Reads the callbacks by which a builder chooses, `locks` among them. Returns null when it has none. */
export function compileChoices(reader: ObjectReader, callbacks: CallbackTable, locks: LockList): BuilderChoices | null {
  const handles = CHOICES.flatMap((key): [string, string][] => {
    const handle = optionalCallback(reader, key, callbacks);
    return handle === null ? [] : [[key, handle]];
  });
  const locksOf = reader.raw('locks');
  if (typeof locksOf === 'function') {
    const accesses = async (...args: readonly unknown[]) =>
      checkedLocks(await (locksOf as Callback)(...args)).map((use) => locks.known(use).access);
    handles.push(['locks', callbacks.keep(reader.at('locks'), accesses, String(locksOf))]);
  }
  return handles.length === 0 ? null : Object.fromEntries(handles);
}

/** Reads an option that is a callback. Returns its handle; null when there is none. */
export function optionalCallback(reader: ObjectReader, key: string, callbacks: CallbackTable): string | null {
  const value = reader.raw(key);
  if (value === undefined) return null;
  if (typeof value === 'function') return callbacks.keep(reader.at(key), value);
  reader.problem(key, 'a callback');
  return null;
}
