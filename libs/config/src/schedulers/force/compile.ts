import type { CompiledForceCodebase, CompiledForceForm, ForceField } from '@millrace/contracts';
import {
  compilePattern,
  type JsonValue,
  messageOf,
  PATCH_LIMITS,
  secretInAddress,
  SOURCE_STAMP_LIMITS,
} from '@millrace/domain';
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
      ...compilePatch(codebase),
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
  const asked = compileFields(reader, 0);
  const taken = new Set([
    ...['username', 'reason', 'priority', 'builderid', 'builderNames'],
    ...codebases.flatMap(({ codebase, patch }) => {
      const keys = ['branch', 'revision', 'repository', 'project'];
      const ofPatch = patch?.fields?.map(({ name }) => `${patch.name}_${name}`) ?? [];
      return [...keys, ...ofPatch].map((key) => (codebase === '' ? key : `${codebase}_${key}`));
    }),
  ]);
  checkNames(reader, asked, taken);
  return {
    label: reader.text('label', { default: name }),
    buttonName: reader.text('buttonName', { default: reader.text('label', { default: name }) }),
    username: compileOwn(reader, 'username', 'username', {
      key: 'username',
      field: field('username', 'username', '', { label: 'your name:', size: 30 }),
    }),
    reasonField: compileOwn(reader, 'reasonField', 'text', {
      key: 'reason',
      field: field('text', 'reason', 'force build', { label: 'reason:', size: 20 }),
    }),
    priorityField: compileOwn(reader, 'priorityField', 'int', {
      key: 'priority',
      field: field('int', 'priority', 0, { size: 10 }),
    }),
    codebases,
    fields: asked,
  };
}

/** Deepest nesting of groups. */
const MOST_DEPTH = 5;

function compileFields(reader: ObjectReader, depth: number): ForceField[] {
  return reader.list('fields', (item, path) =>
    compileField(new ObjectReader(item, path, reader.into, reader.where), { depth }),
  );
}

/** Checks that each value has a full name of its own, and that no two fields are the same property. */
function checkNames(reader: ObjectReader, fields: readonly ForceField[], taken: Set<string>): void {
  const properties = new Set<string>();
  const check = (of: readonly ForceField[], path: string, prefix: string): void =>
    of.forEach((one, index) => {
      const at = `${path}[${index}]`;
      const fullName = prefix + one.name;
      const isProperty = prefix === '' && one.name !== '';
      if (one.name !== '' && (taken.has(fullName) || (isProperty && properties.has(one.name))))
        reader.into.add(`${at}.name`, one.name, 'a name that the form does not have yet', reader.where);
      if (isProperty) properties.add(one.name);
      if (!one.fields) taken.add(fullName);
      else check(one.fields, `${at}.fields`, one.name === '' ? prefix : `${fullName}_`);
    });
  check(fields, reader.at('fields'), '');
}

/** Compiles one of the fields that every form has. The configuration may change it, or give its value. */
function compileOwn(
  reader: ObjectReader,
  option: string,
  type: 'username' | 'text' | 'int',
  own: { readonly key: string; readonly field: ForceField },
): ForceField {
  const value = reader.raw(option);
  if (value === undefined) return own.field;
  if (typeof value === (type === 'int' ? 'number' : 'string'))
    return { ...own.field, type: 'fixed', default: value as JsonValue, hide: true };
  if (typeof value !== 'object' || value === null) {
    reader.problem(option, `the options of the field, or its value`);
    return own.field;
  }
  const { label, default: byDefault, size } = own.field;
  return compileField(
    new ObjectReader(
      { label, default: byDefault, size, ...value, type, name: own.key },
      reader.at(option),
      reader.into,
      reader.where,
    ),
    { givenName: own.key, depth: 0 },
  );
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
  const compiled = compileField(new ObjectReader(value, codebase.at(key), codebase.into, codebase.where), {
    givenName: key,
    depth: 0,
  });
  if (compiled.fields) codebase.problem(key, 'one field');
  for (const text of [compiled.default, ...(compiled.choices ?? [])]) checkAddress(codebase, key, text);
  return compiled;
}

/** Compiles the fields of a patch, if there may be one. */
function compilePatch(codebase: ObjectReader): Pick<CompiledForceCodebase, 'patch'> {
  const given = codebase.raw('patch');
  if (given === undefined || given === false) return {};
  const value = given === true ? {} : given;
  const reader = new ObjectReader(value, codebase.at('patch'), codebase.into, codebase.where);
  const { bodyCharacters, level, authorCharacters, commentCharacters, subdirCharacters } = PATCH_LIMITS;
  const patch = field('nested', 'patch', '', {
    label: reader.text('label', { default: 'patch', ...ANY_TEXT }),
    layout: 'vertical',
    columns: 1,
    fields: [
      field('file', 'body', '', {
        required: reader.boolean('required', false),
        maxsize: reader.number('maxsize', { default: bodyCharacters, min: 1, max: bodyCharacters, integer: true }),
      }),
      field('int', 'level', 1, { size: 10, min: 0, max: level }),
      field('text', 'author', '', { size: 30, maxsize: authorCharacters }),
      field('text', 'comment', '', { size: 30, maxsize: commentCharacters }),
      field('text', 'subdir', '.', { size: 30, maxsize: subdirCharacters }),
    ],
  });
  reader.done();
  return { patch };
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

const FIELD_TYPES = [
  ...(['text', 'textarea', 'int', 'bool', 'list', 'fixed'] as const),
  ...(['username', 'file', 'nested', 'any-property', 'worker'] as const),
] as const;
type FieldType = (typeof FIELD_TYPES)[number];

/** The types of controls that stand for those of the configuration. */
const CONTROLS: Readonly<Partial<Record<FieldType, ForceField['type']>>> = {
  'any-property': 'nested',
  worker: 'list',
};

function compileField(reader: ObjectReader, { givenName, depth }: { givenName?: string; depth: number }): ForceField {
  const type = reader.oneOf('type', FIELD_TYPES);
  const ownName = reader.text('name', {
    ...(givenName === undefined ? {} : { default: givenName }),
    accepts: (text) => /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text) || (type === 'nested' && text === ''),
    expected: 'a name of letters, digits, dots, dashes and underscores',
  });
  const name = givenName ?? ownName;
  const label = reader.text('label', { default: name, ...ANY_TEXT });
  const common = {
    label,
    ...(reader.has('tablabel') && { tablabel: reader.text('tablabel', { default: label, ...ANY_TEXT }) }),
    ...(type !== 'nested' && {
      tooltip: reader.text('tooltip', { default: '', ...ANY_TEXT }),
      required: reader.boolean('required', false),
      hide: reader.boolean('hide', type === 'fixed'),
    }),
  };
  const compiled = field((CONTROLS[type] ?? type) as ForceField['type'], name, '', {
    ...common,
    ...compileFieldType(type, reader, depth),
  });
  reader.done();
  return compiled;
}

function compileFieldType(type: FieldType, reader: ObjectReader, depth: number): Partial<ForceField> {
  const size = (byDefault: number): number => reader.number('size', { default: byDefault, min: 1, integer: true });
  switch (type) {
    case 'text':
    case 'textarea':
      return {
        default: reader.text('default', { default: '', ...ANY_TEXT }),
        regex: compileRegex(reader),
        maxsize: reader.number('maxsize', { default: null, min: 1, integer: true }),
        size: size(10),
        ...(type === 'textarea' && {
          rows: reader.number('rows', { default: 8, min: 1, integer: true }),
          cols: reader.number('cols', { default: 80, min: 1, integer: true }),
        }),
      };
    case 'int':
      return compileInt(reader, size(10));
    case 'bool':
      return { default: reader.boolean('default', false) };
    case 'list':
      return compileChoice(reader);
    case 'username':
      return {
        default: reader.text('default', { default: '', ...ANY_TEXT }),
        size: size(30),
        needEmail: reader.boolean('needEmail', false),
      };
    case 'file':
      return { maxsize: reader.number('maxsize', { default: null, min: 1, integer: true }) };
    case 'nested': {
      if (depth >= MOST_DEPTH) reader.problem('fields', `groups at most ${MOST_DEPTH} deep`);
      return {
        layout: reader.oneOf('layout', ['simple', 'vertical', 'tabs'] as const, 'vertical'),
        columns: reader.number('columns', { default: 1, min: 1, max: 4, integer: true }),
        fields: depth >= MOST_DEPTH ? [] : compileFields(reader, depth + 1),
      };
    }
    case 'any-property':
      return {
        isAnyProperty: true,
        layout: 'vertical',
        columns: 1,
        fields: [
          field('text', 'name', '', { label: 'Name:', size: 10 }),
          field('text', 'value', '', { label: 'Value:', size: 10 }),
        ],
      };
    case 'worker':
      return { of: 'workers', choices: [], strict: true, multiple: false };
    case 'fixed': {
      const value = reader.raw('default');
      if (!isJson(value)) reader.problem('default', 'a value that JSON can hold');
      return { default: isJson(value) ? value : null };
    }
  }
}

function compileInt(reader: ObjectReader, size: number): Partial<ForceField> {
  const bound = (key: string): number | null => reader.number(key, { default: null, integer: true });
  const [min, max] = [bound('min'), bound('max')];
  if (min !== null && max !== null && min > max) reader.problem('max', `at least ${min}`);
  const range = { ...(min !== null && { min }), ...(max !== null && { max }) };
  const nearest = Math.min(Math.max(0, min ?? 0), max ?? Infinity);
  return { default: reader.number('default', { default: nearest, integer: true, ...range }), size, ...range };
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
  return {
    ...{ choices, multiple, strict, default: multiple ? texts : (texts[0] ?? choices[0] ?? '') },
    ...(reader.has('autopopulate') && { autopopulate: compileAutopopulate(reader, choices) }),
  };
}

function compileAutopopulate(
  reader: ObjectReader,
  choices: readonly string[],
): Readonly<Record<string, Readonly<Record<string, JsonValue>>>> {
  const isRecord = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && isJson(value);
  const given = reader.record<Record<string, JsonValue>>(
    'autopopulate',
    isRecord,
    'values by the full name of a field',
  );
  for (const choice of Object.keys(given))
    if (!choices.includes(choice))
      reader.into.add(reader.at('autopopulate'), choice, 'one of the choices', reader.where);
  return given;
}
