/** Notices when the database's clock is set, because leases are judged by it. Its readings are compared with a clock that nobody sets. */
export class ClockWatch {
  private last: { readonly databaseMs: number; readonly ownMs: number } | null = null;

  /** Returns by how much the clock was set forward (above 0) or back since the last reading. The duration of readings is included. */
  step(databaseMs: number, ownMs: number): number {
    const { last } = this;
    this.last = { databaseMs, ownMs };
    return last === null ? 0 : databaseMs - last.databaseMs - (ownMs - last.ownMs);
  }
}
