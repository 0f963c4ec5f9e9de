import { OperationalError } from '@millrace/domain';

/** Lets a few do something at a time; the others wait for their turn, up to a limit. */
export class Turns {
  private readonly waiting: (() => void)[] = [];
  private free: number;

  constructor(
    atATime: number,
    private readonly mostWaiting: number,
    private readonly busy = 'too many people are signing in: try again in a moment',
  ) {
    this.free = atATime;
  }

  /** @throws OperationalError `busy` */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else if (this.waiting.length >= this.mostWaiting) throw new OperationalError('busy', this.busy);
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
