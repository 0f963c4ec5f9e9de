/** How much of the queue a poll reads: all of it, or the requests with higher ids than have been seen. */
export type Look = { readonly kind: 'all' } | { readonly kind: 'newer'; readonly thanRequestId: number };

/** What decides how much is read. */
export interface LookCircumstances {
  /** By a clock that nobody sets. */
  readonly nowMs: number;
  /** Whether hints arrive. */
  readonly isConnected: boolean;
  /** The configuration in force. Another one may have other builders. */
  readonly configuration: object;
}

/** All of a queue of at most so many requests is read at every poll. */
const SHORT_QUEUE = 1000;
/** All of a longer one is read at every so many polls while hints arrive: it costs the more the longer the queue is. */
const POLLS_FOR_ALL = 10;

/**
 * Decides how much of the queue each poll reads. New requests are looked for every time. Whatever else happens to a queue, such as a request
 * that is given back, is hinted at, and found by a look at all of it if the hint was lost.
 */
export class QueueLooks {
  private newestId = 0;
  private isShort = false;
  /** Null before the first look at all. */
  private all: LookCircumstances | null = null;

  constructor(private readonly pollIntervalMs: number) {}

  next({ nowMs, isConnected, configuration }: LookCircumstances): Look {
    const { all } = this;
    // What is hinted at while nobody listens, also just before hints arrive again, has to be looked for.
    const isKnown = all !== null && isConnected && all.isConnected && all.configuration === configuration;
    return isKnown && !this.isShort && nowMs - all.nowMs < POLLS_FOR_ALL * this.pollIntervalMs
      ? { kind: 'newer', thanRequestId: this.newestId }
      : { kind: 'all' };
  }

  /** Records that a look at all of the queue begins. */
  lookingAtAll(at: LookCircumstances): void {
    this.all = at;
  }

  /** Records how many requests a look at all of the queue has found. */
  sawAll(requests: number): void {
    this.isShort = requests <= SHORT_QUEUE;
  }

  /** Has the next poll look at all: hints were lost, or a look has failed. */
  lost(): void {
    this.all = null;
  }

  seen(requestId: number): void {
    this.newestId = Math.max(this.newestId, requestId);
  }
}
