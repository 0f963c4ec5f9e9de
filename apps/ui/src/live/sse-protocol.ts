/** What an address below `/sse` asks for. A filter is as in `/ws`; an empty one consumes nothing yet. */
export type SsePlace =
  | { readonly kind: 'listen'; readonly filter: string }
  /** `id`: that of the stream, from its first event; null when it is missing. */
  | { readonly kind: 'add' | 'remove'; readonly id: string | null; readonly filter: string };

const MAX_FILTER_CHARACTERS = 500;

/** Returns what is meant by a path: `/sse/listen/FILTER`, `/sse/FILTER`, `/sse/add/ID/FILTER`, `/sse/remove/ID/FILTER`. */
export function ssePlaceOf(path: string): SsePlace {
  const [first = '', ...rest] = path.split('/').slice(2).map(decoded);
  switch (first) {
    case 'add':
    case 'remove': {
      const [id = '', ...filter] = rest;
      return { kind: first, id: id === '' ? null : id, filter: filterOf(filter) };
    }
    case 'listen':
      return { kind: 'listen', filter: filterOf(rest) };
    default:
      return { kind: 'listen', filter: filterOf([first, ...rest]) };
  }
}

/** Returns the text of an event. Its data is one line. */
export function sseEvent(name: 'handshake' | 'event', data: string): string {
  return `event: ${name}\ndata: ${data}\n\n`;
}

function filterOf(segments: readonly string[]): string {
  return segments.join('/').slice(0, MAX_FILTER_CHARACTERS);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // A malformed escape stands for itself: no key has one.
    return segment;
  }
}
