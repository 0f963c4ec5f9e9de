/** Which of two releases of Millrace each process of a cluster is started from. */
export class Releases {
  /** Whose names are started from the release that comes after. */
  private readonly upgraded = new Set<string>();
  private stage: 'before' | 'beside' | 'after' = 'before';

  /** Both are root folders of a Millrace that is built. */
  constructor(
    private readonly before: string,
    private readonly after: string,
  ) {}

  /** From now on a process that starts again is of the other release than its predecessor. */
  mix(): void {
    this.stage = 'beside';
  }

  /** From now on every process that starts is of the release that comes after. */
  finish(): void {
    this.stage = 'after';
  }

  /** Returns the root folder for a process that starts now. */
  next(name: string): string {
    if (this.stage === 'after' || (this.stage === 'beside' && !this.upgraded.has(name))) this.upgraded.add(name);
    else this.upgraded.delete(name);
    return this.upgraded.has(name) ? this.after : this.before;
  }

  isUpgraded(name: string): boolean {
    return this.upgraded.has(name);
  }
}
