/**
 * Lets requests for the same thing share one read. A request never gets an answer whose reading began before the request came (that
 * might miss what an event already told its page): it joins the read that is about to begin, not the one under way.
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
    // One at a time for each key: those who come meanwhile gather for the next. How it ends is its own readers' business.
    await this.running.get(key)?.catch(() => undefined);
    // Requests that arrived in the same turn of the event loop join.
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
