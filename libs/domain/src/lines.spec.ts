import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from './lines.js';

/** Returns the results of every push and of the end, one string each. */
function split(chunks: readonly string[], maxLineLength?: number): string[] {
  const splitter = new LineSplitter(maxLineLength);
  return [...chunks.map((chunk) => splitter.push(chunk)), splitter.end()];
}

describe('LineSplitter', () => {
  it.each([
    ['keeps whole lines', ['a\nb\n'], ['a\nb\n', '']],
    ['holds an unterminated line back and terminates it at the end', ['a\nb', 'c'], ['a\n', '', 'bc\n']],
    ['makes \\r\\n one break, also across a cut', ['a\r\nb\r', '\nc\n'], ['a\n', 'b\nc\n', '']],
    ['breaks at a carriage return before text', ['10%\r20%\rdone\n'], ['10%\n20%\ndone\n', '']],
    ['does not decide about a carriage return at the end of a chunk', ['a\r', 'b\n'], ['', 'a\nb\n', '']],
    ['drops a carriage return at the very end', ['a\r'], ['', 'a\n']],
    ['breaks at cursor movements', ['a\x1b[ub\x1b[2;13Hc\x1b[2Jd\n'], ['a\nb\nc\nd\n', '']],
    ['breaks at a cursor movement that was cut anywhere', ['a\x1b', '[2;', '13', 'fb\n'], ['', '', '', 'a\nb\n', '']],
    ['passes colours through', ['\x1b[1;31mred\x1b[0m\n'], ['\x1b[1;31mred\x1b[0m\n', '']],
    ['makes a run of backspaces one break, also across a cut', ['a\b\b', '\b', '\bb\n'], ['a\n', '', 'b\n', '']],
    ['shows an escape sequence that never ended', ['a\x1b[12'], ['', 'a\x1b[12\n']],
    ['has nothing to say about nothing', ['', ''], ['', '', '']],
  ])('%s', (_name, chunks, expected) => {
    expect(split(chunks)).toEqual(expected);
  });

  it('continues a line that is too long, and leaves one that just fits unchanged', () => {
    expect(split(['abcd', 'efgh', 'ij\nabcd\nabcde\n'], 4)).toEqual(['', 'abcd\n', 'efgh\nij\nabcd\nabcd\ne\n', '']);
  });

  it('never cuts a surrogate pair', () => {
    expect(split(['ab😀c\n'], 3).join('')).toBe('ab\n😀c\n');
  });

  it('returns the same text however the input was cut', () => {
    const piece = fc.constantFrom(
      'a',
      'é',
      '😀',
      '\n',
      '\r',
      '\r\n',
      '\x1b',
      '[',
      'u',
      '2',
      ';',
      'H',
      'J',
      '\b',
      'm',
      'long text',
    );
    fc.assert(
      fc.property(
        fc.array(piece),
        fc.array(fc.nat({ max: 40 })),
        fc.integer({ min: 2, max: 20 }),
        (pieces, cuts, limit) => {
          const text = pieces.join('');
          const at = [...cuts.filter((cut) => cut < text.length), 0, text.length].sort((a, b) => a - b);
          const chunks = at.slice(1).map((to, index) => text.slice(at[index], to));
          const whole = split([text], limit).join('');
          expect(split(chunks, limit).join('')).toBe(whole);
          expect(whole === '' || whole.endsWith('\n')).toBe(true);
          for (const line of whole.split('\n')) expect(line.length).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
