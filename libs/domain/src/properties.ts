import { UserError } from './errors.js';
import { checkJsonLimits } from './json-limits.js';
import { printable } from './printable.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Properties with where each came from: `name → [value, source]` (`specs/data-api.md` §1.1). */
export type Properties = Readonly<Record<string, readonly [value: JsonValue, source: string]>>;

/** What a request from outside may set. */
export const PROPERTY_LIMITS = {
  maxCount: 1_000,
  maxNameCharacters: 256,
  /** Of a value, as JSON. */
  maxValueCharacters: 64 << 10,
  maxDepth: 16,
} as const;

/**
 * Checks properties that somebody sent, in time linear in their size.
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
    // An object's own member of this name does not survive being copied.
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

/** Later sets win over earlier ones. */
export function mergeProperties(...sets: readonly Properties[]): Properties {
  return Object.assign({}, ...sets) as Properties;
}

/** Gives every value the same source. */
export function propertiesFrom(values: Readonly<Record<string, JsonValue>>, source: string): Properties {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value, source] as const]));
}

function asText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** What `%(…)s` may refer to. */
export interface InterpolationSources {
  readonly properties: Properties;
  /** Values that must not appear in a log; `%(secret:name)s`. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Source stamp attributes; `%(src::branch)s`. */
  readonly src?: Readonly<Record<string, string | null>>;
}

const PLACEHOLDER = /%%|%\((?<selector>[a-z]+):(?<key>[^)]*)\)s/g;

/**
 * Buildbot's `Interpolate` for strings: `%(prop:NAME)s`, `%(secret:NAME)s`, `%(src:CODEBASE:ATTR)s`, with `:-default` (used when
 * the value is missing), `:~default` (when missing or false) and `:+text` (when present). `%%` is a percent sign.
 *
 * @throws UserError `interpolation` for an unknown selector.
 */
export function interpolate(template: string, from: InterpolationSources): string {
  return template.replace(PLACEHOLDER, (match, selector: string | undefined, key: string | undefined) => {
    if (match === '%%') return '%';
    return expand(selector!, key!, from);
  });
}

function expand(selector: string, body: string, from: InterpolationSources): string {
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
      return missing ? modifier.text! : asText(value);
    case '~':
      return missing || value === null || value === false || value === 0 || value === ''
        ? modifier.text!
        : asText(value);
    case '+':
      return missing ? '' : modifier.text!;
    default:
      return asText(value);
  }
}

function lookUp(selector: string, codebase: string, name: string, from: InterpolationSources): JsonValue | undefined {
  switch (selector) {
    case 'prop':
      return Object.hasOwn(from.properties, name) ? from.properties[name]![0] : undefined;
    case 'secret':
      return from.secrets && Object.hasOwn(from.secrets, name) ? from.secrets[name] : undefined;
    case 'src':
      return codebase === '' && from.src && Object.hasOwn(from.src, name) ? from.src[name] : undefined;
    default:
      throw new UserError(
        'interpolation',
        `'%(${selector}:${name})s': '${selector}' is unknown; use prop, secret or src`,
        { selector },
      );
  }
}
