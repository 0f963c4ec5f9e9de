import type { JsonValue, Properties } from '@millrace/domain';

/** Formats a duration: `8 s`, `2 min 05 s`, `1 h 12 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min ${String(s % 60).padStart(2, '0')} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Shown for a time that is no valid date: commits may have any time. */
export const NO_DATE = 'a date that no calendar has';
const DAY_SECONDS = 86_400;

function dateOf(at: number): Date | null {
  const date = new Date(at * 1000);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Formats a time for machines; undefined when it is no valid date. */
export function isoTime(at: number): string | undefined {
  return dateOf(at)?.toISOString();
}

/** `just now`, `5 min ago`, `yesterday 14:03`, a date. */
export function ago(at: number, now: number): string {
  const date = dateOf(at);
  if (date === null) return NO_DATE;
  const seconds = now - at;
  if (seconds < -DAY_SECONDS) return day(date);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return day(date);
}

function day(date: Date): string {
  return date.toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
}

export function dateTime(at: number): string {
  return dateOf(at)?.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' }) ?? NO_DATE;
}

export function timeOfDay(at: number, withSeconds = false): string {
  const seconds = withSeconds ? ({ second: '2-digit' } as const) : {};
  return dateOf(at)?.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', ...seconds }) ?? NO_DATE;
}

/** Parses an id or a number in a page's address. Returns null for anything else. */
export function idOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

export function shortRevision(revision: string): string {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(revision) ? revision.slice(0, 10) : revision;
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}

/**
 * Returns the values of a property with one value per codebase, such as `got_revision`. A build of one unnamed codebase has one value, with
 * an empty name.
 */
export function codebaseValues(
  properties: Properties | null | undefined,
  name: string,
): { readonly codebase: string; readonly value: string }[] {
  const value: JsonValue | undefined = properties && Object.hasOwn(properties, name) ? properties[name]![0] : undefined;
  const byCodebase =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { '': value ?? null };
  return Object.entries(byCodebase).flatMap(([codebase, one]) =>
    typeof one === 'string' && one !== '' ? [{ codebase, value: one }] : [],
  );
}

/** Returns a property's value as text; null when there is none. */
export function property(properties: Properties | null | undefined, name: string): string | null {
  const value: JsonValue | undefined = properties && Object.hasOwn(properties, name) ? properties[name]![0] : undefined;
  if (value === undefined || value === null || value === '') return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
