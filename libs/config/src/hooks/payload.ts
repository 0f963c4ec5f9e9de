import { parseJson, printable, UserError } from '@millrace/domain';
import type { Delivery } from './kind.js';

/** Most characters of a delivery. GitHub sends at most 25 MB. */
const MAX_CHARACTERS = 25 << 20;
/** A push of 2,000 commits has about 50 values a commit, and a name for each file. */
const LIMITS = { maxDepth: 32, maxValues: 1_000_000, maxCharacters: MAX_CHARACTERS };

/** A part of a forge's payload. What is missing, or is of another type than expected, reads as empty. */
export class Payload {
  constructor(readonly raw: unknown) {}

  /**
   * Reads the body of a delivery: JSON, or a form whose field `payload` is JSON.
   * @throws UserError `bad-delivery`, and those of `parseJson`
   */
  static of({ headers, body }: Delivery): Payload {
    const text = isForm(headers) ? new URLSearchParams(body).get('payload') : body;
    if (text === null) throw badDelivery("the form has no field 'payload'");
    const value = parseJson(text, LIMITS, 'the body');
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badDelivery('the body has to be an object');
    return new Payload(value);
  }

  get isMissing(): boolean {
    return this.raw === undefined || this.raw === null;
  }

  at(...path: readonly string[]): Payload {
    let value = this.raw;
    for (const name of path)
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? (value as Record<string, unknown>)[name]
          : undefined;
    return new Payload(value);
  }

  text(...path: readonly string[]): string {
    const value = this.at(...path).raw;
    return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
  }

  optionalText(...path: readonly string[]): string | null {
    return this.text(...path) || null;
  }

  flag(...path: readonly string[]): boolean {
    return this.at(...path).raw === true;
  }

  items(...path: readonly string[]): Payload[] {
    const value = this.at(...path).raw;
    return Array.isArray(value) ? value.map((item) => new Payload(item)) : [];
  }

  texts(...path: readonly string[]): string[] {
    return this.items(...path)
      .map((item) => item.text())
      .filter((text) => text !== '');
  }

  /** Reads a time: a text that names a time zone, or a number of ms. */
  whenMs(...path: readonly string[]): number | null {
    const value = this.at(...path).raw;
    const ms = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : NaN;
    return Number.isFinite(ms) ? ms : null;
  }

  /**
   * Reads a text that must be there.
   * @throws UserError `bad-delivery`
   */
  required(...path: readonly string[]): string {
    const text = this.text(...path);
    if (text === '') throw badDelivery(`${path.join('.')} is missing`, path.join('.'));
    return text;
  }

  /** Returns all scalars below, with their paths joined by dots. Lists are left out. */
  scalars(prefix: string): [name: string, value: string | number | boolean | null][] {
    const found: [string, string | number | boolean | null][] = [];
    // The depth was limited when the body was parsed.
    const walk = (value: unknown, path: string): void => {
      if (typeof value === 'object' && value !== null) {
        if (Array.isArray(value)) return;
        for (const [name, item] of Object.entries(value)) walk(item, `${path}.${name}`);
      } else found.push([path, value as string | number | boolean | null]);
    };
    walk(this.raw, prefix);
    return found;
  }
}

export function isForm(headers: Delivery['headers']): boolean {
  return (headers['content-type'] ?? '').toLowerCase().startsWith('application/x-www-form-urlencoded');
}

export function badDelivery(message: string, field?: string): UserError {
  return new UserError('bad-delivery', printable(message, 500), field === undefined ? {} : { field });
}

export type GitRef = { readonly kind: 'branch' | 'tag'; readonly name: string };

/** Reads the full name of a ref; null for one that is neither a branch nor a tag. */
export function gitRef(ref: string): GitRef | null {
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/s.exec(ref) ?? [];
  if (name === undefined) return null;
  return { kind: kind === 'heads' ? 'branch' : 'tag', name };
}

/** Returns a person as Git writes one: `Ada <ada@example.org>`. */
export function person(who: Payload): string {
  const [name, email] = [who.text('name'), who.text('email')];
  return email === '' ? name : `${name} <${email}>`;
}

/** The id that forges send for a ref that does not exist: before it was made, and after it was deleted. */
export function isNoRevision(revision: string): boolean {
  return /^0+$/.test(revision);
}

/** Returns the files that a commit of a push names. */
export function filesOf(commit: Payload): string[] {
  return ['added', 'modified', 'removed'].flatMap((kind) => commit.texts(kind));
}
