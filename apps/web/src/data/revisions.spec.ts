import { describe, expect, it } from '@jest/globals';
import { changedText, sectionTitle } from './revisions';

describe('what a revision changes', () => {
  const counts = (added: number, removed: number, changed: number) => ({ added, removed, changed });

  it.each([
    [null, 'the first one'],
    [{}, 'the text of functions or files'],
    [{ builders: counts(2, 1, 3), workers: counts(1, 0, 0) }, 'builders +2 −1, 3 changed; workers +1'],
    [{ changeSources: counts(0, 4, 0), other: counts(0, 0, 1) }, 'change sources −4; other 1 changed'],
  ])('%j is told as %j', (changed, expected) => expect(changedText(changed)).toBe(expected));

  it('has titles of words', () => expect(sectionTitle('changeSources')).toBe('Change sources'));
});
