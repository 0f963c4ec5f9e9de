/** Gives turns one after another, in the order of asking. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work, work);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Waits for a turn.
   * @returns a function that ends it
   */
  take(): Promise<() => void> {
    return new Promise((taken) => void this.run(() => new Promise<void>((end) => taken(end))));
  }
}
