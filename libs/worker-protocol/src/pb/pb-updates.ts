import { LineSplitter } from '@millrace/domain';
import { checkedLogName, cut, FilesLimit, LogsLimit, overLimit, WORKER_LIMITS } from '../limits.js';
import { ProtocolError } from '../protocol-error.js';
import type { CommandUpdate } from '../worker-connection.js';
import { Float } from './banana.js';
import { itemsOf, type Jelly, textOf } from './jelly.js';

type TextUpdate = Extract<CommandUpdate, { readonly text: string }>;

/**
 * Reads the updates of one command. Old workers send output in arbitrary pieces, so the lines of every stream are joined here. New workers
 * send whole lines, which pass unchanged (`docs/protocols.md#lines`).
 */
export class UpdateReader {
  private readonly streams = new Map<string, { readonly splitter: LineSplitter; readonly like: TextUpdate }>();

  private readonly logs = new LogsLimit();
  /** Characters of unterminated lines, in all streams. */
  private open = 0;

  constructor(private readonly maxLineLength: number) {}

  /**
   * Reads the argument of `update`: pairs of a dictionary and a number without meaning. Unknown keys are left out.
   * @throws ProtocolError naming the key. An unreadable update ends the connection, because going on would lose log lines
   * @throws UserError as `overLimit`, for updates that are well-formed and too large
   */
  read(argument: Jelly | undefined): CommandUpdate[] {
    const pairs = itemsOf(argument);
    if (pairs === undefined) throw new ProtocolError('the argument of update is no list');
    if (pairs.length > WORKER_LIMITS.updates) {
      throw new ProtocolError(`${pairs.length} updates in one message; ${WORKER_LIMITS.updates} are the most`);
    }
    const updates: CommandUpdate[] = [];
    for (const pair of pairs) {
      const dictionary = itemsOf(pair)?.[0];
      if (!(dictionary instanceof Map)) throw new ProtocolError('an update is no dictionary');
      for (const [key, value] of dictionary as ReadonlyMap<Jelly, Jelly>) this.add(updates, textOf(key), value);
    }
    return updates;
  }

  /** Returns the unterminated lines, with newlines added. To be called when the command is complete. */
  rest(): CommandUpdate[] {
    const updates: CommandUpdate[] = [];
    for (const { splitter, like } of this.streams.values()) {
      const text = splitter.end();
      if (text !== '') updates.push({ ...like, text });
    }
    return updates;
  }

  private add(updates: CommandUpdate[], key: string | undefined, value: Jelly): void {
    switch (key) {
      case 'stdout':
      case 'stderr':
      case 'header':
        return this.addText(updates, { kind: key, text: text(key, value) });
      case 'log': {
        const [name, content] = itemsOf(value) ?? [];
        const update = { kind: key, name: checkedLogName(text(key, name)), text: text(key, content) } as const;
        this.logs.add(update.name);
        return this.addText(updates, update);
      }
      case 'rc':
        return void updates.push({ kind: key, rc: number(key, value) });
      case 'elapsed':
        return void updates.push({ kind: key, seconds: number(key, value) });
      case 'failure_reason':
        return void updates.push({ kind: key, reason: cut(text(key, value), WORKER_LIMITS.reasonCharacters) });
      case 'files': {
        const items = list(key, value);
        const limit = new FilesLimit(items.length);
        return void updates.push({ kind: key, files: items.map((item) => limit.add(text(key, item))) });
      }
      case 'stat': {
        const items = list(key, value);
        if (items.length > WORKER_LIMITS.statFields) return bad(key, `a list of ${WORKER_LIMITS.statFields} at most`);
        return void updates.push({ kind: key, stat: items.map((item) => integer(key, item)) });
      }
      default:
    }
  }

  private addText(updates: CommandUpdate[], update: TextUpdate): void {
    const id = update.kind === 'log' ? `log ${update.name}` : update.kind;
    let stream = this.streams.get(id);
    if (stream === undefined) {
      stream = { splitter: new LineSplitter(this.maxLineLength), like: { ...update, text: '' } };
      this.streams.set(id, stream);
    }
    this.open -= stream.splitter.openCharacters;
    const lines = stream.splitter.push(update.text);
    this.open += stream.splitter.openCharacters;
    if (this.open > WORKER_LIMITS.openLineCharacters) {
      throw overLimit('characters of lines that do not end', WORKER_LIMITS.openLineCharacters);
    }
    if (lines !== '') updates.push({ ...update, text: lines });
  }
}

function text(key: string, value: Jelly | undefined): string {
  return textOf(value) ?? bad(key, 'text');
}

function number(key: string, value: Jelly): number {
  if (value instanceof Float) return value.value;
  return typeof value === 'number' ? value : bad(key, 'a number');
}

function integer(key: string, value: Jelly): number | bigint {
  if (value instanceof Float) return Math.trunc(value.value);
  return typeof value === 'number' || typeof value === 'bigint' ? value : bad(key, 'a list of integers');
}

function list(key: string, value: Jelly): readonly Jelly[] {
  return itemsOf(value) ?? bad(key, 'a list');
}

function bad(key: string, wanted: string): never {
  throw new ProtocolError(`'${key}' of an update must be ${wanted}`, { key });
}
