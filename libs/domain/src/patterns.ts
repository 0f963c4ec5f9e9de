import { RE2JS } from 're2js';
import { messageOf, UserError } from './errors.js';

/** A regular expression that takes time linear in the text, whatever the text is. */
export interface Pattern {
  /** Searches the text. An expression that should match the whole text needs `^` and `$`. */
  test(text: string): boolean;
}

const MAX_SOURCE_CHARACTERS = 1_000;
/** Largest program that a short expression such as `.{1000}` may be compiled to. */
const MAX_PROGRAM_SIZE = 20_000;

/** Syntax that JavaScript and RE2 read differently without RE2 refusing it: other escapes, named classes, `{,5}`. */
const READ_OTHERWISE = /\\[AzQEaC]|\[\[:|\{,\d/;
const READ_OTHERWISE_WITHOUT_U = /\\[pP]/;

/**
 * Compiles a JavaScript expression to an automaton (RE2), so that no text can make it run away. Where other people's texts meet a person's
 * expression on a main loop, nothing else may be used. What an automaton cannot do (lookaround, references to groups) is refused.
 *
 * @throws UserError `bad-pattern`
 */
export function compilePattern(source: string, flags = ''): Pattern {
  const refuse = (why: string, cause?: unknown): never => {
    throw new UserError(
      'bad-pattern',
      `the expression /${source.slice(0, 100)}/${flags} ${why}`,
      { source: source.slice(0, 100), flags },
      { cause },
    );
  };
  if (source.length > MAX_SOURCE_CHARACTERS)
    return refuse(`has ${source.length} characters; ${MAX_SOURCE_CHARACTERS} are allowed`);
  const isUnicode = /[uv]/.test(flags);
  if (flags.includes('v') || READ_OTHERWISE.test(source) || (!isUnicode && READ_OTHERWISE_WITHOUT_U.test(source)))
    return refuse('means something else in linear time');
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(source), flagBits(flags));
  } catch (error) {
    return refuse(`cannot be run in linear time: ${messageOf(error)}`, error);
  }
  const size = compiled.programSize();
  return size > MAX_PROGRAM_SIZE
    ? refuse(`is too large: ${size} instructions; ${MAX_PROGRAM_SIZE} are allowed`)
    : compiled;
}

function flagBits(flags: string): number {
  return (
    (flags.includes('i') ? RE2JS.CASE_INSENSITIVE : 0) |
    (flags.includes('m') ? RE2JS.MULTILINE : 0) |
    (flags.includes('s') ? RE2JS.DOTALL : 0)
  );
}
