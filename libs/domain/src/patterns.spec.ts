import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compilePattern } from './patterns.js';

describe('compilePattern', () => {
  it.each([
    ['a prefix', /^(feature|fix)\//, ['feature/x', 'fix/', 'xfix/', '']],
    ['a search', /bc/, ['abcd', 'bc', 'b']],
    ['no case', /^Main$/i, ['main', 'MAIN', 'mains']],
    ['lines', /^b$/m, ['a\nb\nc', 'ab']],
    ['every character', /^.$/s, ['\n', 'a', 'ab']],
    ['no line end', /^.$/, ['\n', 'a']],
    ['the end is the end', /a$/, ['a', 'a\n']],
    ['Unicode', /^\p{Lu}\u{1F600}$/u, ['Ä😀', 'ä😀']],
    ['a name', /(?<year>\d{4})-x/, ['2026-x', '26-x']],
    ['flags that say where to go on', /main/gy, ['main', 'xmain']],
    ['nothing', new RegExp(''), ['', 'x']],
    ['control characters', /^\cA\x41\u0042\0$/, ['\x01AB\0', 'AB']],
    ['a class', /^[^a-c\]\\-]+$/, ['xyz', 'a', ']', '\\', '-']],
  ])('%s', (_what, regex, texts) => {
    const pattern = compilePattern(regex.source, regex.flags);
    const own = new RegExp(regex.source, regex.flags.replace(/[gy]/g, ''));
    for (const text of texts) expect([text, pattern.test(text)]).toEqual([text, own.test(text)]);
  });

  it.each([
    ['lookahead', '^(?!main$)', ''],
    ['lookbehind', '(?<!x)main', ''],
    ['a reference to a group', '(a)\\1', ''],
    ['a bomb', '(?:a{1000}){1000}', ''],
    ['many repetitions of much', `(?:${'xy'.repeat(200)}){500}`, ''],
    ['a long one', 'x'.repeat(1001), ''],
    ['deep brackets', `${'('.repeat(600)}${')'.repeat(600)}`, ''],
    ['sets of characters', '[a&&b]', 'v'],
    ['an escape that means something else', '\\A', ''],
    ['a property without u', '\\p{L}', ''],
    ['braces that are no count', 'a{,5}', ''],
  ])('refuses %s', (_what, source, flags) => {
    expect(() => compilePattern(source, flags)).toThrow(expect.objectContaining({ code: 'bad-pattern' }));
  });

  it.each([
    ['^(a+)+$', `${'a'.repeat(60)}!`],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(100_000)],
    ['(.*)(.*)(.*)(.*)(.*)[ef]', 'a'.repeat(100_000)],
    ['(a|b)*a(a|b){200}$', 'ab'.repeat(5_000)],
    ['^(a|a)*$', `${'a'.repeat(50_000)}!`],
    ['(x+x+)+y', 'x'.repeat(50_000)],
  ])('has an answer for %s at once', (source, text) => {
    const before = performance.now();
    compilePattern(source).test(text);
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it('agrees with JavaScript about every expression that it accepts', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '\\d',
      '\\w',
      'a+',
      'b*',
      'a?',
      '(?:ab)+',
      '(a|b)',
      'a{2,3}',
      '^',
      '$',
      '\\b',
      '\\/',
    );
    const source = fc.array(atom, { maxLength: 6 }).map((parts) => parts.join(''));
    const text = fc.stringMatching(/^[ab1/ ]{0,8}$/);
    fc.assert(
      fc.property(source, text, (pattern, given) => {
        expect(compilePattern(pattern).test(given)).toBe(new RegExp(pattern).test(given));
      }),
      { numRuns: 500 },
    );
  });
});
