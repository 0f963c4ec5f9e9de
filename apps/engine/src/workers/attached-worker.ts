import type { WorkerConnection } from '@millrace/worker-protocol';

/** A worker with a session on this engine. */
export class AttachedWorker {
  /** Builds that use it now: build id → builder id. */
  readonly builds = new Map<number, number>();
  idleSince = performance.now();
  paused = false;

  constructor(
    readonly workerId: number,
    readonly name: string,
    readonly maxBuilds: number,
    readonly connection: WorkerConnection,
    readonly sessionEpoch: number,
    /** Ends the session; the worker comes back on its own. */
    readonly disconnect: (reason: string) => void,
  ) {}

  get freeSlots(): number {
    return this.paused ? 0 : Math.max(0, this.maxBuilds - this.builds.size);
  }

  get busyBuilders(): ReadonlySet<number> {
    return new Set(this.builds.values());
  }

  release(buildId: number): void {
    this.builds.delete(buildId);
    this.idleSince = performance.now();
  }
}
