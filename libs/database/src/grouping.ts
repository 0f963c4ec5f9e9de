interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Most items of a group: enough to share the cost of a transaction, and few enough not to hold their rows for long. */
const MOST = 200;

/**
 * Groups small writes of one kind that come in bursts: an item is written at once when idle, and while a group is being written the next
 * one gathers. A group that fails is retried one by one, so that no item fails because of another.
 */
export class Grouping<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private isBusy = false;

  constructor(
    /**
     * Writes all items or none.
     * @returns their results in the same order
     */
    private readonly write: (items: readonly Item[]) => Promise<readonly Result[]>,
    /** Whether two items may be in one group. */
    private readonly fit: (one: Item, other: Item) => boolean,
  ) {}

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      void this.work();
    });
  }

  private async work(): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    while (this.waiting.length > 0) await this.writeGroup(this.nextGroup());
    this.isBusy = false;
  }

  /** Returns the next items in order. The first that does not fit ends the group. */
  private nextGroup(): Waiting<Item, Result>[] {
    const end = this.waiting.findIndex(
      ({ item }, i) => i === MOST || this.waiting.slice(0, i).some((earlier) => !this.fit(earlier.item, item)),
    );
    return this.waiting.splice(0, end === -1 ? this.waiting.length : end);
  }

  private async writeGroup(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.write(group.map(({ item }) => item));
      group.forEach(({ resolve }, i) => resolve(results[i]!));
    } catch (error) {
      if (group.length === 1) group[0]!.reject(error);
      else for (const one of group) await this.writeGroup([one]);
    }
  }
}
