import type { CompiledForceCodebase, CompiledForceForm, ForceField } from '@millrace/contracts';
import { compilePattern, type JsonValue, messageOf, secretInAddress, SOURCE_STAMP_LIMITS } from '@millrace/domain';
import { ANY_TEXT, isJson, ObjectReader, SHORT } from '../../object-reader.js';

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

export function compileForce(reader: ObjectReader, name: string): CompiledForceForm {
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

/** Checks that there is one source stamp per codebase. */
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

/** Compiles one field of a codebase. A string is a fixed value; a missing field is an open text field. */
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

/** Checks an address for secrets, because everybody who may see the form sees it. */
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
    // The form keeps only the source of an expression.
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
      // The check below reports it, together with every other value that is no expression.
    }
  }
  reader.problem('regex', 'a regular expression');
  return null;
}

/** Checks an expression. The form's server calls no callbacks, so an expression that does not take linear time is a problem. */
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
