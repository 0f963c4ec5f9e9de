import { printable } from '@millrace/domain';

/** Longest field. A stack is the longest useful one. */
const FIELD_CHARACTERS = 4000;

/** Writes one plain line per event to standard output: time, level, message, fields. Messages are constant, data goes into fields. */
export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export function plainLog(write: (line: string) => void): Log {
  const line =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const shown = Object.entries(fields).map(([key, value]) => ` ${key}=${format(value)}`);
      write(`${new Date().toISOString()} ${level} ${printable(message)}${shown.join('')}\n`);
    };
  return { info: line('INFO '), warn: line('WARN '), error: line('ERROR') };
}

/** Formats a field. Much of it is foreign text, so control characters are escaped. */
function format(value: unknown): string {
  const text = typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : String(JSON.stringify(value));
  return printable(text, FIELD_CHARACTERS);
}
