import { parseJson, printable } from '@millrace/domain';

/** What a browser's frame asks for, with the answer (`docs/api.md#live-connection`). */
export type FrameOutcome =
  | { readonly do: 'reply'; readonly reply: string }
  | { readonly do: 'start' | 'stop'; readonly path: string; readonly reply: string }
  /** The text is not a valid frame: the connection is dropped. */
  | { readonly do: 'drop' };

/** Most filters of one connection. A page of ours consumes about twenty. */
export const MAX_FILTERS = 500;
const MAX_PATH_CHARACTERS = 500;
const MAX_ID_CHARACTERS = 100;
/** Most characters of a frame that an answer quotes. */
const MAX_QUOTED = 100;
/** Limits of a frame, which is an object of scalars. */
const FRAME_LIMITS = { maxDepth: 4, maxValues: 40, maxCharacters: 4_000 };

type FrameId = string | number | null;

/**
 * Reads a frame.
 * @param consumed the filters that this connection consumes now
 */
export function onFrame(text: string, consumed: ReadonlySet<string>): FrameOutcome {
  let frame: unknown;
  try {
    frame = parseJson(text, FRAME_LIMITS, 'the frame');
  } catch {
    return { do: 'drop' };
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) return { do: 'drop' };
  const { cmd, _id, type, ...args } = frame as Record<string, unknown>;
  if (_id === undefined && type === undefined) return error(400, null, `no '_id' or 'type' in websocket frame`);
  if (!isId(_id))
    return error(400, null, `invalid '_id': expected a number or at most ${MAX_ID_CHARACTERS} characters`);
  if (cmd === undefined) return error(400, null, `no 'cmd' in websocket frame`);
  if (cmd === 'ping') {
    return argumentError(_id, args, []) ?? { do: 'reply', reply: JSON.stringify({ msg: 'pong', code: 200, _id }) };
  }
  if (cmd === 'startConsuming' || cmd === 'stopConsuming') {
    return argumentError(_id, args, ['path']) ?? consuming(cmd, _id!, args.path, consumed);
  }
  return error(404, _id, `no such command type '${quoted(cmd)}'`);
}

function consuming(
  cmd: 'startConsuming' | 'stopConsuming',
  id: FrameId,
  path: unknown,
  consumed: ReadonlySet<string>,
): FrameOutcome {
  if (typeof path !== 'string' || path.length > MAX_PATH_CHARACTERS)
    return error(400, id, `invalid path format '${quoted(path)}'`);
  const reply = JSON.stringify({ msg: 'OK', code: 200, _id: id });
  if (cmd === 'startConsuming') {
    if (consumed.size >= MAX_FILTERS && !consumed.has(path))
      return error(400, id, `more than ${MAX_FILTERS} paths consumed: stop some first`);
    return { do: 'start', path, reply };
  }
  if (!consumed.has(path)) return error(400, id, `path was not consumed '${quoted(path)}'`);
  return { do: 'stop', path, reply };
}

function isId(id: unknown): id is FrameId | undefined {
  return (
    id === undefined ||
    id === null ||
    typeof id === 'number' ||
    (typeof id === 'string' && id.length <= MAX_ID_CHARACTERS)
  );
}

function argumentError(
  id: FrameId | undefined,
  args: Readonly<Record<string, unknown>>,
  names: readonly string[],
): FrameOutcome | null {
  if (id === undefined) return error(400, null, `Invalid method argument: '_id' is missing`);
  const missing = names.find((name) => args[name] === undefined);
  if (missing) return error(400, id, `Invalid method argument: '${missing}' is missing`);
  const extra = Object.keys(args).find((name) => !names.includes(name));
  return extra === undefined ? null : error(400, id, `Invalid method argument: '${quoted(extra)}' is not known`);
}

function quoted(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value), MAX_QUOTED);
}

function error(code: 400 | 404, id: FrameId | undefined, text: string): FrameOutcome {
  return { do: 'reply', reply: JSON.stringify({ error: text, code, _id: id ?? null }) };
}
