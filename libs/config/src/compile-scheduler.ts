import {
  type CompiledForceCodebase,
  type CompiledScheduler,
  type ForceField,
  PRIORITY_LIMIT,
} from '@millrace/contracts';
import {
  type ChangeFilter,
  compilePattern,
  FILTERED_ATTRIBUTES,
  type JsonValue,
  messageOf,
  secretInAddress,
  SOURCE_STAMP_LIMITS,
  type ValueMatch,
} from '@millrace/domain';
import type { CallbackTable } from './callback-table.js';
import { isJson, ObjectReader, references } from './object-reader.js';

const KINDS = ['any-branch', 'single-branch', 'force', 'trigger'] as const;
/** Node's timers hold 24 days. */
export const TIMER_MAX_SECONDS = 1_000_000;
/** For an expression in a thread of its own. */
const REGEX_TIMEOUT_MS = 2_000;
const ANY_TEXT = { accepts: () => true, expected: 'a string' };
/** What the database has room for: a branch's changes carry all of these. */
export const SHORT = { accepts: (text: string) => text.length <= 190, expected: 'a string of at most 190 characters' };

export function compileScheduler(
  reader: ObjectReader,
  builders: ReadonlySet<string>,
  callbacks: CallbackTable,
): CompiledScheduler {
  const kind = reader.oneOf('kind', KINDS);
  const names = reader.texts('builders', { required: true, expected: 'a list of builder names' });
  if (Array.isArray(reader.raw('builders')) && names.length === 0) reader.problem('builders', 'at least one builder');
  references(reader, 'builders', names, builders, 'builder');
  const common = {
    name: reader.text('name', {
      accepts: (text) => /^\S(.{0,48}\S)?$/.test(text),
      expected: 'a name of 1 to 50 characters',
    }),
    builders: [...new Set(names)],
    reason: reader.text('reason', { default: '', ...ANY_TEXT }),
    properties: reader.properties(),
    priority: reader.number('priority', { default: 0, min: -PRIORITY_LIMIT, max: PRIORITY_LIMIT, integer: true }),
  };
  const compiled = ((): CompiledScheduler => {
    switch (kind) {
      case 'any-branch':
      case 'single-branch':
        return { ...common, kind, ...compileOnChange(kind, reader, callbacks) };
      case 'force':
        return { ...common, kind, ...compileForce(reader, common.name) };
      case 'trigger':
        return { ...common, kind };
    }
  })();
  reader.done();
  return compiled;
}

function compileOnChange(kind: 'any-branch' | 'single-branch', reader: ObjectReader, callbacks: CallbackTable) {
  const treeStableSeconds = reader.number('treeStableSeconds', { default: null, min: 0, max: TIMER_MAX_SECONDS });
  const filter: { -readonly [K in keyof ChangeFilter]: ChangeFilter[K] } = compileFilter(reader, callbacks);
  if (kind === 'single-branch') {
    const branch = reader.raw('branch');
    if (branch !== null && (typeof branch !== 'string' || branch === '')) {
      reader.problem('branch', 'the name of a branch, or null for the default branch');
    } else if (filter.branch) {
      reader.problem(
        'branch',
        'one place that names the branch',
        `${reader.at('branch')} is given beside filter.branch`,
      );
    } else filter.branch = { kind: 'values', values: [branch] };
  }
  const isImportant = reader.callback('isImportant', 'a callback that gets the change');
  return {
    filter,
    treeStableMs: treeStableSeconds === null ? null : Math.round(treeStableSeconds * 1000),
    isImportant: isImportant ? callbacks.keep(reader.at('isImportant'), reader.raw('isImportant')) : null,
    onlyImportant: reader.boolean('onlyImportant', false),
  };
}

function compileFilter(scheduler: ObjectReader, callbacks: CallbackTable): ChangeFilter {
  if (!scheduler.has('filter')) return {};
  const reader = new ObjectReader(scheduler.raw('filter'), scheduler.at('filter'), scheduler.into, scheduler.where);
  const filter: Partial<Record<(typeof FILTERED_ATTRIBUTES)[number], ValueMatch>> = {};
  for (const attribute of FILTERED_ATTRIBUTES) {
    if (!reader.has(attribute)) continue;
    const match = compileMatch(reader, attribute, callbacks);
    if (match) filter[attribute] = match;
    else reader.problem(attribute, 'a string, a list of strings, an expression or a callback');
  }
  reader.done();
  return filter;
}

function compileMatch(reader: ObjectReader, attribute: string, callbacks: CallbackTable): ValueMatch | undefined {
  const value = reader.raw(attribute);
  const isValue = (item: unknown): item is string | null => item === null || typeof item === 'string';
  if (isValue(value)) return { kind: 'values', values: [value] };
  if (Array.isArray(value) && value.every(isValue)) return { kind: 'values', values: value };
  if (value instanceof RegExp) return compileFilterRegex(value, reader, attribute, callbacks);
  if (typeof value === 'function') return { kind: 'callback', handle: callbacks.keep(reader.at(attribute), value) };
  return undefined;
}

/** What takes linear time runs in the master; every other expression becomes a callback, which may run away in its own thread. */
function compileFilterRegex(
  regex: RegExp,
  reader: ObjectReader,
  attribute: string,
  callbacks: CallbackTable,
): ValueMatch {
  const { source, flags } = regex;
  const path = reader.at(attribute);
  try {
    compilePattern(source, flags);
    return { kind: 'regex', source, flags };
  } catch (error) {
    reader.into.note(path, `runs as a callback, which is slower: ${messageOf(error)}`, reader.where);
    const searching = new RegExp(source, flags.replace(/[gy]/g, ''));
    const matches = (value: string | null): boolean => value !== null && searching.test(value);
    return { kind: 'callback', handle: callbacks.keep(path, matches, String(regex)), timeoutMs: REGEX_TIMEOUT_MS };
  }
}

const field = (
  type: ForceField['type'],
  name: string,
  byDefault: JsonValue,
  rest: Partial<ForceField> = {},
): ForceField => ({
  type,
  name,
  label: name,
  tooltip: '',
  default: byDefault,
  required: false,
  hide: false,
  regex: null,
  maxsize: null,
  ...rest,
});

function compileForce(reader: ObjectReader, name: string) {
  const given = reader.list('codebases', (item, path) => {
    const codebase = new ObjectReader(item, path, reader.into, reader.where);
    const compiled: CompiledForceCodebase = {
      codebase: codebase.text('codebase', { default: '', ...SHORT }),
      branch: compileCodebaseField(codebase, 'branch'),
      revision: compileCodebaseField(codebase, 'revision'),
      repository: compileCodebaseField(codebase, 'repository'),
      project: compileCodebaseField(codebase, 'project'),
    };
    codebase.done();
    return compiled;
  });
  checkCodebases(reader, given);
  const open = (key: string) => field('text', key, '', { label: `${key}:`, size: 40 });
  const codebases = reader.has('codebases')
    ? given
    : [
        {
          codebase: '',
          branch: open('branch'),
          revision: open('revision'),
          repository: open('repository'),
          project: open('project'),
        },
      ];
  const asked = reader.list('fields', (item, path) =>
    compileField(new ObjectReader(item, path, reader.into, reader.where)),
  );
  const taken = new Set([
    ...['username', 'reason', 'priority', 'builderid', 'builderNames'],
    ...codebases.flatMap(({ codebase }) =>
      ['branch', 'revision', 'repository', 'project'].map((key) => (codebase === '' ? key : `${codebase}_${key}`)),
    ),
  ]);
  asked.forEach(({ name: fieldName }, index) => {
    if (taken.has(fieldName)) {
      reader.into.add(
        `${reader.at('fields')}[${index}].name`,
        fieldName,
        'a name that the form does not have yet',
        reader.where,
      );
    }
    taken.add(fieldName);
  });
  return {
    label: reader.text('label', { default: name }),
    buttonName: reader.text('buttonName', { default: reader.text('label', { default: name }) }),
    username: field('username', 'username', '', { label: 'your name:', size: 30 }),
    reasonField: field('text', 'reason', 'force build', { label: 'reason:', size: 20 }),
    priorityField: field('int', 'priority', 0, { size: 10 }),
    codebases,
    fields: asked,
  };
}

/** A build has one source stamp of each codebase. */
function checkCodebases(reader: ObjectReader, given: readonly CompiledForceCodebase[]): void {
  const { maxCount } = SOURCE_STAMP_LIMITS;
  if (given.length > maxCount) reader.problem('codebases', `at most ${maxCount} codebases`);
  const seen = new Set<string>();
  given.forEach(({ codebase }, index) => {
    const path = `${reader.at('codebases')}[${index}].codebase`;
    if (seen.has(codebase)) reader.into.add(path, codebase, 'another name than those before it', reader.where);
    seen.add(codebase);
  });
}

/** A string is fixed; missing is an open text field. */
function compileCodebaseField(codebase: ObjectReader, key: string): ForceField {
  const value = codebase.raw(key);
  if (value === undefined) return field('text', key, '', { label: `${key}:`, size: 40 });
  if (typeof value === 'string') {
    checkAddress(codebase, key, value);
    return field('fixed', key, value, { hide: true });
  }
  const compiled = compileField(new ObjectReader(value, codebase.at(key), codebase.into, codebase.where), key);
  for (const text of [compiled.default, ...(compiled.choices ?? [])]) checkAddress(codebase, key, text);
  return compiled;
}

/** Everybody who may see the form sees it. */
function checkAddress(codebase: ObjectReader, key: string, value: unknown): void {
  const secret = typeof value === 'string' && secretInAddress(value);
  if (!secret) return;
  const expected = 'an address without it; give credentials to the git step';
  codebase.into.add(
    codebase.at(key),
    undefined,
    expected,
    codebase.where,
    `${codebase.at(key)} holds ${secret}; expected ${expected}`,
  );
}

const FIELD_TYPES = ['text', 'textarea', 'int', 'bool', 'list', 'fixed'] as const;

function compileField(reader: ObjectReader, givenName?: string): ForceField {
  const type = reader.oneOf('type', FIELD_TYPES);
  const ownName = reader.text('name', {
    ...(givenName === undefined ? {} : { default: givenName }),
    accepts: (text) => /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text),
    expected: 'a name of letters, digits, dots, dashes and underscores',
  });
  const name = givenName ?? ownName;
  const common = {
    label: reader.text('label', { default: name, ...ANY_TEXT }),
    tooltip: reader.text('tooltip', { default: '', ...ANY_TEXT }),
    required: reader.boolean('required', false),
    hide: reader.boolean('hide', type === 'fixed'),
  };
  const compiled = field(type, name, '', { ...common, ...compileFieldType(type, reader) });
  reader.done();
  return compiled;
}

function compileFieldType(type: (typeof FIELD_TYPES)[number], reader: ObjectReader): Partial<ForceField> {
  switch (type) {
    case 'text':
    case 'textarea':
      return {
        default: reader.text('default', { default: '', ...ANY_TEXT }),
        regex: compileRegex(reader),
        maxsize: reader.number('maxsize', { default: null, min: 1, integer: true }),
        size: reader.number('size', { default: 10, min: 1, integer: true }),
        ...(type === 'textarea' && {
          rows: reader.number('rows', { default: 8, min: 1, integer: true }),
          cols: reader.number('cols', { default: 80, min: 1, integer: true }),
        }),
      };
    case 'int':
      return {
        default: reader.number('default', { default: 0, integer: true }),
        size: reader.number('size', { default: 10, min: 1, integer: true }),
      };
    case 'bool':
      return { default: reader.boolean('default', false) };
    case 'list':
      return compileChoice(reader);
    case 'fixed': {
      const value = reader.raw('default');
      if (!isJson(value)) reader.problem('default', 'a value that JSON can hold');
      return { default: isJson(value) ? value : null };
    }
  }
}

function compileRegex(reader: ObjectReader): string | null {
  const value = reader.raw('regex');
  if (value === undefined || value === null) return null;
  if (value instanceof RegExp) {
    // The form keeps the source alone.
    if (value.flags !== '') {
      reader.problem(
        'regex',
        'no flags',
        `${reader.at('regex')} is ${String(value)}; expected an expression without flags`,
      );
    }
    return checkedPattern(value.source, reader);
  }
  if (typeof value === 'string') {
    try {
      return checkedPattern(new RegExp(value).source, reader);
    } catch {
      // reported below, together with every other kind of value that is no expression
    }
  }
  reader.problem('regex', 'a regular expression');
  return null;
}

/** The form's server knows no callbacks, so what does not take linear time is a problem there. */
function checkedPattern(source: string, reader: ObjectReader): string | null {
  try {
    compilePattern(`^(?:${source})$`);
    return source;
  } catch (error) {
    const expected =
      'an expression without lookaround and references to groups; say the rest in a step, or offer choices';
    reader.problem('regex', expected, `${reader.at('regex')}: ${messageOf(error)}; expected ${expected}`);
    return null;
  }
}

function compileChoice(reader: ObjectReader): Partial<ForceField> {
  const choices = reader.texts('choices', { required: true });
  const multiple = reader.boolean('multiple', false);
  const strict = reader.boolean('strict', true);
  const given = reader.raw('default');
  const chosen = given === undefined ? [] : Array.isArray(given) ? given : [given];
  if (chosen.some((item) => typeof item !== 'string' || (strict && !choices.includes(item)))) {
    reader.problem('default', multiple ? 'a list of choices' : 'one of the choices');
  }
  const texts = chosen.filter((item): item is string => typeof item === 'string');
  return { choices, multiple, strict, default: multiple ? texts : (texts[0] ?? choices[0] ?? '') };
}
