import { styleText } from 'node:util';
import { type JsonValue, printable } from '@millrace/domain';
import pretty from 'pino-pretty';

const COLOURS = ['cyan', 'magenta', 'yellow', 'green', 'blue', 'red'] as const;

/** Longest line of a process. A longer line is cut. */
const MAX_LINE_CHARACTERS = 20_000;

/**
 * Makes the JSON log lines of the processes readable, each with the name of its process in front. The lines quote foreign texts, so their
 * control characters are escaped.
 */
export class LogLines {
  private readonly format = pretty.prettyFactory({
    colorize: process.stdout.isTTY,
    singleLine: true,
    ignore: 'pid,hostname,role,master,component',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  private readonly names = new Map<string, string>();

  write(name: string, line: string): void {
    process.stdout.write(`${this.label(name)} ${this.text(line)}`);
  }

  private text(line: string): string {
    const entry = line.startsWith('{') && line.length <= MAX_LINE_CHARACTERS ? parsed(line) : null;
    return entry === null ? `${printable(line, MAX_LINE_CHARACTERS)}\n` : this.format(JSON.stringify(shown(entry)));
  }

  private label(name: string): string {
    let label = this.names.get(name);
    if (label === undefined) {
      const padded = name.padEnd(9);
      label = process.stdout.isTTY ? styleText(COLOURS[this.names.size % COLOURS.length]!, padded) : padded;
      this.names.set(name, label);
    }
    return label;
  }
}

function parsed(line: string): JsonValue {
  try {
    return JSON.parse(line) as JsonValue;
  } catch {
    return null; // A line that begins with a brace, but is not one of our log lines.
  }
}

/** Escapes control characters in every text of a log entry. A stack keeps its lines. */
function shown(value: JsonValue): JsonValue {
  if (typeof value === 'string')
    return value
      .split('\n')
      .map((line) => printable(line, MAX_LINE_CHARACTERS))
      .join('\n');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(shown);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [printable(name), shown(member)]));
}
