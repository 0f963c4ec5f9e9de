import { describe, expect, it } from '@jest/globals';
import type { ForceFieldResource, ForceSchedulerResource } from '@millrace/contracts';
import { forceOrder, type ForceWishes } from './force-order.js';

describe('the form that the command line fills in', () => {
  const field = (fullName: string, more: Partial<ForceFieldResource> = {}): ForceFieldResource => ({
    autopopulate: null,
    default: '',
    fullName,
    hide: false,
    label: fullName,
    maxsize: null,
    multiple: false,
    name: fullName.split('_').at(-1)!,
    regex: null,
    required: false,
    tablabel: fullName,
    tooltip: '',
    type: 'text',
    ...more,
  });
  const group = (name: string, fields: readonly ForceFieldResource[]): ForceFieldResource =>
    field(name, { name, type: 'nested', fields });
  const codebase = (name: string, takesPatch: boolean): ForceFieldResource => {
    const prefix = name === '' ? '' : `${name}_`;
    const inner = ['body', 'level', 'author', 'comment', 'subdir'].map((one) => field(`${prefix}patch_${one}`));
    return group(name, [
      ...['branch', 'project', 'repository'].map((one) => field(prefix + one)),
      field(`${prefix}revision`, name === 'lib' ? { type: 'fixed' } : {}),
      ...(takesPatch ? [group('patch', inner)] : []),
    ]);
  };
  const form = (name: string, ...others: readonly ForceFieldResource[]): ForceSchedulerResource => ({
    all_fields: [group('', [field('username'), field('reason'), field('priority')]), ...others],
    builder_names: ['check'],
    button_name: name,
    enabled: true,
    label: name,
    name,
  });
  const plain = form('plain', codebase('', false));
  const patched = form('try', codebase('', true));
  const several = form('several', codebase('app', true), codebase('lib', false));
  const asking = form(
    'asking',
    group('', [
      field('fast', { type: 'bool' }),
      field('targets', { type: 'list', multiple: true }),
      group('options', [field('options_jobs')]),
      group('free', [field('free_name', { name: 'name' }), field('free_value', { name: 'value' })]),
    ]),
  );
  const patch = { body: '+x', level: 1, author: 'ann', comment: '', subdir: '' };
  const asked = (wishes: Partial<ForceWishes>): ForceWishes => ({ builder: 'check', properties: {}, ...wishes });

  it.each<[string, ForceSchedulerResource[], Partial<ForceWishes>, string, object]>([
    ['nothing but the builder', [plain], {}, 'plain', {}],
    ['a branch and a reason', [plain], { branch: 'b', reason: 'r' }, 'plain', { branch: 'b', reason: 'r' }],
    ['the form that is named', [plain, patched], { scheduler: 'plain' }, 'plain', {}],
    [
      'the only form that takes a patch',
      [plain, patched],
      { patch, revision: 'f00d' },
      'try',
      {
        revision: 'f00d',
        ...{ patch_body: '+x', patch_level: 1, patch_author: 'ann', patch_comment: '', patch_subdir: '' },
      },
    ],
    [
      'the only codebase that takes a patch',
      [several],
      { patch, branch: 'b' },
      'several',
      {
        app_branch: 'b',
        ...{ app_patch_body: '+x', app_patch_level: 1, app_patch_author: 'ann' },
        ...{ app_patch_comment: '', app_patch_subdir: '' },
      },
    ],
    ['the codebase that is named', [several], { codebase: 'lib', branch: 'b' }, 'several', { lib_branch: 'b' }],
    [
      'fields by their full names, as their kinds want them',
      [asking],
      { properties: { fast: 'true', targets: 'a,b', options_jobs: '3' } },
      'asking',
      { fast: true, targets: ['a', 'b'], options_jobs: '3' },
    ],
    [
      'a property of any name',
      [asking],
      { properties: { colour: 'red' } },
      'asking',
      { free_name: 'colour', free_value: 'red' },
    ],
  ])('has %s', (_what, forms, wishes, scheduler, params) =>
    expect(forceOrder(forms, asked(wishes))).toEqual({ scheduler, params: { builderNames: ['check'], ...params } }),
  );

  it.each<[string, ForceSchedulerResource[], Partial<ForceWishes>, string]>([
    ['no form', [], {}, "no form starts 'check'"],
    ['no form of that name', [plain], { scheduler: 'x' }, "no form 'x' starts 'check': there are plain"],
    ['several forms', [plain, patched], {}, 'choose one with --scheduler: plain, try'],
    [
      'a patch where none is taken',
      [plain],
      { patch },
      'takes a patch (plain): its configuration needs a codebase with',
    ],
    ['several codebases', [several], { branch: 'b' }, "choose one with --codebase: 'app', 'lib'"],
    ['an unknown codebase', [several], { codebase: 'x' }, "has no codebase 'x': it has 'app', 'lib'"],
    ['a codebase without a patch', [several], { codebase: 'lib', patch }, "codebase 'lib' of the form"],
    ['no sources', [asking], { branch: 'b' }, "the form 'asking' asks for no sources"],
    ['a fixed value', [several], { codebase: 'lib', revision: 'r' }, 'does not ask for the revision'],
    ['an unknown field', [plain], { properties: { a: '1' } }, "has no field 'a': it asks for no properties"],
    [
      'more free properties than the form takes',
      [asking],
      { properties: { a: '1', b: '2' } },
      "has no field 'b': it asks for fast, targets, options_jobs",
    ],
  ])('is refused for %s', (_what, forms, wishes, message) =>
    expect(() => forceOrder(forms, asked(wishes))).toThrow(message),
  );
});
