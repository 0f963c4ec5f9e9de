import {
  type CompiledForceCodebase,
  type CompiledForceScheduler,
  type ForceField,
  PRIORITY_LIMIT,
} from '@millrace/contracts';
import {
  checkPatch,
  checkProperties,
  compilePattern,
  type JsonValue,
  MillraceError,
  NO_SOURCE,
  PATCH_LIMITS,
  type Properties,
  printable,
  propertiesFrom,
  propertiesGiven,
  PROPERTY_LIMITS,
  type SourceStamp,
  UserError,
} from '@millrace/domain';
import { codebaseLeaves, codebasePrefix, formLeaves, patchLeaves, prefixWithin } from './force-schedulers.js';
import { paramOf, type PostedParams } from './params.js';

export interface ForceOrder {
  readonly owner: string;
  readonly reason: string;
  readonly priority: number;
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
}

export type FormOutcome =
  | { readonly ok: true; readonly order: ForceOrder }
  /** Error texts by full name of the field. */
  | { readonly ok: false; readonly problems: Readonly<Record<string, string>> };

const SOURCE = 'Force Build Form';
/** Longest branch, revision and project of a change. */
const MAX_SHORT_TEXT = 190;
const MAX_REPOSITORY = 2_000;
const MAX_REASON = 10_000;
/** Longest value of a field that allows more, or has no limit of its own. */
const MAX_TEXT = PROPERTY_LIMITS.maxValueCharacters - 1_000;
const MAX_CHOICES = 1_000;

/** Checks posted values against the form. A missing field has its default; an unknown one is ignored, as in Buildbot. */
export function readForm(scheduler: CompiledForceScheduler, params: PostedParams): FormOutcome {
  // A map, because a field may have the name of an object's inherited property.
  const problems = new Map<string, string>();
  const values = new Map<string, JsonValue>();
  const longest = new Map<ForceField, number>([
    [scheduler.username, MAX_SHORT_TEXT],
    [scheduler.reasonField, MAX_REASON],
    ...scheduler.codebases.flatMap(({ branch, revision, project, repository }) => [
      ...[branch, revision, project].map((field) => [field, MAX_SHORT_TEXT] as const),
      [repository, MAX_REPOSITORY] as const,
    ]),
  ]);
  // The text of a patch is no property, and may be longer than one.
  const bodies = new Set(scheduler.codebases.map(({ patch }) => patch?.fields?.find(({ type }) => type === 'file')));
  for (const { fullName, field } of formLeaves(scheduler)) {
    const most = bodies.has(field) ? PATCH_LIMITS.bodyCharacters : MAX_TEXT;
    const read = readField(field, field.type === 'fixed' ? undefined : paramOf(params, fullName), most);
    if ('problem' in read) problems.set(fullName, read.problem);
    else if (text(read.value).length > (longest.get(field) ?? Infinity))
      problems.set(fullName, `'${field.label}' is longer than ${longest.get(field)} characters`);
    else if (field === scheduler.priorityField && Math.abs(Number(read.value)) > PRIORITY_LIMIT)
      problems.set(fullName, `'${field.label}' is not between -${PRIORITY_LIMIT} and ${PRIORITY_LIMIT}`);
    else values.set(fullName, read.value);
  }
  if (problems.size > 0) return { ok: false, problems: Object.fromEntries(problems) };

  const stamps = sourceStamps(scheduler, values);
  const wrong = patchProblems(scheduler, stamps);
  if (wrong) return { ok: false, problems: wrong };
  const own = propertiesOf(scheduler.fields, '', values);
  try {
    checkProperties(own);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ok: false, problems: { properties: error.message } };
  }
  const owner = text(values.get(scheduler.username.name)) || 'anonymous';
  const reason = text(values.get(scheduler.reasonField.name));
  return {
    ok: true,
    order: {
      owner,
      reason,
      priority: Number(values.get(scheduler.priorityField.name) ?? scheduler.priority),
      sourceStamps: stamps,
      properties: propertiesGiven({
        scheduler: propertiesFrom({ ...scheduler.properties, scheduler: scheduler.name }, 'Scheduler'),
        call: propertiesFrom({ ...own, owner, owners: [owner], reason }, SOURCE),
      }),
    },
  };
}

/** Returns the properties that fields stand for: a group with a name is one, of the values of its fields by their names. */
function propertiesOf(
  fields: readonly ForceField[],
  prefix: string,
  values: ReadonlyMap<string, JsonValue>,
): Record<string, JsonValue> {
  const entries = fields.flatMap((field): (readonly [string, JsonValue])[] => {
    const { name, fields: inner } = field;
    if (!inner) return [[name, values.get(prefix + name)!]];
    const within = prefixWithin(field, prefix);
    if (field.isAnyProperty) {
      const called = text(values.get(`${within}name`));
      return called === '' ? [] : [[called, values.get(`${within}value`)!]];
    }
    const together = propertiesOf(inner, within, values);
    return name === '' ? Object.entries(together) : [[name, together]];
  });
  return Object.fromEntries(entries);
}

function sourceStamps(scheduler: CompiledForceScheduler, values: ReadonlyMap<string, JsonValue>): SourceStamp[] {
  if (scheduler.codebases.length === 0) return [NO_SOURCE];
  return scheduler.codebases.map((codebase) => {
    const [branch, project, repository, revision] = codebaseLeaves(codebase).map((leaf) =>
      text(values.get(leaf.fullName)),
    );
    return {
      branch: branch || null,
      revision: revision || null,
      repository: repository!,
      project: project!,
      codebase: codebase.codebase,
      ...patchOf(codebase, values),
    };
  });
}

/** Returns the patch of a codebase, if one was given. */
function patchOf(codebase: CompiledForceCodebase, values: ReadonlyMap<string, JsonValue>): Pick<SourceStamp, 'patch'> {
  const given = new Map(patchLeaves(codebase).map(({ field, fullName }) => [field.name, values.get(fullName)]));
  const body = given.get('body');
  if (typeof body !== 'string' || body.trim() === '') return {};
  const [author, comment, subdir] = ['author', 'comment', 'subdir'].map((name) => text(given.get(name))) as [
    string,
    string,
    string,
  ];
  return { patch: { body, level: Number(given.get('level')), author, comment, subdir } };
}

/** Returns what is wrong with the first patch that cannot be applied to anything, by the full name of the field; null for nothing. */
function patchProblems(
  { codebases }: CompiledForceScheduler,
  stamps: readonly SourceStamp[],
): Readonly<Record<string, string>> | null {
  for (const { patch, codebase } of stamps) {
    if (!patch) continue;
    try {
      checkPatch(patch);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const prefix = codebasePrefix(codebases.find((one) => one.codebase === codebase)!);
      return { [prefix + String(error.fields['field']).replace('.', '_')]: error.message };
    }
  }
  return null;
}

function text(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value).trim();
}

function readField(
  field: ForceField,
  posted: JsonValue | undefined,
  most: number,
): { value: JsonValue } | { problem: string } {
  const given = posted === undefined || posted === null ? field.default : posted;
  switch (field.type) {
    case 'fixed':
      return { value: field.default };
    case 'bool':
      // The default in a configuration may be any value; a posted one must be true or false.
      if (given === posted && typeof given !== 'boolean')
        return { problem: `'${field.label}' has to be true or false` };
      return { value: given === true };
    case 'int': {
      if (!isScalar(given)) return { problem: `'${field.label}' has to be a whole number` };
      if (text(given) === '' && !field.required) return { value: field.default === '' ? 0 : field.default };
      return readInt(field, text(given));
    }
    case 'username':
      if (!isScalar(given)) return { problem: `'${field.label}' has to be a text` };
      return field.needEmail && text(given) !== '' && !text(given).includes('@')
        ? { problem: `'${field.label}' needs an e-mail address: User <user@example.org>` }
        : readText(field, text(given), most);
    case 'file':
      // A file's white space is a part of it.
      return typeof given === 'string'
        ? readText(field, given, most)
        : { problem: `'${field.label}' has to be a text` };
    case 'list':
      return readList(field, given);
    default:
      if (!isScalar(given)) return { problem: `'${field.label}' has to be a text` };
      return readText(field, text(given), most);
  }
}

function readInt(
  { label, min = -Infinity, max = Infinity }: ForceField,
  given: string,
): { value: number } | { problem: string } {
  const number = Number(given || Number.NaN);
  if (!Number.isSafeInteger(number)) return { problem: `'${label}': '${printable(given, 100)}' is not a whole number` };
  if (number < min) return { problem: `'${label}': ${number} is less than ${min}` };
  return number > max ? { problem: `'${label}': ${number} is more than ${max}` } : { value: number };
}

function readList(field: ForceField, given: JsonValue): { value: JsonValue } | { problem: string } {
  const all: readonly JsonValue[] = Array.isArray(given) ? (given as readonly JsonValue[]) : [given];
  if (!all.every(isScalar)) return { problem: `'${field.label}' has to be a list of texts` };
  if (all.length > MAX_CHOICES) return { problem: `'${field.label}' has more than ${MAX_CHOICES} choices` };
  const choices = new Set(field.choices);
  const chosen = all.map((value) => text(value)).filter((value) => value !== '');
  if (field.required && chosen.length === 0) return { problem: `'${field.label}' needs to be specified` };
  const stranger = field.strict === false ? undefined : chosen.find((value) => !choices.has(value));
  if (stranger !== undefined) {
    return {
      problem: `'${printable(stranger, 100)}' does not belong to the list of available choices: ${(field.choices ?? []).join(', ')}`,
    };
  }
  return { value: field.multiple ? chosen : (chosen[0] ?? '') };
}

function readText(field: ForceField, given: string, limit: number): { value: JsonValue } | { problem: string } {
  if (field.required && given === '') return { problem: `'${field.label}' needs to be specified` };
  const most = Math.min(field.maxsize ?? limit, limit);
  if (given.length > most) return { problem: `'${field.label}' is longer than ${most} characters` };
  const problem = field.regex === null || given === '' ? null : mismatch(field.regex, given);
  return problem === null ? { value: given } : { problem: `${field.label}: '${printable(given, 100)}' ${problem}` };
}

function isScalar(value: JsonValue): boolean {
  return typeof value !== 'object' || value === null;
}

/** Returns null when the pattern matches the whole text. Takes linear time: the pattern is the user's, the text is anybody's (I5). */
function mismatch(regex: string, given: string): string | null {
  try {
    return compilePattern(`^(?:${regex})$`).test(given) ? null : `does not match pattern '${regex}'`;
  } catch (error) {
    // The pattern comes from a configuration that an earlier version of Millrace has checked.
    if (error instanceof MillraceError && error.code === 'bad-pattern')
      return `cannot be compared with pattern '${regex}', which check-config does not accept any more`;
    throw error;
  }
}
