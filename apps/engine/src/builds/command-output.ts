import { countLines } from '@millrace/database';
import type { CommandUpdate } from '@millrace/worker-protocol';
import { prefixLines, type Stream } from '../core/log-text.js';
import { isTransfer } from '../core/resuming.js';
import type { CommandRequest } from '../runner/runner.js';

/** Most bytes of standard output that a step can capture. */
export const MOST_CAPTURED = 1 << 20;

/** Keeps the beginning of a command's standard output for the step that captures it. */
export class Capture {
  private readonly parts: string[];
  private bytes: number;

  constructor(
    private readonly maxBytes: number,
    before: string,
  ) {
    this.parts = [before];
    this.bytes = before.length;
  }

  /**
   * Adds output.
   * @returns the part that was kept
   */
  add(text: string): string {
    const room = this.maxBytes - this.bytes;
    if (room <= 0) return '';
    const part = text.slice(0, room);
    this.parts.push(part);
    this.bytes += part.length;
    return part;
  }

  get text(): string {
    return this.parts.join('');
  }
}

const STREAMS: Readonly<Record<'stdout' | 'stderr' | 'header', Stream>> = { stdout: 'o', stderr: 'e', header: 'h' };

export interface LogLines {
  readonly kind: 'log-lines';
  readonly step: number;
  readonly log: string;
  readonly type: 's';
  text: string;
  lines: number;
}

/**
 * Returns the log lines of a batch of updates, as one entry per log: however a worker mixes them, they cost as many writes as there are
 * logs.
 */
export function logEntries(request: CommandRequest, batch: readonly CommandUpdate[]): LogLines[] {
  const entries = new Map<string, LogLines>();
  const add = (log: string, stream: Stream, text: string): void => {
    const entry = entries.get(log) ?? {
      kind: 'log-lines',
      step: request.stepNumber,
      log,
      type: 's',
      text: '',
      lines: 0,
    };
    entry.text += prefixLines(stream, text);
    entry.lines += countLines(text);
    entries.set(log, entry);
  };
  for (const update of batch) {
    if (update.kind === 'log') add(update.name, 'o', update.text);
    else if (request.log === null) continue;
    else if (update.kind === 'stdout' || update.kind === 'stderr' || update.kind === 'header') {
      add(request.log, STREAMS[update.kind], update.text);
    } else if (update.kind === 'rc') add(request.log, 'h', `program finished with exit code ${update.rc}\n`);
  }
  return [...entries.values()];
}

/** Returns what a worker says is wrong with a transfer that has no log; nothing of other commands. */
export function textApart({ log, name }: CommandRequest, batch: readonly CommandUpdate[]): string {
  if (log !== null || !isTransfer(name)) return '';
  return batch.map((update) => (update.kind === 'stderr' ? update.text : '')).join('');
}
