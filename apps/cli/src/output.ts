import { printable } from '@millrace/domain';

/** Prints text of which parts were written by others (names, reasons, answers): its lines are kept, a terminal obeys nothing else in it. */
export function say(text: string, stream: NodeJS.WritableStream = process.stdout): void {
  stream.write(`${shown(text)}\n`);
}

/** Text as a terminal may show it: lines as they are, every other control character escaped. */
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
