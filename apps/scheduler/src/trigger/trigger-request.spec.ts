import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UserError } from '@millrace/domain';
import { readTrigger } from './trigger-request.js';

const brackets = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const withStamp = (stamp: unknown): object => ({ scheduler: 't', sourceStamp: stamp });
const withStamps = (stamps: unknown): object => ({ scheduler: 't', sourceStamps: stamps });
const withProperties = (properties: unknown): object => ({ scheduler: 't', properties });

describe('readTrigger', () => {
  it('reads every field that a body may have', () => {
    const body = {
      scheduler: 't',
      builders: ['a', 'b'],
      sourceStamp: { branch: 'main', revision: 'r', repository: 'https://example.org/r', project: 'p', codebase: 'c' },
      properties: { nightly: true, deep: { a: [1] } },
      reason: 'why',
      priority: -3,
    };
    expect(readTrigger(JSON.stringify(body))).toEqual(body);
  });

  it('reads a source stamp of each codebase', () => {
    const body = withStamps([
      { branch: 'main', codebase: 'app' },
      { codebase: 'lib', revision: 'r' },
    ]);
    expect(readTrigger(JSON.stringify(body))).toEqual(body);
  });

  it('takes null as a missing value', () => {
    const body = { scheduler: 't', builders: null, sourceStamp: null, properties: null, reason: null, priority: null };
    expect(readTrigger(JSON.stringify(body))).toMatchObject({ scheduler: 't' });
  });

  it.each<[unknown, RegExp]>([
    ['', /not JSON/],
    ['{"scheduler":', /not JSON/],
    ['[]', /^the body has to be an object/],
    ['"t"', /^the body has to be an object/],
    ['null', /^the body has to be an object/],
    ['{}', /scheduler must be a string/],
    [{ scheduler: ['t'] }, /scheduler must be a string/],
    [{ scheduler: 't', extra: 1 }, /^extra should not exist/],
    ['{"scheduler":"t","__proto__":{"a":1}}', /^__proto__ should not exist/],
    [{ scheduler: 't', constructor: 1 }, /^constructor should not exist/],
    [withStamp([{ branch: 'main' }]), /^sourceStamp has to be an object/],
    [withStamp('main'), /^sourceStamp has to be an object/],
    [withStamp({ nope: 1 }), /^sourceStamp\.nope should not exist/],
    [withStamp({ branch: { a: 1 } }), /sourceStamp\.branch must be a string/],
    [withStamp({ branch: ['main'] }), /sourceStamp\.branch must be a string/],
    [withStamp({ revision: 'r'.repeat(191) }), /sourceStamp\.revision must be shorter/],
    [withStamp({ repository: 'r'.repeat(2001) }), /sourceStamp\.repository must be shorter/],
    [withStamps({ branch: 'main' }), /^sourceStamps has to be a list/],
    [withStamps([]), /sourceStamps must contain at least 1/],
    [withStamps(['main']), /^sourceStamps\[0\] has to be an object/],
    [withStamps([{}, { nope: 1 }]), /^sourceStamps\[1\]\.nope should not exist/],
    [withStamps([{ branch: 1 }]), /sourceStamps\.0\.branch must be a string/],
    [withStamps(Array(51).fill({})), /^sourceStamps has 51 members: expected at most 50/],
    [{ ...withStamp({}), ...withStamps([{}]) }, /^sourceStamp is given beside sourceStamps/],
    [{ scheduler: 't', builders: { 0: 'a' } }, /builders must be an array/],
    [{ scheduler: 't', builders: 'a' }, /builders must be an array/],
    [{ scheduler: 't', builders: [['a']] }, /each value in builders must be a string/],
    [{ scheduler: 't', builders: Array<string>(1001).fill('a') }, /builders must contain no more than 1000/],
    [withProperties([]), /^properties has to be an object/],
    [withProperties('x'), /^properties has to be an object/],
    [withProperties({ a: 'x'.repeat(70_000) }), /^properties\.a /],
    ['{"scheduler":"t","properties":{"__proto__":1}}', /no name of a property/],
    [{ scheduler: 't', reason: { a: 1 } }, /reason must be a string/],
    [{ scheduler: 't', reason: 'x'.repeat(10_001) }, /reason must be shorter/],
    [{ scheduler: 't', priority: 1e300 }, /priority must/],
    [{ scheduler: 't', priority: '1' }, /priority must be an integer/],
    [{ scheduler: 't', priority: [1] }, /priority must be an integer/],
    [`{"scheduler":"t","properties":{"a":${brackets(30_000)}}}`, /nested more than 18 deep/],
    [`{"scheduler":${brackets(30_000)}}`, /nested more than 18 deep/],
    ['x'.repeat((1 << 20) + 1), /longer than/],
  ])('refuses %#', (body, problem) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    expect(() => readTrigger(text)).toThrow(problem);
    expect(() => readTrigger(text)).toThrow(UserError);
  });

  it.each([
    ['unknown names', (count: number) => `{${'"k":1,'.repeat(count)}"x":1}`],
    ['different unknown names', (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join()}}`],
    [
      'properties',
      (count: number) =>
        `{"scheduler":"t","properties":{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join()}}}`,
    ],
    ['builders', (count: number) => `{"scheduler":"t","builders":[${'[],'.repeat(count)}1]}`],
  ])('refuses 9,000 and 125,000 %s at once', (_what, make) => {
    for (const count of [9_000, 125_000]) {
      const startedAt = performance.now();
      expect(() => readTrigger(make(count))).toThrow(UserError);
      // With quadratic time it would take minutes.
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    }
  });

  it('answers any body with a request or a UserError', () => {
    const field = fc.constantFrom(
      'scheduler',
      'builders',
      'sourceStamp',
      'sourceStamps',
      'properties',
      'reason',
      'priority',
      'branch',
      'x',
    );
    fc.assert(
      fc.property(fc.dictionary(field, fc.jsonValue({ maxDepth: 3 })), fc.string(), (body, text) => {
        for (const input of [JSON.stringify(body), text]) {
          try {
            expect(typeof readTrigger(input).scheduler).toBe('string');
          } catch (error) {
            expect(error).toBeInstanceOf(UserError);
          }
        }
      }),
    );
  });
});
