import { LineSplitter } from '@millrace/domain';
import type { CommandUpdate, MsgpackWorkerSession, WorkerSettings } from '@millrace/worker-protocol';
import { RemoteError } from '@millrace/worker-protocol';
import type { SendWindow } from './send-window.js';

type Stream = 'stdout' | 'stderr' | 'header';

interface PendingText {
  readonly stream: Stream | 'log';
  readonly name: string;
  text: string;
  readonly times: number[];
}

type Pending = PendingText | Exclude<CommandUpdate, { text: string }>;

/**
 * What one command has to say, on its way to the master: assembled into whole lines and sent in order.
 *
 * The first output after a pause goes out at once. While a message of this command is unacknowledged, output is gathered up to `bufferSize`
 * characters. When the connection is gone, whatever is left and whatever follows is dropped: a master that comes later knows nothing of the command.
 */
export class CommandOutput {
  private readonly splitters = new Map<string, LineSplitter>();
  private pending: Pending[] = [];
  private pendingChars = 0;
  private unacknowledgedMessages = 0;
  private flushScheduled = false;
  private isDetached = false;

  constructor(
    private readonly commandId: string,
    private readonly session: MsgpackWorkerSession,
    private readonly window: SendWindow,
    private readonly settings: Pick<WorkerSettings, 'bufferSize' | 'maxLineLength'>,
  ) {}

  /** Too much is under way: a source of output stops until `whenWritable`. */
  get isBlocked(): boolean {
    return !this.isDetached && !this.window.isOpen;
  }

  whenWritable(): Promise<void> {
    return this.isBlocked ? this.window.whenOpen() : Promise.resolve();
  }

  /** Whole lines of commentary. */
  header(text: string): void {
    this.lines('header', '', text);
  }

  /** Output as it comes. Returns the number of lines that it completed. */
  write(stream: 'stdout' | 'stderr', text: string): number {
    return this.lines(stream, '', this.splitter(stream).push(text));
  }

  /** The same for a watched log file. */
  writeLog(name: string, text: string): void {
    this.lines('log', name, this.splitter(`log ${name}`).push(text));
  }

  event(update: Exclude<CommandUpdate, { text: string }>): void {
    if (this.isDetached) return;
    this.pending.push(update);
    this.pendingChars += 20;
    this.flushWhenDue();
  }

  /** Ends every stream: unterminated lines are terminated. */
  end(): void {
    for (const [key, splitter] of this.splitters) {
      const rest = splitter.end();
      if (key === 'stdout' || key === 'stderr') this.lines(key, '', rest);
      else this.lines('log', key.slice('log '.length), rest);
    }
  }

  /** Sends everything that is gathered, without waiting for acknowledgements. */
  flush(): void {
    if (this.isDetached || this.pending.length === 0) return;
    const updates = this.pending.map(toUpdate);
    this.pending = [];
    this.pendingChars = 0;
    this.unacknowledgedMessages += 1;
    const { bytes, acknowledged } = this.session.sendUpdates(this.commandId, updates);
    this.window.add(bytes);
    acknowledged
      .catch((error: unknown) => {
        // A master that refuses an update interrupts the command; one that is gone hears nothing more.
        if (!(error instanceof RemoteError)) this.detach();
      })
      .finally(() => {
        this.unacknowledgedMessages -= 1;
        this.window.remove(bytes);
        this.flushWhenDue();
      });
  }

  private detach(): void {
    this.isDetached = true;
    this.pending = [];
    this.pendingChars = 0;
  }

  private splitter(key: string): LineSplitter {
    let splitter = this.splitters.get(key);
    if (splitter === undefined) this.splitters.set(key, (splitter = new LineSplitter(this.settings.maxLineLength)));
    return splitter;
  }

  private lines(stream: Stream | 'log', name: string, text: string): number {
    if (text === '') return 0;
    const count = countLines(text);
    if (this.isDetached) return count;
    let last = this.pending.at(-1);
    if (last === undefined || !('stream' in last) || last.stream !== stream || last.name !== name) {
      last = { stream, name, text: '', times: [] };
      this.pending.push(last);
    }
    last.text += text;
    const now = Date.now() / 1000;
    for (let line = 0; line < count; line++) last.times.push(now);
    this.pendingChars += text.length + 16 * count;
    this.flushWhenDue();
    return count;
  }

  private flushWhenDue(): void {
    if (this.pendingChars >= this.settings.bufferSize) this.flush();
    else if (this.unacknowledgedMessages === 0 && !this.flushScheduled && this.pending.length > 0) {
      // A microtask later, so that what is said in one breath goes out as one message.
      this.flushScheduled = true;
      queueMicrotask(() => {
        this.flushScheduled = false;
        this.flush();
      });
    }
  }
}

function toUpdate(pending: Pending): CommandUpdate {
  if (!('stream' in pending)) return pending;
  const { stream, name, text, times } = pending;
  return stream === 'log' ? { kind: 'log', name, text, times } : { kind: stream, text, times };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
