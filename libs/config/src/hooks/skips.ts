import { compilePattern, messageOf, type Pattern } from '@millrace/domain';
import type { ObjectReader } from '../object-reader.js';

/** An expression that anybody's messages are compared with, in linear time. */
export interface SkipPattern {
  readonly source: string;
  readonly flags: string;
}

const DEFAULT_SKIPS: readonly SkipPattern[] = [
  { source: String.raw`\[ *skip *ci *\]`, flags: '' },
  { source: String.raw`\[ *ci *skip *\]`, flags: '' },
];

export function compileSkips(reader: ObjectReader): readonly SkipPattern[] {
  if (!reader.has('skips')) return DEFAULT_SKIPS;
  return reader.list('skips', (item, path) => {
    if (!(item instanceof RegExp)) {
      reader.into.add(path, item, 'an expression', reader.where);
      return { source: '', flags: '' };
    }
    const { source, flags } = item;
    try {
      compilePattern(source, flags);
    } catch (error) {
      reader.into.add(path, item, 'an expression that takes linear time', reader.where, `${path}: ${messageOf(error)}`);
    }
    return { source, flags };
  });
}

/** Compiling takes longer than searching a message. */
const compiled = new WeakMap<SkipPattern, Pattern>();

function patternOf(skip: SkipPattern): Pattern {
  const known = compiled.get(skip) ?? compilePattern(skip.source, skip.flags);
  compiled.set(skip, known);
  return known;
}

/** Returns why a push is skipped because of the message of its last commit; null when it is not. */
export function skipReason(skips: readonly SkipPattern[], message: string): string | null {
  const found = skips.find((skip) => patternOf(skip).test(message));
  return found === undefined ? null : `the message of the last commit matches the skip marker /${found.source}/`;
}
