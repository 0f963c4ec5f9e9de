/**
 * Bounds what one connection has sent and its master has not acknowledged. Whoever produces output looks at `isOpen` after every piece and, where
 * it is shut, stops reading its source until `whenOpen`.
 */
export class SendWindow {
  private bytes = 0;
  private waiting: (() => void)[] = [];

  constructor(private readonly limitBytes = 4 * 1024 * 1024) {}

  get isOpen(): boolean {
    return this.bytes < this.limitBytes;
  }

  get isIdle(): boolean {
    return this.bytes === 0;
  }

  add(bytes: number): void {
    this.bytes += bytes;
  }

  /** Opens again at half the limit, so that sources are not switched for every single acknowledgement. */
  remove(bytes: number): void {
    this.bytes -= bytes;
    if (this.bytes > this.limitBytes / 2) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
  }

  whenOpen(): Promise<void> {
    if (this.isOpen) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
