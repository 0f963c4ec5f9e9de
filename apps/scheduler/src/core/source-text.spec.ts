import { describe, expect, it } from '@jest/globals';
import { failureText, unwatchedText } from './source-text.js';

describe('unwatchedText', () => {
  const why = 'its name is not UTF-8';
  it.each<[readonly string[], string | null]>([
    [[], null],
    [['caf\\xe9'], `a branch is not watched: 'caf\\xe9' (${why})`],
    [['a', 'b'], `2 branches are not watched: 'a' (${why}), 'b' (${why})`],
    [['a', 'b', 'c', 'd', 'e'], `5 branches are not watched: 'a' (${why}), 'b' (${why}), 'c' (${why}) and 2 more`],
    [['a\u202e\u0007'], `a branch is not watched: 'a\\u202e\\x07' (${why})`],
    [['l'.repeat(200)], `a branch is not watched: '${'l'.repeat(100)}…' (${why})`],
  ])('of %j is %j', (branches, text) => {
    expect(unwatchedText(new Map(branches.map((branch) => [branch, why])))).toBe(text);
  });
});

describe('failureText', () => {
  it.each([
    ['fatal: one.\n  hint: two\n\nthree.\n', 'fatal: one; hint: two; three.'],
    ['bell \u0007', 'bell \\x07'],
    [
      `git ls-remote: ${'@'.repeat(59)}\n@ WARNING @\nThe fingerprint is\nSHA256:ab/+.\nremove with:\nHost key verification failed.\nfatal: no`,
      "git ls-remote: Host key verification failed: the server's key is SHA256:ab/+, which is not the one that is known; fatal: no",
    ],
    ['x'.repeat(2000), `${'x'.repeat(1000)}…`],
  ])('of %j is one line', (message, text) => expect(failureText(new Error(message))).toBe(text));
});
