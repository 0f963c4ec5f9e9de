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

  /** Numbers count from 0 in msgpack and from 1 in PB, as the other side expects. */
  constructor(private nextSeq = 0) {}

  /**
   * Sends by calling `send` with the new request's number. Rejects with RemoteError, or with what `close` was given. `answered` is called on success
   * before any later message is looked at.
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

  /** @throws ProtocolError when nothing of that number was asked */
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

  /** Rejects everything outstanding and everything asked from now on. */
  close(error: Error): void {
    this.closedBy ??= error;
    const abandoned = [...this.waiting.values()];
    this.waiting.clear();
    for (const request of abandoned) request.reject(error);
  }
}
