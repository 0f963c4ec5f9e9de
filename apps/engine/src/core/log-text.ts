/** The letter before each line of a stdio log (`docs/api.md#logs`). */
export type Stream = 'h' | 'o' | 'e';

/** Puts the stream's letter before every line of `text`, which consists of whole lines. */
export function prefixLines(stream: Stream, text: string): string {
  if (text === '') return '';
  return stream + text.slice(0, -1).replaceAll('\n', `\n${stream}`) + '\n';
}

/** Returns `text` with a newline at its end, if it is not empty. */
export function wholeLines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/**
 * Returns the beginning of a text that is logged in pieces: whole lines of at most `most` characters together, or the beginning of a longer
 * line, which is then continued on the next.
 */
export function firstPiece(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = text.lastIndexOf('\n', most - 1) + 1;
  if (end > 0) return text.slice(0, end);
  // Not between the halves of a surrogate pair.
  const isSplit = /[\uD800-\uDBFF]/.test(text[most - 1]!);
  return text.slice(0, isSplit ? most - 1 : most);
}

/** Returns `text`, which consists of whole lines, without its first `count` lines. */
export function dropLines(text: string, count: number): string {
  let at = 0;
  for (let line = 0; line < count && at < text.length; line++) at = text.indexOf('\n', at) + 1;
  return text.slice(at);
}
