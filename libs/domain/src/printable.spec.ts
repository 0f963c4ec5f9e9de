import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { printable } from './printable.js';

describe('printable', () => {
  it.each([
    ['plain text stays', 'linux-1 ünïcode 漢字 🙂', 'linux-1 ünïcode 漢字 🙂'],
    ['an escape sequence', '\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
    ['line ends', 'a\r\nb', 'a\\x0d\\x0ab'],
    ['C1 controls, which some terminals obey', 'a\u009b31mb', 'a\\x9b31mb'],
    ['an override of the direction', 'txt\u202Egpj.exe', 'txt\\u202egpj.exe'],
  ])('%s', (_what, text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it('cuts long texts', () => {
    expect(printable('x'.repeat(20), 5)).toBe('xxxxx…');
  });

  it('leaves no control character in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      }),
    );
  });
});
