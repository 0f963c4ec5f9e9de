import type { CommandSink, CommandUpdate, Transport } from '../worker-connection.js';
import type { Dice } from './dice.js';

/** The most text, in characters, that may be decoded from one message. */
const MOST_TEXT = 16 << 20;

/** How far a fuzzed session got. A session that refuses everything at once tests little. */
export interface FuzzedCase {
  /** Number of messages, or chunks of bytes, that the session received. */
  messages: number;
  isClosed: boolean;
  isAttached: boolean;
  updates: number;
  transfers: number;
  /** Number of commands that ended before the connection was closed. */
  completed: number;
}

/** The session under test, with an owner that does what an engine does. */
export class FuzzedSession {
  readonly seen: FuzzedCase = {
    messages: 0,
    isClosed: false,
    isAttached: false,
    updates: 0,
    transfers: 0,
    completed: 0,
  };
  readonly transport: Transport = {
    send: (bytes) => this.onSent(bytes),
    close: (reason) => void this.closings.push(reason),
    bufferedBytes: () => 0,
  };
  private readonly closings: string[] = [];
  private readonly asked: Promise<unknown>[] = [];
  private longestText = 0;

  constructor(
    private readonly dice: Dice,
    private readonly onSent: (bytes: Uint8Array) => void,
  ) {}

  /** Records a promise that the session returned, which has to settle by the end. */
  asks(promise: Promise<unknown>, done?: (seen: FuzzedCase) => void): void {
    this.asked.push(promise.then(() => done?.(this.seen)).catch(() => undefined));
  }

  /** Returns a sink that accepts, rejects or delays what it is given. */
  sink(): CommandSink {
    const step = async (): Promise<void> => {
      this.seen.transfers++;
      await this.store();
    };
    return {
      updates: (batch) => {
        this.seen.updates += batch.length;
        this.longestText = Math.max(this.longestText, textLength(batch));
        return this.dice.nat(1) === 0 ? undefined : this.store();
      },
      completed: () => this.store(),
      writeUpload: step,
      closeUpload: step,
      uploadTimes: step,
      writeDirectory: step,
      unpackDirectory: step,
      readDownload: async (length) => {
        await step();
        return new Uint8Array(Math.min(length, 100));
      },
      closeDownload: step,
    };
  }

  /**
   * Ends the session.
   * @throws Error when the session was not closed exactly once with a reason, or left a promise unsettled
   */
  async end(session: { closed(reason: string): void; readonly unacknowledgedBytes: number }): Promise<FuzzedCase> {
    await turns(1);
    this.seen.isClosed = this.closings.length > 0;
    session.closed('the case is over');
    const settled = Promise.all(this.asked).then(() => true);
    if (!(await Promise.race([settled, turns(10).then(() => false)]))) throw new Error('a promise was never settled');
    await turns(1);
    if (this.closings.length > 1) throw new Error(`closed ${this.closings.length} times: ${this.closings.join('; ')}`);
    if (this.closings[0] === '') throw new Error('closed without a reason');
    if (session.unacknowledgedBytes !== 0) throw new Error(`${session.unacknowledgedBytes} bytes stay unacknowledged`);
    if (this.longestText > MOST_TEXT) throw new Error(`one message made ${this.longestText} characters of text`);
    return this.seen;
  }

  private async store(): Promise<void> {
    const how = this.dice.nat(19);
    if (how < 5) await turns(1);
    if (how === 0) throw new Error('the disk is full');
  }
}

function textLength(batch: readonly CommandUpdate[]): number {
  return batch.reduce((length, update) => length + ('text' in update ? update.text.length : 0), 0);
}

/** Waits for `count` turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
}
