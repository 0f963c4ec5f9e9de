import { describe, expect, it } from '@jest/globals';
import { repr, reprBytes, reprText, shellQuoted } from './python-repr.js';

describe('values as Python shows them', () => {
  it.each([
    ['plain', "b'plain'", "'plain'"],
    ["it's", 'b"it\'s"', '"it\'s"'],
    [`both ' and "`, `b'both \\' and "'`, `'both \\' and "'`],
    ['tab\tline\nback\\slash', "b'tab\\tline\\nback\\\\slash'", "'tab\\tline\\nback\\\\slash'"],
    ['é𝄞', "b'\\xc3\\xa9\\xf0\\x9d\\x84\\x9e'", "'é𝄞'"],
    ['\x1b[0m', "b'\\x1b[0m'", "'\\x1b[0m'"],
  ])('%j', (text, bytes, shown) => {
    expect(reprBytes(text)).toBe(bytes);
    expect(reprText(text)).toBe(shown);
  });

  it('shows dictionaries, lists and constants', () => {
    expect(repr({ lf: { filename: 'lf.log', follow: false }, other: ['a', 1, null, true] })).toBe(
      "{'lf': {'filename': 'lf.log', 'follow': False}, 'other': ['a', 1, None, True]}",
    );
  });
});

describe('shellQuoted', () => {
  it('quotes what a shell would split', () => {
    expect(shellQuoted(['sh', '-c', 'echo o; exit 4', '', "['x']", 'a=b,c/d:e@f%+'])).toBe(
      `sh -c 'echo o; exit 4' "" '['"'"'x'"'"']' a=b,c/d:e@f%+`,
    );
  });
});
