/**
 * Sequences that move a terminal's cursor elsewhere and therefore end a line in a log. `\r` counts only when something other than a newline
 * follows.
 */
const LINE_BREAKS = /\r\n|\r(?=[^\n])|\x1b\[u|\x1b\[[0-9]+;[0-9]+[Hf]|\x1b\[2J|\x08+/g;
/** The end of a text when it may be the beginning of a line break. The length is bounded, so that endless digits are not held for ever. */
const OPEN_END = /(?:\r|\x1b(?:\[[0-9]{0,9}(?:;[0-9]{0,9})?)?)$/;
const LONGEST_OPEN_END = 22;

/**
 * Cuts decoded output into whole lines, each ending in `\n`. Other line breaks become `\n` (`docs/protocols.md#lines`). The result does not
 * depend on where the input was cut. A line of more than `maxLineLength` UTF-16 units is continued on the next line, so memory stays
 * bounded.
 */
export class LineSplitter {
  /** The unterminated line so far, normalised, never longer than `maxLineLength`. */
  private partial = '';
  private openEnd = '';
  private endedInBackspaces = false;

  constructor(private readonly maxLineLength = 1_048_576) {}

  /** Number of characters held of the unterminated line. */
  get openCharacters(): number {
    return this.partial.length;
  }

  /** Returns the lines that `text` completes; empty when there are none. */
  push(text: string): string {
    let input = this.openEnd + text;
    this.openEnd = '';
    if (this.endedInBackspaces) {
      input = input.replace(/^\x08+/, '');
      if (input === '') return '';
      this.endedInBackspaces = false;
    }
    if (mayBreak(input)) {
      this.openEnd = OPEN_END.exec(input.slice(-LONGEST_OPEN_END))?.[0] ?? '';
      if (this.openEnd === '') {
        this.endedInBackspaces = input.endsWith('\b');
        input = input.replace(LINE_BREAKS, '\n');
      } else {
        // It is now known that no newline follows a carriage return before the held-back text.
        input = input.slice(0, -this.openEnd.length).replace(LINE_BREAKS, '\n').replace(/\r$/, '\n');
      }
    }
    return this.assemble(input);
  }

  /** Returns the unterminated line with a newline; empty when there is none. Afterwards the splitter is like a new one. */
  end(): string {
    const rest = this.assemble(this.openEnd === '\r' ? '' : this.openEnd);
    const last = this.partial === '' ? '' : `${this.partial}\n`;
    this.partial = '';
    this.openEnd = '';
    this.endedInBackspaces = false;
    return rest + last;
  }

  private assemble(text: string): string {
    const lastBreak = text.lastIndexOf('\n');
    if (lastBreak < 0) {
      this.partial += text;
      return this.partial.length > this.maxLineLength ? this.overflow() : '';
    }
    const whole = this.partial + text.slice(0, lastBreak + 1);
    this.partial = text.slice(lastBreak + 1);
    const lines = whole.length > this.maxLineLength ? this.continued(whole) : whole;
    return this.partial.length > this.maxLineLength ? lines + this.overflow() : lines;
  }

  /** Takes full-length pieces off the unterminated line until the rest fits. */
  private overflow(): string {
    const pieces: string[] = [];
    let from = 0;
    while (this.partial.length - from > this.maxLineLength) {
      const to = this.cut(this.partial, from);
      pieces.push(this.partial.slice(from, to), '\n');
      from = to;
    }
    this.partial = this.partial.slice(from);
    return pieces.join('');
  }

  /** Returns the lines with overlong ones continued on further lines. */
  private continued(lines: string): string {
    const pieces: string[] = [];
    for (let from = 0; from < lines.length;) {
      const end = lines.indexOf('\n', from);
      while (end - from > this.maxLineLength) {
        const to = this.cut(lines, from);
        pieces.push(lines.slice(from, to), '\n');
        from = to;
      }
      pieces.push(lines.slice(from, end + 1));
      from = end + 1;
    }
    return pieces.join('');
  }

  /** Returns the end of the piece that begins at `from`, never between the halves of a surrogate pair. */
  private cut(text: string, from: number): number {
    const to = from + this.maxLineLength;
    const last = text.charCodeAt(to - 1);
    return last >= 0xd800 && last <= 0xdbff && this.maxLineLength > 1 ? to - 1 : to;
  }
}

/** Three searches for one character each are several times as fast as one for a class. */
function mayBreak(text: string): boolean {
  return text.includes('\r') || text.includes('\x1b') || text.includes('\b');
}
