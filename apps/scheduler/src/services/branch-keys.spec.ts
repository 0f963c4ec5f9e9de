import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@millrace/domain';
import { BranchKeys } from './branch-keys.js';

const source = { repository: '/repo', project: 'p', codebase: '' };
const at = (branch: string | null) => ({ branch, ...source });
const reviews = ['refs/changes/34/1234/1', 'refs/changes/34/1234/2', 'refs/changes/35/1235/1', 'main', null].map(
  (branch) => ({ branch }),
);

/** Keys by a callback of which every call is noted. */
function keysBy(callback: (branch: string | null) => JsonValue) {
  const asked: JsonValue[] = [];
  const keys = new BranchKeys('services.0.branchKey', ({ value }) => {
    asked.push(value);
    try {
      return Promise.resolve({ value: callback((value as { branch: string | null }).branch) });
    } catch (error) {
      return Promise.resolve({ failed: (error as Error).message });
    }
  });
  return { keys, asked };
}

describe('the same branch', () => {
  const withoutPatchSet = (branch: string | null) => branch?.replace(/^(refs\/changes\/.*)\/\d+$/, '$1') ?? null;

  it.each([
    ['refs/changes/34/1234/3', ['refs/changes/34/1234/1', 'refs/changes/34/1234/2']],
    ['refs/changes/35/1235/2', ['refs/changes/35/1235/1']],
    ['main', ['main']],
    ['other', []],
    [null, []],
  ])('as %s are, without their patch sets: %j', async (branch, expected) => {
    const { keys } = keysBy(withoutPatchSet);
    const same = await keys.ofSame(at(branch), reviews);
    expect(same.map((one) => one.branch)).toEqual(expected);
  });

  it('is asked for once for each branch, with all that a branch has', async () => {
    const { keys, asked } = keysBy(withoutPatchSet);
    await keys.ofSame(at('main'), reviews);
    await keys.ofSame(at('main'), reviews);
    expect(asked).toHaveLength(reviews.length);
    expect(asked[0]).toEqual(at('main'));
  });

  it('is not asked for when there is nothing to cancel', async () => {
    const { keys, asked } = keysBy(withoutPatchSet);
    expect(await keys.ofSame(at('main'), [])).toEqual([]);
    expect(asked).toEqual([]);
  });

  it.each<[string, (branch: string | null) => JsonValue, string]>([
    ['throws', () => raise('no such ref'), 'branchKey failed for the branch "main": no such ref'],
    ['returns a number', () => 7, 'it returned 7, which is neither text nor null'],
    ['returns nothing', () => undefined as never, 'it returned nothing, which is neither text nor null'],
  ])('is unknown when the callback %s', async (_what, callback, expected) => {
    const { keys } = keysBy(callback);
    await expect(keys.ofSame(at('main'), reviews)).rejects.toMatchObject({
      code: 'branch-key-failed',
      message: expect.stringContaining(expected) as unknown,
    });
  });
});

function raise(message: string): never {
  throw new Error(message);
}
