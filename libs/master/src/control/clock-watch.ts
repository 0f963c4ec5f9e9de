/** Notices when the database's clock is set: leases are judged by it. Its readings are compared with a clock that nobody sets. */
export class ClockWatch {
  private last: { readonly databaseMs: number; readonly ownMs: number } | null = null;

  /** By how much it was set forward (above 0) or back since the last reading; how long readings take counts in. */
  step(databaseMs: number, ownMs: number): number {
    const { last } = this;
    this.last = { databaseMs, ownMs };
    return last === null ? 0 : databaseMs - last.databaseMs - (ownMs - last.ownMs);
  }
}
