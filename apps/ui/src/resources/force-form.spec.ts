import { describe, expect, it } from '@jest/globals';
import type { CompiledForceScheduler, ForceField } from '@millrace/contracts';
import type { JsonValue } from '@millrace/domain';
import { readForm } from './force-form.js';

const field = (type: ForceField['type'], name: string, rest: Partial<ForceField> = {}): ForceField => ({
  ...{ type, name, label: name, tooltip: '', default: '', required: false, hide: false, regex: null, maxsize: null },
  ...rest,
});

const form = (fields: readonly ForceField[], rest: Partial<CompiledForceScheduler> = {}): CompiledForceScheduler => ({
  ...{ kind: 'force', name: 'f', builders: ['b'], reason: '', properties: {}, priority: 0 },
  ...{ label: 'f', buttonName: 'f', codebases: [], fields },
  username: field('username', 'username'),
  reasonField: field('text', 'reason'),
  priorityField: field('int', 'priority', { default: 0 }),
  ...rest,
});

const group = (name: string, fields: readonly ForceField[], rest: Partial<ForceField> = {}): ForceField =>
  field('nested', name, { fields, ...rest });
const options = group('options', [
  field('text', 'url'),
  field('bool', 'clean', { default: false }),
  group('', [field('int', 'jobs', { default: 2, min: 1, max: 8 })]),
  group('deep', [field('text', 'x')]),
]);
const property = (name: string): ForceField =>
  group(name, [field('text', 'name'), field('text', 'value')], { isAnyProperty: true });

type Posted = Readonly<Record<string, JsonValue>>;

/** Returns the values of the properties that come from the form's own fields. */
function propertiesOf(scheduler: CompiledForceScheduler, posted: Posted): Record<string, unknown> {
  const outcome = readForm(scheduler, posted);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  const { owner: _1, owners: _2, reason: _3, scheduler: _4, ...own } = outcome.order.properties;
  return Object.fromEntries(Object.entries(own).map(([name, [value]]) => [name, value]));
}

describe('the values of a form', () => {
  it.each<[string, ForceField[], Posted, Record<string, unknown>]>([
    [
      'a group is one property, and one without a name is none',
      [options],
      { options_url: 'u', options_clean: true, options_jobs: '4', options_deep_x: 'y', options: 'not read', jobs: 8 },
      { options: { url: 'u', clean: true, jobs: 4, deep: { x: 'y' } } },
    ],
    ['defaults', [options], {}, { options: { url: '', clean: false, jobs: 2, deep: { x: '' } } }],
    ['fields of a group without a name', [group('', [field('text', 'a')])], { a: '1' }, { a: '1' }],
    ['a property of any name', [property('p')], { p_name: ' level ', p_value: 'full' }, { level: 'full' }],
    ['a fixed value of any type', [field('fixed', 'x', { default: { a: [1] } })], { x: 'y' }, { x: { a: [1] } }],
    ['no property of any name', [property('p')], { p_value: 'full' }, {}],
    ['a file as it is', [field('file', 'f')], { f: ' a\n\n' }, { f: ' a\n\n' }],
    [
      'a worker, and any',
      [field('list', 'w', { choices: ['w1'], strict: true }), field('list', 'v', { choices: ['w1'], strict: true })],
      { w: 'w1' },
      { w: 'w1', v: '' },
    ],
    [
      'a name of a user',
      [field('username', 'u', { needEmail: true })],
      { u: 'Ada <a@b.example>' },
      { u: 'Ada <a@b.example>' },
    ],
    ['no name of a user', [field('username', 'u', { needEmail: true })], {}, { u: '' }],
  ])('are: %s', (_name, fields, posted, expected) => {
    expect(propertiesOf(form(fields), posted)).toEqual(expected);
  });

  it.each<[string, ForceField[], Posted, Record<string, string>]>([
    [
      'each field that is wrong, at any depth',
      [options, field('file', 'f', { maxsize: 3 }), field('text', 't', { required: true })],
      { options_url: ['x'], options_jobs: 9, options_deep_x: {}, f: 'abcd' },
      {
        options_url: "'url' has to be a text",
        options_jobs: "'jobs': 9 is more than 8",
        options_deep_x: "'x' has to be a text",
        f: "'f' is longer than 3 characters",
        t: "'t' needs to be specified",
      },
    ],
    ['too small', [options], { options_jobs: '0' }, { options_jobs: "'jobs': 0 is less than 1" }],
    ['a file that is none', [field('file', 'f')], { f: 7 }, { f: "'f' has to be a text" }],
    [
      'no address',
      [field('username', 'u', { needEmail: true })],
      { u: 'Ada' },
      { u: "'u' needs an e-mail address: User <user@example.org>" },
    ],
    [
      'a worker of other builders',
      [field('list', 'w', { choices: ['w1'], strict: true })],
      { w: 'w2' },
      { w: "'w2' does not belong to the list of available choices: w1" },
    ],
  ])('are refused: %s', (_name, fields, posted, problems) => {
    expect(readForm(form(fields), posted)).toEqual({ ok: false, problems });
  });

  it('keep what the configuration has fixed of user name, reason and priority', () => {
    const fixed = (name: string, byDefault: JsonValue): ForceField => field('fixed', name, { default: byDefault });
    const scheduler = form([], {
      username: fixed('username', 'release team'),
      reasonField: fixed('reason', 'release'),
      priorityField: fixed('priority', 7),
    });
    const posted = { username: 'me', reason: 'because', priority: 1 };
    expect(readForm(scheduler, posted)).toMatchObject({
      ok: true,
      order: { owner: 'release team', reason: 'release', priority: 7 },
    });
  });
});

describe('a patch', () => {
  const patch = group('patch', [
    field('file', 'body', { maxsize: 100_000 }),
    field('int', 'level', { default: 1, min: 0, max: 20 }),
    ...['author', 'comment', 'subdir'].map((name) => field('text', name)),
  ]);
  const open = (name: string) => field('text', name);
  const codebase = (name: string): CompiledForceScheduler['codebases'][number] => ({
    codebase: name,
    ...{ branch: open('branch'), revision: open('revision'), repository: open('repository'), project: open('project') },
    patch,
  });
  const read = (posted: Posted, names = ['']) => readForm(form([], { codebases: names.map(codebase) }), posted);
  const stampsOf = (outcome: ReturnType<typeof readForm>) => (outcome.ok ? outcome.order.sourceStamps : outcome);

  it('belongs to the source stamp of its codebase, and is no property', () => {
    const body = `${' '.repeat(70_000)}x\n`;
    const posted = { app_branch: 'main', app_patch_body: body, app_patch_author: 'Ada', app_patch_subdir: 'src' };
    const outcome = read({ ...posted, app_patch_level: '0' }, ['app', 'lib']);
    expect(stampsOf(outcome)).toEqual([
      {
        ...{ codebase: 'app', branch: 'main', revision: null, repository: '', project: '' },
        patch: { body, level: 0, author: 'Ada', comment: '', subdir: 'src' },
      },
      { codebase: 'lib', branch: null, revision: null, repository: '', project: '' },
    ]);
    expect(outcome.ok && Object.keys(outcome.order.properties)).toEqual(['scheduler', 'owner', 'owners', 'reason']);
  });

  it('is none without a text', () => {
    expect(stampsOf(read({ patch_body: ' \n', patch_author: 'Ada' }))).toEqual([
      { codebase: '', branch: null, revision: null, repository: '', project: '' },
    ]);
  });

  it.each<[Posted, string, string]>([
    [{ app_patch_body: 'x', app_patch_subdir: '../..' }, 'app_patch_subdir', "the patch's subdir has to be a folder"],
    [{ app_patch_body: 'x', app_patch_level: 21 }, 'app_patch_level', "'level': 21 is more than 20"],
    [{ app_patch_body: 'x'.repeat(100_001) }, 'app_patch_body', "'body' is longer than 100000 characters"],
    [{ app_patch_body: ['x'] }, 'app_patch_body', "'body' has to be a text"],
  ])('is refused: %j', (posted, name, problem) => {
    const outcome = read(posted, ['app']);
    expect(outcome.ok ? {} : outcome.problems).toEqual({ [name]: expect.stringContaining(problem) });
  });
});
