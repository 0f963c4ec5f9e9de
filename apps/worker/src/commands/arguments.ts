import { UserError } from '@millrace/domain';
import { inspect } from 'node:util';

/** Reads the arguments of one command. Errors name the argument and its value. A missing argument and null are the same. */
export class Arguments {
  constructor(
    private readonly command: string,
    private readonly values: Readonly<Record<string, unknown>>,
  ) {}

  /** Returns the argument unchanged; null when it is missing. */
  raw(key: string): unknown {
    return this.values[key] ?? null;
  }

  text(key: string): string {
    const value = this.raw(key);
    return typeof value === 'string' ? value : this.bad(key, value, 'text');
  }

  optionalText(key: string): string | null {
    return this.raw(key) === null ? null : this.text(key);
  }

  texts(key: string): string[] {
    const value = this.raw(key);
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    return this.bad(key, value, 'a list of texts');
  }

  /** Reads true, false, 1 or 0. */
  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key);
    if (value === null) return fallback;
    if (value === true || value === 1) return true;
    return value === false || value === 0 ? false : this.bad(key, value, 'a boolean');
  }

  /** Reads a number above zero. Zero means the same as a missing argument: no limit. */
  limit(key: string, fallback: number | null = null): number | null {
    const value = key in this.values ? this.values[key] : fallback;
    if (value === null || value === undefined || value === 0) return null;
    return typeof value === 'number' && value > 0 ? value : this.bad(key, value, 'a number above zero');
  }

  /** Reads a number of zero or more. */
  optionalNumber(key: string): number | null {
    const value = this.raw(key);
    if (value === null) return null;
    return typeof value === 'number' && value >= 0 ? value : this.bad(key, value, 'a number');
  }

  positiveInteger(key: string): number {
    const value = this.raw(key);
    return Number.isSafeInteger(value) && (value as number) > 0
      ? (value as number)
      : this.bad(key, value, 'an integer above zero');
  }

  optionalInteger(key: string): number | null {
    const value = this.raw(key);
    if (value === null) return null;
    return Number.isSafeInteger(value) && (value as number) >= 0
      ? (value as number)
      : this.bad(key, value, 'an integer');
  }

  map(key: string): Record<string, unknown> {
    const value = this.raw(key);
    if (value === null) return {};
    return typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : this.bad(key, value, 'a map');
  }

  bad(key: string, value: unknown, wanted: string): never {
    const problem =
      value === null ? `is missing args: ${key}` : `: '${key}' must be ${wanted}, not ${inspect(value, { depth: 1 })}`;
    throw new UserError('bad-argument', `${this.command}${value === null ? ' ' : ''}${problem}`, { [key]: value });
  }
}
