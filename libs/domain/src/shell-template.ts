import { UserError } from './errors.js';
import { type InterpolationSources, type Piece, templatePieces, type TemplateRules } from './properties.js';

const JOINED = 'stands after a line that goes on in the middle of a word';

/** The context in a POSIX shell command where a value is inserted. */
type Frame = 'words' | 'double' | 'single' | 'substitution';

/**
 * Follows the author's text of a command as a POSIX shell reads it, as far as needed to know whether a following value stands between
 * quotes. When it cannot follow the text for certain it sets `lost`, and no further value is allowed.
 */
class ShellReader {
  private readonly frames: Frame[] = ['words'];
  private lost: string | null = null;
  private isComment = false;
  /** A here-document begins on the next line. */
  private hasHereDocument = false;
  private isWordStart = true;

  private get frame(): Frame {
    return this.frames.at(-1)!;
  }

  /** Why no value is allowed here; null when it is. */
  get objection(): string | null {
    if (this.lost !== null) return this.lost;
    return this.isComment ? 'stands in a comment' : null;
  }

  get quotes(): 'none' | 'double' | 'single' {
    return this.frame === 'single' || this.frame === 'double' ? this.frame : 'none';
  }

  /** Records that a value was inserted here. */
  value(): void {
    this.isWordStart = false;
  }

  read(text: string): void {
    for (let at = 0; at < text.length; at++) {
      if (this.lost !== null) return;
      at += this.step(text[at]!, text.slice(at + 1, at + 3));
    }
  }

  /**
   * Reads one character.
   * @returns how many further characters it has consumed
   */
  private step(character: string, next: string): number {
    if (this.isComment) {
      if (character === '\n') this.lineEnds();
      return 0;
    }
    if (this.frame === 'single') {
      if (character === "'") this.frames.pop();
      return 0;
    }
    switch (character) {
      case '\\':
        if (next === '') this.lost = 'stands after a backslash';
        // The shell joins lines at a backslash before it looks for words.
        else if (!next.startsWith('\n')) this.isWordStart = false;
        else if (this.frame !== 'double' && !this.isWordStart) this.lost = JOINED;
        return 1;
      case '`':
        this.lost = 'stands after a backquote (write $(…) instead)';
        return 0;
      case '$':
        return this.dollar(next);
      case '"':
        if (this.frame === 'double') this.frames.pop();
        else this.frames.push('double');
        this.isWordStart = false;
        return 0;
      default:
        return this.frame === 'double' ? 0 : this.word(character, next);
    }
  }

  private dollar(next: string): number {
    this.isWordStart = false;
    if (next === '') this.lost = 'stands after a dollar sign';
    else if (next.startsWith('\\')) this.lost = JOINED;
    else if (next.startsWith('((')) this.lost = 'stands after an arithmetic expression';
    else if (next.startsWith('{')) this.lost = 'stands after ${…} (write $NAME, or put that into a variable of env)';
    else if (next.startsWith("'") && this.frame !== 'double') this.lost = "stands after $'…'";
    else if (next.startsWith('(')) {
      this.frames.push('substitution');
      this.isWordStart = true;
      return 1;
    }
    return 0;
  }

  /** Reads a character outside of all quotes. */
  private word(character: string, next: string): number {
    const wasWordStart = this.isWordStart;
    this.isWordStart = /[\s;&|()<>]/.test(character);
    if (/[<(]/.test(character) && next.startsWith('\\')) this.lost = JOINED;
    switch (character) {
      case "'":
        this.frames.push('single');
        break;
      case '#':
        this.isComment = wasWordStart;
        break;
      case '\n':
        this.lineEnds();
        break;
      case '(':
        // Brackets are counted, so that a bracket inside does not end the substitution.
        if (next.startsWith('(')) this.lost = 'stands after ((';
        else this.frames.push(this.frame);
        break;
      case ')':
        if (this.frames.length > 1) this.frames.pop();
        // It is a comment after a subshell, but part of the word after a substitution.
        if (next.startsWith('#')) this.lost = 'stands after )#';
        break;
      case '<':
        if (next.startsWith('<<')) return 2;
        if (next.startsWith('<')) this.hasHereDocument = true;
        break;
      case 'c':
        // The patterns of `case` end with closing brackets that were never opened.
        if (wasWordStart && next === 'as') this.lost = "stands after a word that begins like 'case'";
        break;
    }
    return 0;
  }

  private lineEnds(): void {
    this.isComment = false;
    this.isWordStart = true;
    if (this.hasHereDocument) this.lost = 'stands after the beginning of a here-document';
  }
}

/** Characters that are not special to cmd.exe, inside or outside of quotes. */
const HARMLESS_TO_CMD = /^[\w@+=:,./\\-]+$/;

/**
 * Fills in a command for the worker's shell. Every value stays one word, or part of one, whatever it contains. Values are quoted for the
 * place where they stand, also between the author's own quotes. Values marked `raw` are not quoted.
 *
 * @param system `nt` for cmd.exe, which cannot quote everything: there a value with characters that names and paths do not have is refused
 * @throws UserError `interpolation`
 */
export function interpolateCommand(
  template: string,
  from: InterpolationSources,
  rules: TemplateRules,
  system: string,
): string {
  if (!template.includes('%')) return template;
  const pieces = templatePieces(template, from, rules);
  return system === 'nt' ? forCmd(pieces) : forPosix(pieces);
}

function forPosix(pieces: readonly Piece[]): string {
  const reader = new ShellReader();
  return pieces
    .map(({ text, from, placeholder = '' }) => {
      if (from !== 'value') {
        reader.read(text);
        return text;
      }
      const { objection, quotes } = reader;
      if (objection !== null) throw refused(placeholder, `${objection}, where nothing can be quoted for certain`);
      if (text.includes('\0')) throw refused(placeholder, 'has a null character, which no command can have');
      reader.value();
      const quoted = text.replaceAll("'", `'\\''`);
      if (quotes === 'single') return quoted;
      return quotes === 'double' ? `"'${quoted}'"` : `'${quoted}'`;
    })
    .join('');
}

function forCmd(pieces: readonly Piece[]): string {
  return pieces
    .map(({ text, from, placeholder = '' }) => {
      if (from !== 'value' || HARMLESS_TO_CMD.test(text)) return text;
      throw refused(
        placeholder,
        text === '' ? 'is empty' : `has characters that cannot be quoted for cmd.exe: '${text.slice(0, 60)}'`,
      );
    })
    .join('');
}

function refused(placeholder: string, why: string): UserError {
  return new UserError(
    'interpolation',
    `${placeholder} ${why}; give the command as a list, or put the value into a variable of env`,
    { placeholder },
  );
}

/** Returns how each placeholder of a command is quoted, so that people can check it, and why one cannot be quoted where it stands. */
export function commandPlaceholders(
  template: string,
  rules: TemplateRules,
): { readonly quoted: readonly string[]; readonly raw: readonly string[]; readonly problem: string | null } {
  // The values do not matter, so all are missing, and each is inserted as an empty one.
  const pieces = templatePieces(template, { properties: {} }, rules);
  const named = (origin: Piece['from']) =>
    pieces.flatMap(({ from, placeholder }) => (from === origin && placeholder ? [placeholder] : []));
  let problem: string | null = null;
  try {
    forPosix(pieces);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problem = error.message;
  }
  return { quoted: named('value'), raw: named('raw'), problem };
}

const UP = /(?:^|[\\/])\.\.(?=[\\/]|$)/g;
const ABSOLUTE = /^(?:[\\/~]|[a-z]:)/i;

/**
 * Fills in a path on the worker. Values can only lead to places below the one that the author has named: they must not contain `..` or be
 * absolute.
 *
 * @throws UserError `interpolation`
 */
export function interpolatePath(template: string, from: InterpolationSources, rules: TemplateRules): string {
  if (!template.includes('%')) return template;
  const pieces = templatePieces(template, from, rules);
  const path = pieces.map(({ text }) => text).join('');
  const own = pieces.map(({ text, from: origin }) => (origin === 'author' ? text : 'x')).join('');
  const climbs = (text: string): number => text.match(UP)?.length ?? 0;
  if (climbs(path) <= climbs(own) && ABSOLUTE.test(path) === ABSOLUTE.test(own) && !path.includes('\0')) return path;
  throw new UserError(
    'interpolation',
    `the path '${path.slice(0, 200)}', made of '${template.slice(0, 200)}', leads out of where that is; values in paths may not begin with a slash or a tilde and may have no '..'`,
    { template: template.slice(0, 200) },
  );
}
