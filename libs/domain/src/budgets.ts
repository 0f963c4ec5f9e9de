export interface BudgetOptions {
  /** What a key may spend in the long run. */
  readonly perSecond: number;
  /** What a key may spend at once, after a time without. */
  readonly burst: number;
  /** Most keys. The ones that spent longest ago are forgotten first, and have everything again. */
  readonly most: number;
}

/** Budgets of clients, by a key each (a token bucket), in bounded memory. The caller gives the times, by a clock that never goes back. */
export class Budgets {
  /** Ordered by the last time something was spent. */
  private readonly keys = new Map<string, { readonly left: number; readonly atMs: number }>();

  constructor(private readonly options: BudgetOptions) {}

  get size(): number {
    return this.keys.size;
  }

  /**
   * Spends one.
   * @returns 0, or when there is not enough, and nothing is spent, the time until there is
   */
  spend(key: string, nowMs: number): number {
    const { perSecond, burst, most } = this.options;
    const known = this.keys.get(key);
    const left = known ? Math.min(burst, known.left + ((nowMs - known.atMs) * perSecond) / 1000) : burst;
    if (left < 1) return Math.ceil(((1 - left) * 1000) / perSecond);
    this.keys.delete(key);
    this.keys.set(key, { left: left - 1, atMs: nowMs });
    if (this.keys.size > most) this.keys.delete(this.keys.keys().next().value!);
    return 0;
  }
}
