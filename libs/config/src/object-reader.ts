import type { JsonValue } from '@millrace/domain';
import { locationOf, type SourceLocation } from './location.js';
import { nearest, type Note, type Problem, show } from './problems.js';

/** Longest time of a setting. Node's timers take at most 24 days. */
export const TIMER_MAX_SECONDS = 1_000_000;
/** An option of `ObjectReader.text`: any string. */
export const ANY_TEXT = { accepts: () => true, expected: 'a string' };

/** An option of `ObjectReader.text`: a string that fits into the database's columns for the attributes of a change. */
export const SHORT = { accepts: (text: string) => text.length <= 190, expected: 'a string of at most 190 characters' };

/** Collects problems. The location of a problem is that of the nearest enclosing object that has one. */
export class ProblemList {
  readonly problems: Problem[] = [];
  readonly notes: Note[] = [];

  /**
   * Adds a problem.
   * @param message follows the path
   */
  note(path: string, message: string, where?: SourceLocation): void {
    this.notes.push({ path, message: `${path} ${message}`, ...where });
  }

  add(path: string, value: unknown, expected: string, where?: SourceLocation, message?: string): void {
    const found = value === undefined ? 'is missing' : `is ${show(value)}`;
    this.problems.push({
      path,
      ...(value === undefined ? {} : { value: show(value) }),
      expected,
      message: message ?? `${path || 'the configuration'} ${found}; expected ${expected}`,
      ...where,
    });
  }
}

interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  readonly integer?: boolean;
}

/**
 * Reads a user's object field by field. Every method returns a usable value whatever it finds, and reports what is wrong, so that one pass
 * finds all problems. `done()` reports the keys that were not read.
 */
export class ObjectReader {
  readonly where: SourceLocation | undefined;
  private readonly object: Readonly<Record<string, unknown>>;
  private readonly known = new Set<string>();
  private readonly isObject: boolean;

  constructor(
    value: unknown,
    readonly path: string,
    readonly into: ProblemList,
    where?: SourceLocation,
  ) {
    this.where = locationOf(value) ?? where;
    this.isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.object = this.isObject ? (value as Record<string, unknown>) : {};
    if (!this.isObject) this.into.add(path, value, 'an object', this.where);
  }

  at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  raw(key: string): unknown {
    this.known.add(key);
    return this.object[key];
  }

  keys(): string[] {
    return Object.keys(this.object);
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  problem(key: string, expected: string, message?: string): void {
    if (this.isObject) this.into.add(this.at(key), this.raw(key), expected, this.where, message);
  }

  /** Reads a string. It must not be empty unless `accepts` allows it. */
  text(
    key: string,
    options: { default?: string; expected?: string; accepts?: (text: string) => boolean } = {},
  ): string {
    const { expected = 'a non-empty string', accepts = (text: string) => text !== '' } = options;
    const value = this.raw(key);
    if (value === undefined && options.default !== undefined) return options.default;
    if (typeof value === 'string' && accepts(value)) return value;
    this.problem(key, expected);
    return '';
  }

  optionalText(key: string): string | null {
    return this.raw(key) === undefined || this.raw(key) === null
      ? null
      : this.text(key, { accepts: () => true, expected: 'a string' });
  }

  number(key: string, options: { default: number } & NumberRange): number;
  number(key: string, options: { default: null } & NumberRange): number | null;
  number(key: string, options: { default: number | null } & NumberRange): number | null {
    const value = this.raw(key);
    if (value === undefined || (value === null && options.default === null)) return options.default;
    const { min = -Infinity, max = Infinity, integer = false } = options;
    const fits = typeof value === 'number' && value >= min && value <= max && Number.isFinite(value);
    if (fits && (!integer || Number.isInteger(value))) return value;
    const most = max === Infinity ? '' : max;
    const range =
      min === -Infinity ? most && ` of at most ${most}` : most ? ` from ${min} to ${most}` : ` of at least ${min}`;
    this.problem(key, `${integer ? 'a whole number' : 'a number'}${range}`);
    return options.default;
  }

  boolean(key: string, byDefault: boolean): boolean {
    const value = this.raw(key);
    if (value === undefined) return byDefault;
    if (typeof value === 'boolean') return value;
    this.problem(key, 'true or false');
    return byDefault;
  }

  oneOf<T extends string>(key: string, choices: readonly T[], byDefault?: T): T {
    const value = this.raw(key);
    if (value === undefined && byDefault !== undefined) return byDefault;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? nearest(value, choices) : undefined;
    const expected = `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`;
    this.problem(key, near ? `${expected} (did you mean '${near}'?)` : expected);
    return byDefault ?? choices[0]!;
  }

  list<T>(
    key: string,
    read: (item: unknown, path: string, index: number) => T,
    options: { required?: boolean; expected?: string } = {},
  ): T[] {
    const value = this.raw(key);
    if (value === undefined && !options.required) return [];
    if (Array.isArray(value)) return value.map((item, index) => read(item, `${this.at(key)}[${index}]`, index));
    this.problem(key, options.expected ?? 'a list');
    return [];
  }

  texts(key: string, options: { required?: boolean; expected?: string } = {}): string[] {
    const { expected = 'a list of strings' } = options;
    const read = (item: unknown, path: string): string => {
      if (typeof item === 'string' && item !== '') return item;
      this.into.add(path, item, 'a non-empty string', this.where);
      return '';
    };
    return this.list(key, read, { ...options, expected }).filter((item) => item !== '');
  }

  record<T>(key: string, accepts: (value: unknown) => boolean, expected: string): Record<string, T> {
    const value = this.raw(key);
    if (value === undefined) return {};
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.problem(key, 'an object');
      return {};
    }
    const wrong = Object.entries(value).filter(([, item]) => !accepts(item));
    for (const [name, item] of wrong) this.into.add(`${this.at(key)}.${name}`, item, expected, this.where);
    return wrong.length > 0 ? {} : { ...value };
  }

  properties(key = 'properties'): Record<string, JsonValue> {
    return this.record<JsonValue>(key, isJson, 'a value that JSON can hold');
  }

  /** Returns a reader of the object under a key. */
  inner(key: string): ObjectReader {
    return new ObjectReader(this.raw(key), this.at(key), this.into, this.where);
  }

  callback(key: string, expected: string): boolean {
    const value = this.raw(key);
    if (value === undefined) return false;
    if (typeof value === 'function') return true;
    this.problem(key, expected);
    return false;
  }

  /** Reports unknown keys. To be called last. */
  done(): void {
    for (const key of Object.keys(this.object)) {
      if (this.known.has(key)) continue;
      const near = nearest(key, this.known);
      const hint = near ? `did you mean '${near}'?` : `known are ${[...this.known].join(', ')}`;
      this.into.add(this.at(key), this.object[key], hint, this.where, `${this.at(key)} is not a setting; ${hint}`);
    }
  }
}

/** Reads a list of names, each of which must be in `known`. */
export function references(
  reader: ObjectReader,
  key: string,
  names: readonly string[],
  known: ReadonlySet<string>,
  noun: string,
): void {
  const isList = Array.isArray(reader.raw(key));
  names.forEach((name, index) => {
    if (known.has(name)) return;
    const path = isList ? `${reader.at(key)}[${index}]` : reader.at(key);
    const near = nearest(name, known);
    const hint = near ? `; did you mean '${near}'?` : '';
    reader.into.add(
      path,
      name,
      `the name of a ${noun}`,
      reader.where,
      `${path} is '${name}', but no ${noun} has that name${hint}`,
    );
  });
}

export function isJson(value: unknown): value is JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    (prototype === Object.prototype || prototype === null || isForeignPlain(prototype)) &&
    Object.values(value).every(isJson)
  );
}

/** Whether a prototype is `Object.prototype` of another realm: a configuration may be evaluated in a VM context. */
function isForeignPlain(prototype: unknown): boolean {
  return typeof prototype === 'object' && prototype !== null && Object.getPrototypeOf(prototype) === null;
}
