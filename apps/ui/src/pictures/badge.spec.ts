import { describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { badgeOf, badgeRequest } from './badge.js';

const badge = (query: string, results: Result | null): string =>
  badgeOf(badgeRequest(new URLSearchParams(query)), results);

describe('a badge', () => {
  it.each([
    ['', Result.SUCCESS, ['Build Status', 'success', '#4c1']],
    ['', Result.FAILURE, ['failure', '#e05d44']],
    ['', null, ['unknown', '#9f9f9f']],
    ['left_text=docs&right_text=fine&right_color=blue', Result.SUCCESS, ['docs', 'fine']],
    ['left_text=<script>', Result.SUCCESS, ['&lt;script&gt;']],
    ['style=nonsense&left_color="/><script>', Result.SUCCESS, ['#555']],
  ])('%j of %j', (query, results, parts) => {
    const svg = badge(query, results);
    for (const part of parts) expect(svg).toContain(part);
    expect(svg).not.toContain('<script');
  });

  it('has other styles, and texts of a bounded length', () => {
    expect(badge('style=flat-square', Result.SUCCESS)).not.toBe(badge('', Result.SUCCESS));
    expect(badge(`left_text=${'x'.repeat(5000)}`, null).length).toBeLessThan(3000);
  });
});
