import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@millrace/domain';
import { EnableParams, type ParamsClass, PriorityParams, ReasonParams, validated } from './params.js';

describe('parameters of actions', () => {
  it.each<[ParamsClass<object>, Record<string, JsonValue>, object]>([
    [ReasonParams, {}, { reason: undefined }],
    [ReasonParams, { reason: null }, { reason: null }],
    [ReasonParams, { reason: 'x'.repeat(10_000) }, { reason: 'x'.repeat(10_000) }],
    [ReasonParams, { reason: 'x', owner: 'somebody', results: 2 }, { reason: 'x' }],
    [ReasonParams, JSON.parse('{"__proto__":{"reason":7},"constructor":1}'), { reason: undefined }],
    [PriorityParams, { priority: -1_000_000 }, { priority: -1_000_000 }],
    [EnableParams, { enabled: false }, { enabled: false }],
  ])('are those that it has: %p of %j', (Params, posted, expected) => {
    expect({ ...validated(Params, posted) }).toEqual(expected);
  });

  it.each<[ParamsClass<object>, Record<string, JsonValue>, string]>([
    [ReasonParams, { reason: {} }, 'reason is {}: expected a text of at most 10000 characters'],
    [ReasonParams, { reason: 'x'.repeat(10_001) }, 'expected a text of at most 10000 characters'],
    [PriorityParams, {}, 'priority is missing: expected a whole number from -1000000 to 1000000'],
    [PriorityParams, { priority: null }, 'priority is null'],
    [PriorityParams, { priority: 1.5 }, 'priority is 1.5'],
    [PriorityParams, { priority: 1e300 }, 'priority is 1e+300'],
    [PriorityParams, { priority: ['1'] }, 'priority is ["1"]'],
    [EnableParams, { enabled: 'false' }, 'enabled is "false": expected true or false'],
  ])('are refused by name and value: %p of %j', (Params, posted, problem) => {
    expect(() => validated(Params, posted)).toThrow(problem);
  });
});
