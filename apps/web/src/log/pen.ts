import { AnsiUp } from 'ansi_up';

/** Shown part of a longer line. The raw log has all of it. */
export const LINE_SHOWN = 10_000;
/** Most parameters of a colour sequence. Real ones have fewer; a longer sequence is dropped. */
const PARAMETERS_SHOWN = 100;

/** A painted line: text, or markup in which everything but colours is escaped. */
export type Painted = { readonly text: string } | { readonly html: string };

/** Any control sequence (ECMA-48), complete or broken off by the end of the line. */
const SEQUENCE =
  /\u001b(?:\[([0-?]*)([ -/]*[@-~])?|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]+[0-~]?|[0-~])?/g;

const RESET = /\u001b\[0{0,9}(?:;[\d;]{0,90})?m/;

/** Whether a line resets all colours that held before it. */
export function resets(line: string): boolean {
  return line.includes('\u001b[') && RESET.test(line);
}

/** The colours in which a terminal would draw the next character. They hold over lines until they are reset. */
export class Pen {
  private constructor(
    private readonly ansi: AnsiUp,
    private isPlain: boolean,
  ) {}

  static plain(): Pen {
    const ansi = new AnsiUp();
    // Colours become classes, so that both themes have their own.
    ansi.use_classes = true;
    ansi.escape_html = true;
    ansi.url_allowlist = {};
    return new Pen(ansi, true);
  }

  /** Returns an independent copy. */
  copy(): Pen {
    const state = Object.assign(Object.create(AnsiUp.prototype) as AnsiUp, this.ansi);
    return new Pen(state, this.isPlain);
  }

  /** Paints a line. Text that a progress bar wrote over is left out, as on a terminal, but its colours count. */
  paint(line: string): Painted {
    if (this.isPlain && !line.includes('\u001b')) return { text: shortened(line.slice(lastReturn(line))) };
    const whole = line.replace(SEQUENCE, colourOnly);
    const start = lastReturn(whole);
    this.ansi.ansi_to_html(whole.slice(0, start));
    const text = whole.slice(start).replace(/\r+$/, '');
    const end = whereToCut(text);
    let html = this.ansi.ansi_to_html(text.slice(0, end));
    if (end < text.length) {
      this.ansi.ansi_to_html(text.slice(end));
      html += `… (${text.length.toLocaleString()} characters)`;
    }
    this.isPlain = this.ansi.ansi_to_html('.') === '.';
    return { html };
  }
}

function colourOnly(sequence: string, parameters: string | undefined, command: string | undefined): string {
  const isColour = command === 'm' && /^[\d;]*$/.test(parameters!) && parameters!.length <= PARAMETERS_SHOWN;
  return isColour ? sequence : '';
}

/** Returns where the visible part of a line begins. Carriage returns at the very end erase nothing. */
function lastReturn(line: string): number {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return line.lastIndexOf('\r', end - 1) + 1;
}

function shortened(text: string): string {
  const shown = text.replace(/\r+$/, '');
  return shown.length > LINE_SHOWN
    ? `${shown.slice(0, LINE_SHOWN)}… (${shown.length.toLocaleString()} characters)`
    : shown;
}

/** Returns where to cut a line, without cutting a sequence in two. */
function whereToCut(text: string): number {
  if (text.length <= LINE_SHOWN) return text.length;
  const sequence = text.lastIndexOf('\u001b', LINE_SHOWN);
  const isTorn = sequence >= 0 && text.indexOf('m', sequence) >= LINE_SHOWN;
  return isTorn ? sequence : LINE_SHOWN;
}
