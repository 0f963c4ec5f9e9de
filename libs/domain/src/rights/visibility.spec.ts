import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NO_PROJECT, type ProjectVisibility, visibleProjects } from './visibility.js';

const project = (id: number, visibleTo: readonly string[] | null): ProjectVisibility => ({
  id,
  name: `p${id}`,
  visibleTo,
});
const STRANGER = new Set(['anyone']);
const STAFF = new Set(['anyone', 'signed-in', 'staff']);

describe('visibleProjects', () => {
  it.each<[string, ProjectVisibility[], string[], Set<string>, number[] | null]>([
    ['everything without rules', [project(1, null)], ['anyone'], STRANGER, null],
    ['what is for everybody', [project(2, ['staff']), project(1, null)], ['anyone'], STRANGER, [NO_PROJECT, 1]],
    ['all that is for a role', [project(1, null), project(2, ['staff'])], ['anyone'], STAFF, null],
    ['nothing by a default', [project(1, null)], ['staff'], STRANGER, []],
    ['what is said to be for everybody', [project(1, null), project(2, ['anyone'])], ['staff'], STRANGER, [2]],
    ['everything by a default', [project(1, null)], ['staff'], STAFF, null],
    ['what a pattern of roles sees', [project(1, ['st*'])], ['signed-in'], STAFF, null],
    ['one of several roles', [project(1, ['boss', 'staff'])], ['nobody'], STAFF, [1]],
    ['nothing of a project for nobody', [project(1, [])], ['anyone'], STAFF, [NO_PROJECT]],
  ])('gives %s', (_name, projects, byDefault, roles, expected) => {
    expect(visibleProjects({ projects, byDefault }, roles)).toEqual(expected);
  });

  it('never takes something away for a further role', () => {
    const role = fc.constantFrom('anyone', 'signed-in', 'a', 'b');
    const visibleTo = fc.uniqueArray(fc.oneof(role, fc.constant('*')), { maxLength: 3 });
    const projects = fc
      .array(fc.option(visibleTo), { maxLength: 5 })
      .map((all) => all.map((one, index) => project(index + 1, one)));
    fc.assert(
      fc.property(projects, visibleTo, fc.array(role), role, (all, byDefault, roles, more) => {
        const policy = { projects: all, byDefault };
        const everything = [NO_PROJECT, ...all.map(({ id }) => id)];
        const before = visibleProjects(policy, new Set(roles)) ?? everything;
        const after = new Set(visibleProjects(policy, new Set([...roles, more])) ?? everything);
        expect(before.filter((id) => !after.has(id))).toEqual([]);
      }),
    );
  });
});
