import { describe, expect, it } from '@jest/globals';
import { planPoll } from './git-plan.js';

describe('planPoll', () => {
  it('only remembers the heads on first sight', () => {
    expect(planPoll({}, { main: 'a', dev: 'b' }, false)).toEqual({
      moved: [],
      gone: [],
      remembered: [
        { branch: 'dev', from: null, to: 'b' },
        { branch: 'main', from: null, to: 'a' },
      ],
    });
  });

  it('builds them on first sight where wanted', () => {
    expect(planPoll({}, { main: 'a' }, true).moved).toEqual([{ branch: 'main', from: null, to: 'a' }]);
  });

  it('takes in moved and new branches, forgets those that are gone, leaves the rest alone', () => {
    expect(planPoll({ main: 'a', old: 'x', same: 's' }, { main: 'b', same: 's', fresh: 'n' }, false)).toEqual({
      moved: [
        { branch: 'fresh', from: null, to: 'n' },
        { branch: 'main', from: 'a', to: 'b' },
      ],
      gone: ['old'],
      remembered: [],
    });
  });
});
