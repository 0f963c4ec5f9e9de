const FIRST_LANES = 4;

/**
 * The lanes of a PB worker. Such a worker runs one command per builder at a time and kills what runs there when another is started
 * (`docs/protocols.md#pb`). So its "builders" are lanes of our own making, each of which runs one command after the other. Our commands
 * have absolute paths, so it does not matter which lane runs them. There are as many lanes as were ever needed at once, in powers of two.
 */
export class Lanes {
  private idle: number[] = [];
  private names: string[] = [];
  private growing: Promise<void> | undefined;

  /** @param declare tells the worker the names of all lanes and returns the numbers of their objects by name */
  constructor(private readonly declare: (names: readonly string[]) => Promise<ReadonlyMap<string, number>>) {}

  /** Takes a free lane. It belongs to the caller until `release`. */
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
