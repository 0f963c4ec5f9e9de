/** Receivers that are served in one turn of the event loop: 1 ms to 2 ms of work, most of it the kernel's. */
const AT_ONCE = 25;

/** Serves any number of receivers in order, a few in each turn of the event loop, so that requests are answered in between. */
export class Paced {
  private last: Promise<void> = Promise.resolve();
  private served = 0;

  /** Serves all of them, after those of the calls before. */
  each<T>(receivers: Iterable<T>, serve: (receiver: T) => void | Promise<void>): Promise<void> {
    const run = this.last.then(() => this.run(receivers, serve));
    this.last = run.catch(() => undefined);
    return run;
  }

  private async run<T>(receivers: Iterable<T>, serve: (receiver: T) => void | Promise<void>): Promise<void> {
    for (const receiver of receivers) {
      await serve(receiver);
      if (++this.served % AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
