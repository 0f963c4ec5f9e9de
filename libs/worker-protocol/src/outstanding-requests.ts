import { ProtocolError, RemoteError, shown } from './protocol-error.js';
import type { Response } from './messages.js';

interface Waiting {
  readonly op: string;
  readonly answered: (() => void) | undefined;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** The requests that one side has sent on one connection and that are not answered yet. */
export class OutstandingRequests {
  private readonly waiting = new Map<number, Waiting>();
  private closedBy: Error | undefined;

  /** @param nextSeq first request number: 0 in msgpack, 1 in PB */
  constructor(private nextSeq = 0) {}

  /**
   * Sends a request by calling `send` with its number. Rejects with RemoteError, or with the error that `close` was given. On success
   * `answered` is called before any later message is handled.
   */
  ask(op: string, send: (seq: number) => void, answered?: () => void): Promise<unknown> {
    if (this.closedBy !== undefined) return Promise.reject(this.closedBy);
    return new Promise((resolve, reject) => {
      const seq = this.nextSeq++;
      this.waiting.set(seq, { op, answered, resolve, reject });
      try {
        send(seq);
      } catch (error) {
        this.waiting.delete(seq);
        throw error;
      }
    });
  }

  /**
   * Settles the request that a response belongs to.
   * @throws ProtocolError when no request of that number is outstanding
   */
  answer(response: Response): void {
    const { seq, result, isException } = response;
    const request = this.waiting.get(seq);
    if (request === undefined) throw new ProtocolError(`there is no request ${seq} to answer`, { seq_number: seq });
    this.waiting.delete(seq);
    if (isException) request.reject(new RemoteError(request.op, typeof result === 'string' ? result : shown(result)));
    else {
      request.answered?.();
      request.resolve(result);
    }
  }

  /** Rejects every outstanding request and every later one. */
  close(error: Error): void {
    this.closedBy ??= error;
    const abandoned = [...this.waiting.values()];
    this.waiting.clear();
    for (const request of abandoned) request.reject(error);
  }
}
