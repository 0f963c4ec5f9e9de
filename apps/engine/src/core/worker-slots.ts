/** The taken slots of a worker, as its engine knows them: by builds that run here, by pending claims, and by builds of other engines. */
export class WorkerSlots {
  /** Builders of the running builds, by build. */
  private readonly running = new Map<number, number>();
  /** Builders of reserved slots, by request. A claim's outcome frees the slot or gives it to the build. */
  private readonly reserved = new Map<number, number>();
  private elsewhere: readonly number[] = [];

  /** Number of builds that run here. */
  get builds(): number {
    return this.running.size;
  }

  /** True when no slot is taken here. */
  get isIdle(): boolean {
    return this.running.size + this.reserved.size === 0;
  }

  get taken(): number {
    return this.running.size + this.reserved.size + this.elsewhere.length;
  }

  get isSharedElsewhere(): boolean {
    return this.elsewhere.length > 0;
  }

  /** Builders whose folders on the worker are taken. */
  get busyBuilders(): ReadonlySet<number> {
    return new Set([...this.running.values(), ...this.reserved.values(), ...this.elsewhere]);
  }

  reserve(requestId: number, builderId: number): void {
    this.reserved.set(requestId, builderId);
  }

  /** Frees the slot of a request whose claim has ended. */
  unreserve(requestId: number): void {
    this.reserved.delete(requestId);
  }

  begin(buildId: number, builderId: number): void {
    this.running.set(buildId, builderId);
  }

  /** Frees the slot of a build. Returns false when it was not running here. */
  release(buildId: number): boolean {
    return this.running.delete(buildId);
  }

  /** Counts the builds of other engines: the given builders of all builds that the worker has on all engines, minus ours. */
  countElsewhere(builderIds: readonly number[]): void {
    const left = [...builderIds];
    for (const builderId of [...this.running.values(), ...this.reserved.values()]) {
      const at = left.indexOf(builderId);
      if (at >= 0) left.splice(at, 1);
    }
    this.elsewhere = left;
  }
}
