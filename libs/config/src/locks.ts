import { type LockAccess, type LockDefinition, printable, UserError } from '@millrace/domain';
import { canonicalJson, describeValue } from './fingerprint.js';
import { locate } from './location.js';
import type { ObjectReader } from './object-reader.js';
import type { RenderContext } from './step.js';

/** An entry of `locks`. */
export interface LockUse {
  readonly definition: LockDefinition;
  readonly access: LockAccess;
}

export interface Lock {
  readonly definition: LockDefinition;
  /** Returns an entry of `locks`: the lock alone, or `count` units of it. */
  access(mode: LockAccess['mode'], count?: number): LockUse;
}

export interface LockOptions {
  /** Most units at once, on all engines together. Default 1. */
  readonly maxCount?: number;
}

export interface WorkerLockOptions {
  /** Most units at once on each worker. Default 1. */
  readonly maxCount?: number;
  /** Other numbers for some workers, by the worker's name. */
  readonly maxCountForWorker?: Readonly<Record<string, number>>;
}

export interface Resources {
  readonly definition: LockDefinition;
  /**
   * Returns an entry of `locks`: some of the resources.
   * @param options `property` gets the name of the resource, or the list of names of several. The default is the name of the resources.
   */
  take(count?: number, options?: { readonly property?: string }): LockUse;
}

/** Defines a lock of the whole cluster. */
export function lock(name: string, { maxCount = 1 }: LockOptions = {}): Lock {
  return lockOf({ name, kind: 'lock', maxCount, maxCountForWorker: {}, resources: [] });
}

/** Defines a lock of each worker. */
export function workerLock(name: string, { maxCount = 1, maxCountForWorker = {} }: WorkerLockOptions = {}): Lock {
  return lockOf({ name, kind: 'worker-lock', maxCount, maxCountForWorker, resources: [] });
}

/** Defines named things, such as test boards, of which each build takes some for itself. */
export function resources(name: string, names: readonly string[]): Resources {
  const definition = {
    name,
    kind: 'resources',
    maxCount: names.length,
    maxCountForWorker: {},
    resources: names,
  } as const;
  const take: Resources['take'] = (count = 1, { property = name } = {}) =>
    locate(take, { definition, access: { lock: name, mode: 'counting', count, property } });
  return { definition, take };
}

function lockOf(definition: LockDefinition): Lock {
  const access: Lock['access'] = (mode, count = 1) =>
    locate(access, { definition, access: { lock: definition.name, mode, count, property: null } });
  return { definition, access };
}

/** Beginning of the names of locks that Millrace makes itself. */
const OF_BUILDER = 'builder:';
/** Most units of a lock, and most resources. */
const MOST_UNITS = 10_000;
/** Most entries of one list `locks`. */
const MOST_LOCKS = 20;
const ENTRY = "an entry such as lock('db').access('exclusive')";

function isUse(value: unknown): value is LockUse {
  const { access } = (value ?? {}) as { access?: unknown };
  return typeof access === 'object' && access !== null && isLock(value);
}

function isLock(value: unknown): value is Pick<LockUse, 'definition'> {
  const { definition } = (value ?? {}) as { definition?: Partial<LockDefinition> };
  return (
    Array.isArray(definition?.resources) &&
    typeof definition.maxCountForWorker === 'object' &&
    definition.maxCountForWorker !== null
  );
}

/** Returns the name of the lock of an entry; undefined for anything else. */
export function lockNameOf(entry: unknown): string | undefined {
  return isUse(entry) ? entry.definition.name : undefined;
}

function isCount(value: unknown, min: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= MOST_UNITS;
}

/** Returns what is wrong with a lock; null when nothing is. */
function faultOfLock({ name, kind, maxCount, maxCountForWorker, resources: names }: LockDefinition): string | null {
  if (typeof name !== 'string' || name.length < 1 || name.length > 190 || name.trim() !== name)
    return 'a lock with a name of 1 to 190 characters, without spaces at its ends';
  if (name.startsWith(OF_BUILDER)) return `a lock whose name does not begin with '${OF_BUILDER}'`;
  if (kind === 'resources') {
    if (!names.every((one) => typeof one === 'string' && one !== '') || new Set(names).size < names.length)
      return `resources with different names; those of '${name}' are not`;
    return isCount(names.length, 1) ? null : `1 to ${MOST_UNITS} resources; '${name}' has ${names.length}`;
  }
  for (const [which, count] of Object.entries({ maxCount, ...maxCountForWorker }))
    if (!isCount(count, 1)) return `a lock of 1 to ${MOST_UNITS} units; '${name}' has ${String(count)} (${which})`;
  return null;
}

/** Returns what is wrong with an entry; null when nothing is. */
function faultOf({ definition, access }: LockUse): string | null {
  const { name, kind, maxCount, maxCountForWorker } = definition;
  const fault = faultOfLock(definition);
  if (fault !== null) return fault;
  if (kind === 'resources') {
    if (!isCount(access.count, 1) || access.count > maxCount)
      return `1 to ${maxCount} of the resources '${name}', not ${String(access.count)}`;
    return typeof access.property === 'string' && access.property !== '' ? null : 'the name of a property';
  }
  if (access.mode !== 'exclusive' && access.mode !== 'counting')
    return `'exclusive' or 'counting' access to '${name}', not '${String(access.mode)}'`;
  return isCount(access.count, 0) && access.count <= Math.max(maxCount, ...Object.values(maxCountForWorker))
    ? null
    : `0 to ${maxCount} units of the lock '${name}', not ${String(access.count)}`;
}

/** Entries of `locks`, or a callback that returns them. Locks that only callbacks name belong in the configuration's option `locks`. */
export type LocksOption = readonly LockUse[] | ((build: RenderContext) => MayWait<readonly LockUse[]>);
type MayWait<T> = T | Promise<T>;

/**
 * Returns the entries that a callback `locks` gave.
 * @throws UserError `bad-locks`
 */
export function checkedLocks(value: unknown): readonly LockUse[] {
  const refused = (what: string): UserError =>
    new UserError('bad-locks', `the callback locks ${what}`, { value: printable(String(value), 100) });
  if (!Array.isArray(value)) throw refused('returned no list of locks');
  if (value.length > MOST_LOCKS) throw refused(`returned ${value.length} locks: expected at most ${MOST_LOCKS}`);
  return value.map((entry: unknown, i) => {
    const fault = isUse(entry) ? faultOf(entry) : ENTRY;
    if (fault !== null) throw refused(`returned something else at [${i}]: expected ${printable(fault, 500)}`);
    return entry as LockUse;
  });
}

/** Gathers the locks of a configuration. */
export class LockList {
  private readonly definitions = new Map<string, LockDefinition>();

  /** Reads the configuration's list `locks`, of locks that callbacks may name. */
  declare(top: ObjectReader): void {
    const entries = top.list('locks', (item, path) => ({ item, path }), { expected: 'a list of locks' });
    for (const { item, path } of entries) {
      const fault = isLock(item)
        ? (faultOfLock(item.definition) ?? this.conflictOf(item.definition))
        : "a lock such as lock('db')";
      if (fault !== null) top.into.add(path, isLock(item) ? describeValue(item.definition) : item, fault, top.where);
    }
  }

  /**
   * Returns an entry that a callback gave, of a lock that the configuration has.
   * @throws UserError `bad-locks`
   */
  known(use: LockUse): LockUse {
    const { name } = use.definition;
    if (this.definitions.has(name)) return use;
    throw new UserError(
      'bad-locks',
      `the callback locks names the lock '${printable(name, 200)}', which the configuration does not have: name it in the configuration's option locks`,
      { lock: printable(name, 200) },
    );
  }

  /** Reads the list `locks` of a builder, a worker or a step. Everything that is no lock is reported as a problem. */
  read(reader: ObjectReader): LockAccess[] {
    const entries = reader.list('locks', (item, path) => ({ item, path }), { expected: 'a list of locks' });
    if (entries.length > MOST_LOCKS) reader.problem('locks', `at most ${MOST_LOCKS} locks`);
    return entries.flatMap(({ item, path }) => {
      const fault = isUse(item) ? (faultOf(item) ?? this.conflictOf(item.definition)) : ENTRY;
      if (fault === null) return [(item as LockUse).access];
      const where = reader.where;
      const message = isLock(item) ? `${path}: expected ${fault}` : undefined;
      reader.into.add(path, isUse(item) ? describeValue(item.access) : item, fault, where, message);
      return [];
    });
  }

  /** Reads `maxBuilds` of a builder: a lock with so many units, of which each of its builds takes one. */
  readMaxBuilds(builder: ObjectReader, name: string): LockAccess[] {
    const maxBuilds = builder.number('maxBuilds', { default: null, min: 1, max: MOST_UNITS, integer: true });
    if (maxBuilds === null) return [];
    const lockName = `${OF_BUILDER}${name}`;
    const definition: LockDefinition = {
      name: lockName,
      kind: 'lock',
      maxCount: maxBuilds,
      maxCountForWorker: {},
      resources: [],
    };
    this.definitions.set(lockName, definition);
    return [{ lock: lockName, mode: 'counting', count: 1, property: null }];
  }

  /** Returns all locks, in the order of their names. */
  get all(): LockDefinition[] {
    return [...this.definitions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private conflictOf(definition: LockDefinition): string | null {
    const { name } = definition;
    const known = this.definitions.get(name);
    if (known && canonicalJson(describeValue(known)) !== canonicalJson(describeValue(definition)))
      return `the same lock wherever '${name}' is used; it is defined in two ways`;
    this.definitions.set(name, definition);
    return null;
  }
}
