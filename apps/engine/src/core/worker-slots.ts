/** What of a worker is taken, as its engine knows it: by builds that run here, by claims under way, and by builds of other engines. */
export class WorkerSlots {
  /** The builder of each, by build. */
  private readonly running = new Map<number, number>();
  /** The builder of each, by request: a claim's outcome frees the slot or gives it to the build. */
  private readonly reserved = new Map<number, number>();
  private elsewhere: readonly number[] = [];

  /** Builds that run here. */
  get builds(): number {
    return this.running.size;
  }

  /** Nothing of it is taken here. */
  get isIdle(): boolean {
    return this.running.size + this.reserved.size === 0;
  }

  get taken(): number {
    return this.running.size + this.reserved.size + this.elsewhere.length;
  }

  get isSharedElsewhere(): boolean {
    return this.elsewhere.length > 0;
  }

  /** Their folders on the worker are taken. */
  get busyBuilders(): ReadonlySet<number> {
    return new Set([...this.running.values(), ...this.reserved.values(), ...this.elsewhere]);
  }

  reserve(requestId: number, builderId: number): void {
    this.reserved.set(requestId, builderId);
  }

  /** The claim for the request has come to its end. */
  unreserve(requestId: number): void {
    this.reserved.delete(requestId);
  }

  begin(buildId: number, builderId: number): void {
    this.running.set(buildId, builderId);
  }

  /** False: it was not running here. */
  release(buildId: number): boolean {
    return this.running.delete(buildId);
  }

  /** What is left of the builds that the worker has on all engines together, as one builder each, when ours are taken away is elsewhere. */
  countElsewhere(builderIds: readonly number[]): void {
    const left = [...builderIds];
    for (const builderId of [...this.running.values(), ...this.reserved.values()]) {
      const at = left.indexOf(builderId);
      if (at >= 0) left.splice(at, 1);
    }
    this.elsewhere = left;
  }
}
