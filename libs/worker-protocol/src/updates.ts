import type { Frame } from './frame.js';
import { checkedLogName, cut, FilesLimit, LogsLimit, WORKER_LIMITS } from './limits.js';
import type { MsgpackReader } from './msgpack-reader.js';
import { ProtocolError, shown } from './protocol-error.js';
import type { CommandUpdate } from './worker-connection.js';

/**
 * Reads the updates of an `update` frame. Most of an engine's input comes through here: line positions are skipped, and line times too
 * unless `wantTimes`. Unknown keys are left out, as the protocol requires.
 * @throws UserError as `overLimit`, for updates that are well-formed and too large
 */
export function readUpdates(frame: Frame, wantTimes: boolean): CommandUpdate[] {
  const reader = frame.at('args');
  const logs = new LogsLimit();
  return reader.list(() => {
    expectLength(reader, 2, 'an update');
    const update = readUpdate(reader, reader.text(WORKER_LIMITS.idBytes), wantTimes);
    if (update?.kind === 'log') logs.add(update.name);
    return update;
  }, WORKER_LIMITS.updates);
}

function readUpdate(reader: MsgpackReader, key: string, wantTimes: boolean): CommandUpdate | undefined {
  switch (key) {
    case 'stdout':
    case 'stderr':
    case 'header':
      return { kind: key, ...readLines(reader, wantTimes) };
    case 'log':
      expectLength(reader, 2, "'log'");
      return { kind: key, name: checkedLogName(reader.text()), ...readLines(reader, wantTimes) };
    case 'rc':
      return { kind: key, rc: readNumber(reader, key) };
    case 'elapsed':
      return { kind: key, seconds: readNumber(reader, key) };
    case 'failure_reason':
      return { kind: key, reason: cut(reader.text(), WORKER_LIMITS.reasonCharacters) };
    case 'files': {
      const limit = new FilesLimit(reader.lengthAhead());
      return { kind: key, files: reader.list(() => limit.add(reader.text())) };
    }
    case 'stat':
      return { kind: key, stat: reader.list(() => readInteger(reader, key), WORKER_LIMITS.statFields) };
    default:
      reader.skip();
      return undefined;
  }
}

/** Reads `[text, positions, times]`. Workers end every text with a newline. A missing one is added, so that lines are never joined. */
function readLines(reader: MsgpackReader, wantTimes: boolean): { text: string; times?: number[] } {
  expectLength(reader, 3, 'the value of a log update');
  const raw = reader.text();
  const text = raw === '' || raw.endsWith('\n') ? raw : `${raw}\n`;
  reader.skip();
  if (!wantTimes) {
    reader.skip();
    return { text };
  }
  return { text, times: reader.list(() => readNumber(reader, 'times')) };
}

function readNumber(reader: MsgpackReader, key: string): number {
  const value = reader.value();
  if (typeof value !== 'number') throw new ProtocolError(`'${key}' must be a number, not ${shown(value)}`, { key });
  return value;
}

function readInteger(reader: MsgpackReader, key: string): number | bigint {
  const value = reader.value();
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) {
    throw new ProtocolError(`'${key}' must be a list of integers, not ${shown(value)}`, { key });
  }
  return value as number | bigint;
}

function expectLength(reader: MsgpackReader, wanted: number, what: string): void {
  const length = reader.arrayLength();
  if (length !== wanted) throw new ProtocolError(`${what} must have ${wanted} parts, not ${length}`, { length });
}

/** Returns the wire form of updates. Positions are left empty: no master reads them, and computing them in code points is expensive. */
export function wireUpdates(updates: readonly CommandUpdate[]): [string, unknown][] {
  return updates.map((update) => [update.kind, wireValue(update)]);
}

function wireValue(update: CommandUpdate): unknown {
  switch (update.kind) {
    case 'stdout':
    case 'stderr':
    case 'header':
      return [update.text, [], update.times ?? []];
    case 'log':
      return [update.name, [update.text, [], update.times ?? []]];
    case 'rc':
      return update.rc;
    case 'elapsed':
      return update.seconds;
    case 'failure_reason':
      return update.reason;
    case 'files':
      return update.files;
    case 'stat':
      return update.stat;
  }
}
