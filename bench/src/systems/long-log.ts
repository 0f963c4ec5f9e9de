/** A log of a gigabyte, which the first build of a history gets. That build is visible. */
export const LONG_LOG = { id: 1, chunks: 16_384, linesOfChunk: 1024 } as const;

const CHARACTERS_OF_LINE = 64;

/** Returns the lines of one of its chunks. All are the same, so that they are copied inside a database. */
export function linesOfChunk(): string {
  const line = `o${'a line of a long log '.repeat(CHARACTERS_OF_LINE).slice(0, CHARACTERS_OF_LINE - 2)}\n`;
  return line.repeat(LONG_LOG.linesOfChunk);
}
