const FIRST_LANES = 4;

/**
 * A PB worker runs one command per builder at a time and kills what runs there when another is started (`docs/protocols.md#pb`). So its "builders" are lanes of
 * our own making, each of which runs one command after the other; with the absolute paths that our commands have, it does not matter which.
 * There are as many as were ever needed at once, in powers of two.
 */
export class Lanes {
  private idle: number[] = [];
  private names: string[] = [];
  private growing: Promise<void> | undefined;

  /** `declare` tells the worker the names of all lanes and returns the numbers of their objects by name. */
  constructor(private readonly declare: (names: readonly string[]) => Promise<ReadonlyMap<string, number>>) {}

  /** A lane on which nothing runs; it is the caller's until `release`. */
  async take(): Promise<number> {
    for (;;) {
      const lane = this.idle.pop();
      if (lane !== undefined) return lane;
      await this.grow();
    }
  }

  release(lane: number): void {
    this.idle.push(lane);
  }

  grow(): Promise<void> {
    this.growing ??= this.more().finally(() => {
      this.growing = undefined;
    });
    return this.growing;
  }

  private async more(): Promise<void> {
    const known = new Set(this.names);
    const names = Array.from(
      { length: Math.max(FIRST_LANES, 2 * this.names.length) },
      (_none, index) => `millrace-${index + 1}`,
    );
    const lanes = await this.declare(names);
    this.names = names;
    this.idle.push(...names.filter((name) => !known.has(name)).map((name) => lanes.get(name)!));
  }
}
