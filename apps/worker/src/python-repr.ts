/**
 * Formats a text for headers. Headers show values as Python writes them, because log viewers and people's scripts know them from
 * `buildbot-worker`.
 */
export function reprText(text: string): string {
  const quote = quoteFor(text);
  let shown = '';
  for (const char of text)
    shown += escapeChar(char, quote) ?? (isPrintable(char) ? char : `\\x${hex(char.codePointAt(0) ?? 0)}`);
  return quote + shown + quote;
}

export function reprBytes(text: string): string {
  const quote = quoteFor(text);
  let shown = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte);
    shown += escapeChar(char, quote) ?? (byte >= 0x20 && byte < 0x7f ? char : `\\x${hex(byte)}`);
  }
  return `b${quote}${shown}${quote}`;
}

export function repr(value: unknown): string {
  if (typeof value === 'string') return reprText(value);
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, item]) => `${reprText(key)}: ${repr(item)}`)
      .join(', ')}}`;
  }
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : reprText(typeof value);
}

/** Returns a command line that a POSIX shell would split into these arguments. */
export function shellQuoted(args: readonly string[]): string {
  return args.map(shellWord).join(' ');
}

function shellWord(arg: string): string {
  if (arg === '') return '""';
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'"'"'`)}'`;
}

function quoteFor(text: string): "'" | '"' {
  return text.includes("'") && !text.includes('"') ? '"' : "'";
}

function escapeChar(char: string, quote: string): string | undefined {
  if (char === '\\' || char === quote) return `\\${char}`;
  if (char === '\n') return '\\n';
  if (char === '\r') return '\\r';
  if (char === '\t') return '\\t';
  return undefined;
}

function isPrintable(char: string): boolean {
  return !/^[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]$/u.test(char);
}

function hex(code: number): string {
  return code.toString(16).padStart(2, '0');
}
