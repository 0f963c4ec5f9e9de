/** What a frame from a browser asks for, and what it is answered (`specs/data-api.md` §5.2). */
export type FrameOutcome =
  | { readonly do: 'reply'; readonly reply: string }
  | { readonly do: 'start' | 'stop'; readonly path: string; readonly reply: string }
  /** Not JSON: the connection is dropped. */
  | { readonly do: 'drop' };

export const MAX_FILTERS = 2000;

/** @param consumed the filters that this connection consumes now */
export function onFrame(text: string, consumed: ReadonlySet<string>): FrameOutcome {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return { do: 'drop' };
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) return { do: 'drop' };
  const { cmd, _id, type, ...args } = frame as Record<string, unknown>;
  if (_id === undefined && type === undefined) return error(400, null, `no '_id' or 'type' in websocket frame`);
  if (cmd === undefined) return error(400, null, `no 'cmd' in websocket frame`);
  if (cmd === 'ping') {
    return argumentError(_id, args, []) ?? { do: 'reply', reply: JSON.stringify({ msg: 'pong', code: 200, _id }) };
  }
  if (cmd === 'startConsuming' || cmd === 'stopConsuming') {
    return argumentError(_id, args, ['path']) ?? consuming(cmd, _id, args.path, consumed);
  }
  return error(404, _id, `no such command type '${typeof cmd === 'string' ? cmd : JSON.stringify(cmd)}'`);
}

function consuming(
  cmd: 'startConsuming' | 'stopConsuming',
  id: unknown,
  path: unknown,
  consumed: ReadonlySet<string>,
): FrameOutcome {
  if (typeof path !== 'string' || path.length > 500)
    return error(400, id, `invalid path format '${JSON.stringify(path)}'`);
  const reply = JSON.stringify({ msg: 'OK', code: 200, _id: id });
  if (cmd === 'startConsuming') {
    if (consumed.size >= MAX_FILTERS) return error(400, id, `more than ${MAX_FILTERS} paths consumed: stop some first`);
    return { do: 'start', path, reply };
  }
  if (!consumed.has(path)) return error(400, id, `path was not consumed '${path}'`);
  return { do: 'stop', path, reply };
}

function argumentError(
  id: unknown,
  args: Readonly<Record<string, unknown>>,
  names: readonly string[],
): FrameOutcome | null {
  if (id === undefined) return error(400, null, `Invalid method argument: '_id' is missing`);
  const missing = names.find((name) => args[name] === undefined);
  if (missing) return error(400, id, `Invalid method argument: '${missing}' is missing`);
  const extra = Object.keys(args).find((name) => !names.includes(name));
  return extra ? error(400, id, `Invalid method argument: '${extra}' is not known`) : null;
}

function error(code: 400 | 404, id: unknown, text: string): FrameOutcome {
  return { do: 'reply', reply: JSON.stringify({ error: text, code, _id: id ?? null }) };
}
