import { describe, expect, it } from '@jest/globals';
import type { CompiledConfig, CompiledWww } from '@millrace/contracts';
import type { Person } from '@millrace/domain';
import { ConfigSight } from './config-sight.js';

const config = (visibleTo: readonly string[] | undefined, www: CompiledWww = {}): CompiledConfig =>
  ({
    projects: [
      { name: 'open', description: null },
      { name: 'secret', description: null, ...(visibleTo && { visibleTo }) },
    ],
    builders: [
      { name: 'loose', project: null },
      { name: 'open-tests', project: 'open' },
      { name: 'secret-tests', project: 'secret' },
    ],
    schedulers: [],
    changeSources: [],
    hooks: [],
    www: { authz: { roles: [{ from: 'groups', prefix: '' }], rules: [], otherwise: 'allow' }, ...www },
  }) as unknown as CompiledConfig;
const person = (...groups: string[]): Person => ({ username: 'ann', email: null, groups });
const ALL = ['loose', 'open-tests', 'secret-tests'];

describe('ConfigSight', () => {
  it.each<[string, CompiledConfig, Person | null, readonly string[]]>([
    ['everything where nothing is hidden', config(undefined), null, ALL],
    ['what is open, to a stranger', config(['staff']), null, ['loose', 'open-tests']],
    ['what is open, to others', config(['staff']), person('guests'), ['loose', 'open-tests']],
    ['everything, to whoever has the role', config(['staff']), person('staff'), ALL],
    ['a project by a pattern', config(['st*']), person('staff'), ALL],
    ['nothing by default', config(undefined, { defaultVisibility: [] }), person(), []],
    ['what is visible by name only', config(['staff'], { defaultVisibility: [] }), person('staff'), ['secret-tests']],
    ['the default of those signed in', config(['staff'], { defaultVisibility: ['signed-in'] }), null, []],
  ])('shows %s', (_what, some, who, expected) => {
    const sight = new ConfigSight(some).of(who);
    expect(ALL.filter((name) => sight?.seesBuilderNamed(name) ?? true)).toEqual(expected);
  });
});
