/** What moves a terminal's cursor somewhere else and so ends a line in a log; `\r` only where something other than a newline follows. */
const LINE_BREAKS = /\r\n|\r(?=[^\n])|\x1b\[u|\x1b\[[0-9]+;[0-9]+[Hf]|\x1b\[2J|\x08+/g;
/** An end of text that may turn out to be the beginning of a line break. The length bound keeps endless digits from being held for ever. */
const OPEN_END = /(?:\r|\x1b(?:\[[0-9]{0,9}(?:;[0-9]{0,9})?)?)$/;
const LONGEST_OPEN_END = 22;

/**
 * Cuts decoded output into whole lines, each ending in `\n`. Other line breaks become `\n` (`docs/protocols.md#lines`); what comes out does
 * not depend on where the input was cut. A line of more than `maxLineLength` UTF-16 units is continued on the next line, so memory stays bounded.
 */
export class LineSplitter {
  /** The unterminated line so far, normalised, never longer than `maxLineLength`. */
  private partial = '';
  private openEnd = '';
  private endedInBackspaces = false;

  constructor(private readonly maxLineLength = 1_048_576) {}

  /** How much is held of a line that has not ended. */
  get openCharacters(): number {
    return this.partial.length;
  }

  /** The lines that `text` completes; empty when there is none. */
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
        // A carriage return before what is held back is known not to precede a newline.
        input = input.slice(0, -this.openEnd.length).replace(LINE_BREAKS, '\n').replace(/\r$/, '\n');
      }
    }
    return this.assemble(input);
  }

  /** The unterminated rest, terminated; empty when the text ended with a line. The splitter is as new afterwards. */
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

  /** The same lines with the too long ones continued. */
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

  /** Where the piece that begins at `from` ends: never between the halves of a surrogate pair. */
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
