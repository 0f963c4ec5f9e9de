import type { WorkerConnection } from '@millrace/worker-protocol';

/** A worker with a session on this engine. */
export class AttachedWorker {
  /** Builds that use it now: build id → builder id. */
  readonly builds = new Map<number, number>();
  idleSince = performance.now();
  paused = false;
  private leaving = false;

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
    return this.paused || this.leaving ? 0 : Math.max(0, this.maxBuilds - this.builds.size);
  }

  get busyBuilders(): ReadonlySet<number> {
    return new Set(this.builds.values());
  }

  release(buildId: number): void {
    this.builds.delete(buildId);
    this.idleSince = performance.now();
    this.shutDownIfIdle();
  }

  /** The worker asked for a graceful end: it gets no more builds, and is told to end when the last one has. */
  leave(): void {
    this.leaving = true;
    this.shutDownIfIdle();
  }

  private shutDownIfIdle(): void {
    if (!this.leaving || this.builds.size > 0) return;
    this.connection.shutdown().catch(() => this.disconnect('it could not be told to shut down'));
  }
}
