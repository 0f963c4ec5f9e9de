/** A lock as the configuration defines it. */
export interface LockDefinition {
  readonly name: string;
  /** `lock`: one for the whole cluster. `worker-lock`: one for each worker. `resources`: named things, of which builds take some. */
  readonly kind: 'lock' | 'worker-lock' | 'resources';
  /** Most units that are taken at once. For resources it is their number. */
  readonly maxCount: number;
  /** Other numbers for some workers, by the worker's name. */
  readonly maxCountForWorker: Readonly<Record<string, number>>;
  /** The names of the resources. Empty for locks. */
  readonly resources: readonly string[];
}

/** What a builder, a worker or a step wants of a lock. */
export interface LockAccess {
  /** Name of the lock. */
  readonly lock: string;
  readonly mode: 'exclusive' | 'counting';
  /** Units of the lock, or number of resources. */
  readonly count: number;
  /** The property that names the resources taken. Null for locks. */
  readonly property: string | null;
}

/** One lock that may be taken: of the whole cluster, or of one worker. */
export interface LockPlace {
  readonly lockId: number;
  /** 0 for a lock of the whole cluster. */
  readonly workerId: number;
}

/** An access, with everything that decides it. */
export interface LockNeed extends LockPlace {
  readonly lock: string;
  readonly mode: LockAccess['mode'];
  readonly count: number;
  /** Most units of the lock at this place. */
  readonly capacity: number;
  /** The names of all resources. Empty for locks. */
  readonly resources: readonly string[];
  readonly property: string | null;
}

/** A definition and its id in the database. */
export interface KnownLock {
  readonly lockId: number;
  readonly definition: LockDefinition;
}

/**
 * Returns the needs of a build on a worker, one for each lock. A lock that is wanted twice is needed exclusively if it is wanted so once,
 * otherwise for the larger count. Whatever counts 0 units is always granted and needs nothing.
 */
export function needsOf(
  accesses: readonly LockAccess[],
  lockNamed: (name: string) => KnownLock,
  worker: { readonly workerId: number; readonly name: string },
): LockNeed[] {
  const needs = new Map<number, LockNeed>();
  for (const { lock, mode, count, property } of accesses) {
    if (mode === 'counting' && count === 0) continue;
    const { lockId, definition } = lockNamed(lock);
    const isOfWorker = definition.kind === 'worker-lock';
    const before = needs.get(lockId);
    needs.set(lockId, {
      lockId,
      lock,
      workerId: isOfWorker ? worker.workerId : 0,
      mode: before?.mode === 'exclusive' ? 'exclusive' : mode,
      count: Math.max(count, before?.count ?? 0),
      capacity: (isOfWorker ? definition.maxCountForWorker[worker.name] : undefined) ?? definition.maxCount,
      resources: definition.resources,
      property,
    });
  }
  return [...needs.values()];
}
