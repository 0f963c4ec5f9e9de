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
