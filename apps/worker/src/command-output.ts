import { LineSplitter } from '@millrace/domain';
import { type CommandUpdate, encodeUpdates, type WorkerSettings } from '@millrace/worker-protocol';
import type { CommandEvent, Outbox } from './outbox.js';

type Stream = 'stdout' | 'stderr' | 'header';

interface PendingText {
  readonly stream: Stream | 'log';
  readonly name: string;
  text: string;
  readonly times: number[];
}

type Pending = PendingText | CommandEvent;

/**
 * The output of one command on its way to the outbox: joined to whole lines, in order.
 *
 * The first output after a pause is sent at once. While a message of this command is unacknowledged, or no master follows it, output is
 * gathered up to `bufferSize` characters.
 */
export class CommandOutput {
  private readonly splitters = new Map<string, LineSplitter>();
  private pending: Pending[] = [];
  private pendingChars = 0;
  private flushScheduled = false;

  constructor(
    private readonly outbox: Outbox,
    private readonly settings: Pick<WorkerSettings, 'bufferSize' | 'maxLineLength'>,
  ) {}

  /** True when too much is waiting. A source of output stops until `whenWritable`. */
  get isBlocked(): boolean {
    return this.outbox.isBlocked;
  }

  whenWritable(): Promise<void> {
    return this.outbox.whenWritable();
  }

  /** Adds whole lines of commentary. */
  header(text: string): void {
    this.lines('header', '', text);
  }

  /** Adds output. Returns the number of lines that it completed. */
  write(stream: 'stdout' | 'stderr', text: string): number {
    return this.lines(stream, '', this.splitter(stream).push(text));
  }

  /** Adds output of a watched log file. */
  writeLog(name: string, text: string): void {
    this.lines('log', name, this.splitter(`log ${name}`).push(text));
  }

  event(update: CommandEvent): void {
    this.outbox.note(update);
    this.pending.push(update);
    this.pendingChars += 20;
    this.flushWhenDue();
  }

  /** Ends every stream: unterminated lines get a newline. */
  end(): void {
    for (const [key, splitter] of this.splitters) {
      const rest = splitter.end();
      if (key === 'stdout' || key === 'stderr') this.lines(key, '', rest);
      else this.lines('log', key.slice('log '.length), rest);
    }
  }

  /** Posts everything gathered, without waiting for acknowledgements. */
  flush(): void {
    if (this.pending.length === 0) return;
    const updates = this.pending.map(toUpdate);
    this.pending = [];
    this.pendingChars = 0;
    this.outbox.post(encodeUpdates(updates));
  }

  /** Posts the gathered output if it is much, or if nothing else is being sent. */
  flushWhenDue(): void {
    if (this.pendingChars >= this.settings.bufferSize) this.flush();
    else if (!this.flushScheduled && this.pending.length > 0 && this.outbox.isIdle) {
      // A microtask later, so that output of the same turn is sent as one message.
      this.flushScheduled = true;
      queueMicrotask(() => {
        this.flushScheduled = false;
        this.flush();
      });
    }
  }

  private splitter(key: string): LineSplitter {
    let splitter = this.splitters.get(key);
    if (splitter === undefined) this.splitters.set(key, (splitter = new LineSplitter(this.settings.maxLineLength)));
    return splitter;
  }

  private lines(stream: Stream | 'log', name: string, text: string): number {
    if (text === '') return 0;
    const count = countLines(text);
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
