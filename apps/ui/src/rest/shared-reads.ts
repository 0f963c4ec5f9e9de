/**
 * Lets requests for the same data share one read. A request never gets an answer whose reading began before the request came, because that
 * might miss a change whose event the page already has. So it joins the read that is about to begin, not the current one.
 */
export class SharedReads<T> {
  private readonly waiting = new Map<string, Promise<T>>();
  private readonly running = new Map<string, Promise<unknown>>();

  read(key: string, work: () => Promise<T>): Promise<T> {
    const joined = this.waiting.get(key);
    if (joined) return joined;
    const answer = this.begin(key, work);
    this.waiting.set(key, answer);
    return answer;
  }

  private async begin(key: string, work: () => Promise<T>): Promise<T> {
    // One read at a time per key. Requests that come meanwhile wait for the next one. Its own readers handle the current one's error.
    await this.running.get(key)?.catch(() => undefined);
    // Requests of the same turn of the event loop join.
    await new Promise((resolve) => setImmediate(resolve));
    this.waiting.delete(key);
    const read = work();
    this.running.set(key, read);
    try {
      return await read;
    } finally {
      if (this.running.get(key) === read) this.running.delete(key);
    }
  }
}
