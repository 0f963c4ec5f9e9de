import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@millrace/domain';
import { BuildProperties } from './build-properties.js';
import { STEP_LIMITS } from './step-limits.js';

describe('BuildProperties', () => {
  it.each(['x', '__proto__', 'constructor', 'ä b', 'x'.repeat(STEP_LIMITS.propertyNameCharacters)])(
    'keeps a property called %s',
    (name) => {
      const properties = new BuildProperties({ greeting: ['hello', 'test'] });
      properties.set(name, 'value', 'step');
      expect(Object.entries(properties.current)).toEqual([
        ['greeting', ['hello', 'test']],
        [name, ['value', 'step']],
      ]);
      expect(Object.entries(properties.takeChanged()!)).toEqual([[name, ['value', 'step']]]);
      expect(properties.takeChanged()).toBeNull();
    },
  );

  it.each<[string, string, JsonValue]>([
    ['no name', '', 1],
    ['a name of another type', 3 as never, 1],
    ['a name with a line end', 'a\nb', 1],
    ['a long name', 'x'.repeat(STEP_LIMITS.propertyNameCharacters + 1), 1],
    ['a long value', 'x', 'x'.repeat(STEP_LIMITS.propertyCharacters + 1)],
  ])('refuses %s and sets nothing', (_what, name, value) => {
    const properties = new BuildProperties({});
    expect(() => properties.set(name, value, 's')).toThrow(/property/);
    expect(properties.current).toEqual({});
    expect(properties.takeChanged()).toBeNull();
  });
});
