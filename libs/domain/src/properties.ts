import { UserError } from './errors.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Properties with where each came from: `name → [value, source]` (`specs/data-api.md` §1.1). */
export type Properties = Readonly<Record<string, readonly [value: JsonValue, source: string]>>;

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
