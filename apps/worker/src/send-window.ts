/**
 * Bounds a number of bytes: those that one connection has sent and its master has not acknowledged, or those that wait on disk. A producer
 * of output checks `isOpen` after every piece and, when it is closed, stops reading its source until `whenOpen`.
 */
export class SendWindow {
  private bytes = 0;
  private waiting: (() => void)[] = [];

  /** By default it opens again at half the limit, so that sources are not paused and resumed for every acknowledgement. */
  constructor(
    private readonly limitBytes = 4 * 1024 * 1024,
    private readonly reopenBytes = limitBytes / 2,
  ) {}

  get isOpen(): boolean {
    return this.bytes < this.limitBytes;
  }

  add(bytes: number): void {
    this.bytes += bytes;
  }

  remove(bytes: number): void {
    this.bytes -= bytes;
    if (!this.isOpen || this.bytes > this.reopenBytes) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
  }

  whenOpen(): Promise<void> {
    if (this.isOpen) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
