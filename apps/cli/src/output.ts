import { printable } from '@millrace/domain';

/** Prints text that quotes foreign texts (names, reasons, answers). Its lines are kept; other control characters are escaped. */
export function say(text: string, stream: NodeJS.WritableStream = process.stdout): void {
  stream.write(`${shown(text)}\n`);
}

/** Escapes every control character in a text except newlines. */
export function shown(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, 20_000))
    .join('\n');
}

/** Prints rows with columns as wide as their widest cell. */
export function sayTable(rows: readonly (readonly string[])[]): void {
  const cells = rows.map((row) => row.map((cell) => printable(cell, 200)));
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  for (const row of cells)
    say(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}
