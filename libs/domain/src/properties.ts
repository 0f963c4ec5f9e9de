import { UserError } from './errors.js';
import { checkJsonLimits } from './json-limits.js';
import { printable } from './printable.js';
import { type SourceStamp, sourceStampOf } from './source-stamps.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Properties, each with its source: `name → [value, source]` (`docs/api.md#answers`). */
export type Properties = Readonly<Record<string, readonly [value: JsonValue, source: string]>>;

/** Limits of the properties in a request from outside. */
export const PROPERTY_LIMITS = {
  maxCount: 1_000,
  maxNameCharacters: 256,
  /** Longest value, as JSON. */
  maxValueCharacters: 64 << 10,
  maxDepth: 16,
} as const;

/**
 * Checks properties from outside, in time linear in their size.
 *
 * @param field names them in errors
 * @throws UserError `bad-properties` naming the property and what is allowed
 */
export function checkProperties(
  values: unknown,
  field = 'properties',
): asserts values is Readonly<Record<string, JsonValue>> {
  const { maxCount, maxNameCharacters, maxValueCharacters, maxDepth } = PROPERTY_LIMITS;
  const refuse = (name: string, problem: string): UserError =>
    new UserError('bad-properties', `${name} ${problem}`, { field: name });
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw refuse(field, 'has to be an object of names and values');
  const names = Object.keys(values);
  if (names.length > maxCount) throw refuse(field, `has ${names.length} members: expected at most ${maxCount}`);
  for (const name of names) {
    const full = `${field}.${printable(name, 100)}`;
    if (name === '' || name.length > maxNameCharacters)
      throw refuse(full, `has a name of ${name.length} characters: expected 1 to ${maxNameCharacters}`);
    // An object's own member of this name is lost when the object is copied.
    if (name === '__proto__') throw refuse(full, 'is no name of a property');
    const value = (values as Record<string, unknown>)[name];
    try {
      checkJsonLimits(value, { maxDepth, maxCharacters: maxValueCharacters }, full);
    } catch (cause) {
      if (!(cause instanceof UserError)) throw cause;
      throw new UserError('bad-properties', cause.message, { field: full }, { cause });
    }
    const characters = (JSON.stringify(value) as string | undefined)?.length ?? 0;
    if (characters > maxValueCharacters)
      throw refuse(full, `has ${characters} characters as JSON: expected at most ${maxValueCharacters}`);
  }
}

/** Merges sets of properties. Later sets win over earlier ones. */
export function mergeProperties(...sets: readonly Properties[]): Properties {
  // Not by assignment, because a property may be called `__proto__`.
  return Object.fromEntries(sets.flatMap((set) => Object.entries(set)));
}

/**
 * The givers of a build's properties. When several give the same property, the value of the one that comes last here counts, as in Buildbot. Steps
 * come after all of them.
 */
const GIVERS = [
  'scheduler',
  'changes',
  /** What a form or a trigger says. */
  'call',
  /** The three above together, and what the scheduler adds to them. */
  'buildset',
  'builder',
  'worker',
  /** Builder and worker together. */
  'configuration',
  /** What the build itself is: its number, its names, its source stamp. */
  'build',
] as const;
export type PropertyGiver = (typeof GIVERS)[number];

/** Merges properties by who gave them, in the order of the givers. */
export function propertiesGiven(by: Partial<Readonly<Record<PropertyGiver, Properties>>>): Properties {
  return mergeProperties(...GIVERS.map((giver) => by[giver] ?? {}));
}

/** Makes properties of values that all have the same source. */
export function propertiesFrom(values: Readonly<Record<string, JsonValue>>, source: string): Properties {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value, source] as const]));
}

/**
 * Adds a codebase's value to a property that has one per codebase, such as `got_revision`. The property is the value itself in a build of
 * one unnamed codebase, otherwise a map from codebase to value.
 *
 * @param before the property's value so far
 */
export function withCodebaseValue(before: JsonValue | undefined, codebase: string, value: string): JsonValue {
  const isMap = typeof before === 'object' && before !== null && !Array.isArray(before);
  if (codebase === '' && !isMap) return value;
  const map = isMap ? before : typeof before === 'string' ? { '': before } : {};
  // Not by assignment, because a codebase may be called `__proto__`.
  return Object.fromEntries([...Object.entries(map), [codebase, value]]);
}

function asText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The values that `%(…)s` may refer to. */
export interface InterpolationSources {
  readonly properties: Properties;
  /** The build's source stamps, for `%(src:CODEBASE:branch)s`, and `%(src::branch)s` for the main one. */
  readonly sourceStamps?: readonly SourceStamp[];
}

/** Placeholders: with all of Buildbot's rules anything in brackets is one, in plain text only the known ones are. */
const PLACEHOLDER = /%%|%\((?<raw>raw:)?(?<selector>[a-z]+):(?<key>[^)]*)\)s/g;
const IN_PLAIN_TEXT = /%\((?<raw>raw:)?(?<selector>prop|src|secret):(?<key>[^)]*)\)s/g;

/**
 * Longest result of a template. Large enough for several properties of 64 kB, and bounded so that it does not exhaust a thread's memory.
 */
const MAX_RENDERED_CHARACTERS = 1 << 20;

/** A part of a template: the author's text, or a value that may come from anybody. */
export interface Piece {
  readonly text: string;
  /** `raw`: a value that the author has marked as not to be quoted. */
  readonly from: 'author' | 'value' | 'raw';
  /** The placeholder's text in the template, for parts that are not the author's. */
  readonly placeholder?: string;
}

/** Which placeholders are recognised in a string. */
export interface TemplateRules {
  /** Only `%(prop:…)s`, `%(src:…)s` and `%(secret:…)s` are placeholders. Everything else, including `%%`, is kept as it is. */
  readonly plain: boolean;
}

/**
 * Fills in a template and returns its parts. Placeholders are `%(prop:NAME)s` and `%(src:CODEBASE:ATTR)s`, with `:-default` (used when the
 * value is missing), `:~default` (when missing or false) and `:+text` (when present), which are the author's texts. `%(raw:prop:NAME)s` is a
 * value that is not quoted for a shell.
 *
 * @throws UserError `interpolation` for an unknown selector or a result that is too long, `no-secrets` for `%(secret:NAME)s`
 */
export function templatePieces(template: string, from: InterpolationSources, { plain }: TemplateRules): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  let length = 0;
  const add = (piece: Piece): void => {
    length += piece.text.length;
    if (length > MAX_RENDERED_CHARACTERS) {
      throw new UserError(
        'interpolation',
        `'${template.slice(0, 100)}' comes to more than ${MAX_RENDERED_CHARACTERS} characters`,
        { template: template.slice(0, 100) },
      );
    }
    const last = pieces.at(-1);
    if (piece.from === 'author' && last?.from === 'author')
      pieces[pieces.length - 1] = { text: last.text + piece.text, from: 'author' };
    else if (piece.text !== '' || piece.from !== 'author') pieces.push(piece);
  };
  for (const match of template.matchAll(plain ? IN_PLAIN_TEXT : PLACEHOLDER)) {
    add({ text: template.slice(end, match.index), from: 'author' });
    end = match.index + match[0].length;
    if (match[0] === '%%') add({ text: '%', from: 'author' });
    else {
      const { raw, selector, key } = match.groups!;
      const expanded = expand(selector!, key!, from);
      const origin = expanded.isAuthors ? 'author' : raw ? 'raw' : 'value';
      add({ text: expanded.text, from: origin, ...(origin !== 'author' && { placeholder: match[0] }) });
    }
  }
  add({ text: template.slice(end), from: 'author' });
  return pieces;
}

/**
 * Fills in a template and returns it as one text. The template is Buildbot's `Interpolate` or a plain string.
 *
 * @throws UserError `interpolation`
 */
export function interpolate(
  template: string,
  from: InterpolationSources,
  rules: TemplateRules = { plain: false },
): string {
  if (!template.includes('%')) return template;
  return templatePieces(template, from, rules)
    .map(({ text }) => text)
    .join('');
}

/** Makes the error for a secret in a template. An empty text in its place would be a password that nobody has chosen. */
function noSecrets(placeholder: string): UserError {
  return new UserError(
    'no-secrets',
    `'${placeholder}' cannot be filled in: there are no secrets in templates yet; use { obfuscated, value } in a list of a command or in env, or passwordEnv`,
    { placeholder },
  );
}

/** Returns the error for a template that asks for a secret, and null for any other. */
export function secretProblem(template: string, { plain }: TemplateRules): UserError | null {
  for (const { 0: placeholder, groups } of template.matchAll(plain ? IN_PLAIN_TEXT : PLACEHOLDER))
    if (groups?.['selector'] === 'secret') return noSecrets(placeholder);
  return null;
}

/** Whether a template depends on the build. */
export function hasPlaceholders(template: string, { plain }: TemplateRules): boolean {
  return [...template.matchAll(plain ? IN_PLAIN_TEXT : PLACEHOLDER)].some(([all]) => all !== '%%');
}

interface Expanded {
  readonly text: string;
  /** The text is written in the template: a default, or the text after `:+`. */
  readonly isAuthors: boolean;
}

function expand(selector: string, body: string, from: InterpolationSources): Expanded {
  let key = body;
  let codebase = '';
  if (selector === 'src') {
    const colon = body.indexOf(':');
    codebase = colon < 0 ? '' : body.slice(0, colon);
    key = colon < 0 ? body : body.slice(colon + 1);
  }
  const modifier = /^(?<name>[^:]*)(?::(?<kind>[-~+])(?<text>.*))?$/s.exec(key)?.groups ?? { name: key };
  const name = modifier.name ?? key;
  const value = lookUp(selector, codebase, name, from);
  const missing = value === undefined;
  switch (modifier.kind) {
    case '-':
      return missing ? authors(modifier.text!) : given(value);
    case '~':
      return missing || value === null || value === false || value === 0 || value === ''
        ? authors(modifier.text!)
        : given(value);
    case '+':
      return authors(missing ? '' : modifier.text!);
    default:
      return given(value);
  }
}

const authors = (text: string): Expanded => ({ text, isAuthors: true });
const given = (value: JsonValue | undefined): Expanded => ({ text: asText(value), isAuthors: false });

function lookUp(selector: string, codebase: string, name: string, from: InterpolationSources): JsonValue | undefined {
  switch (selector) {
    case 'prop':
      return Object.hasOwn(from.properties, name) ? from.properties[name]![0] : undefined;
    case 'secret':
      throw noSecrets(`%(secret:${name})s`);
    case 'src': {
      const stamp = sourceStampOf(from.sourceStamps ?? [], codebase);
      return stamp && Object.hasOwn(stamp, name) ? stamp[name as Exclude<keyof SourceStamp, 'patch'>] : undefined;
    }
    default:
      throw new UserError('interpolation', `'%(${selector}:${name})s': '${selector}' is unknown; use prop or src`, {
        selector,
      });
  }
}
