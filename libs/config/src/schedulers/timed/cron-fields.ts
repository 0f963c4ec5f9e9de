import type { ObjectReader } from '../../object-reader.js';
import { isTimeZone, problemOfCron, type Slots } from './slots.js';

/** A number, several, or an expression of cron: `*`, `1-5`, `*\/10`, `MON`. */
export type CronField = number | readonly number[] | string;

/** The fields of a time. The defaults are minute 0 of every hour. */
export interface CronFields {
  readonly minute?: CronField;
  readonly hour?: CronField;
  /** `L` is the last. */
  readonly dayOfMonth?: CronField;
  readonly month?: CronField;
  /** Numbers count from Monday, 0. Names, and numbers within an expression (`1-5`, `1#2`), are those of cron: Sunday is 0. */
  readonly dayOfWeek?: CronField;
}

const FIELDS = { minute: '0', hour: '*', dayOfMonth: '*', month: '*', dayOfWeek: '*' } as const;
type FieldName = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as FieldName[];

/** Reads the times of a scheduler. */
export function compileSlots(reader: ObjectReader): Slots {
  const timeZone = compileTimeZone(reader);
  if (!reader.has('cron')) return checked(reader, 'minute', readFields(reader), timeZone);
  const beside = NAMES.filter((name) => reader.has(name));
  if (beside.length > 0) reader.problem('cron', `cron or ${beside.join(', ')}, not both`);
  return checked(reader, 'cron', reader.text('cron'), timeZone);
}

/** Reads the times that are built whatever has changed. */
export function compileForceAt(reader: ObjectReader): Slots | null {
  const given = reader.raw('forceAt');
  if (given === undefined) return null;
  const timeZone = compileTimeZone(reader);
  if (typeof given === 'string') return checked(reader, 'forceAt', given, timeZone);
  const inner = reader.inner('forceAt');
  const pattern = readFields(inner);
  inner.done();
  return checked(reader, 'forceAt', pattern, timeZone);
}

function compileTimeZone(reader: ObjectReader): string {
  return reader.text('timeZone', {
    default: 'UTC',
    accepts: isTimeZone,
    expected: "the name of a time zone such as 'Europe/Berlin'",
  });
}

function readFields(reader: ObjectReader): string {
  return NAMES.map((name) => fieldOf(reader, name)).join(' ');
}

function fieldOf(reader: ObjectReader, name: FieldName): string {
  const value = reader.raw(name);
  if (value === undefined) return FIELDS[name];
  const values = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  const isGood =
    values.length > 0 && values.every((one) => isWhole(one) || (typeof one === 'string' && /^\S+$/.test(one)));
  if (!isGood) {
    reader.problem(name, 'a whole number, a list of them, or an expression of cron');
    return FIELDS[name];
  }
  const texts = values.map(String);
  return name === 'dayOfWeek' ? texts.join(',').split(',').map(dayOfCron).join(',') : texts.join(',');
}

function isWhole(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

/** Numbers by themselves count from Monday; `L5`, the last Friday, is written `5#L` by others. */
function dayOfCron(text: string): string {
  if (/^\d+$/.test(text)) return Number(text) > 6 ? '8' : String((Number(text) + 1) % 7);
  return text.replace(/^L([0-7])$/, '$1#L');
}

function checked(reader: ObjectReader, key: string, pattern: string, timeZone: string): Slots {
  const problem = isTimeZone(timeZone) ? problemOfCron(pattern, timeZone) : null;
  if (problem !== null)
    reader.problem(
      key,
      'times of cron: minute, hour, day of month, month, day of week',
      `${reader.at(key)}: '${pattern}' are no times: ${problem}`,
    );
  return { kind: 'cron', pattern, timeZone };
}
