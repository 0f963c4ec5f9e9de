import { runInNewContext } from 'node:vm';
import { type ForceField, PRIORITY_LIMIT } from '@millrace/contracts';
import type { SourceStamp } from '@millrace/database';
import { type JsonValue, type Properties, propertiesFrom } from '@millrace/domain';
import { codebaseLeaves, type CompiledForceScheduler, formLeaves } from './force-schedulers.js';

export interface ForceOrder {
  readonly owner: string;
  readonly reason: string;
  readonly priority: number;
  readonly sourceStamp: SourceStamp;
  readonly properties: Properties;
}

export type FormOutcome =
  | { readonly ok: true; readonly order: ForceOrder }
  /** What is wrong, by full name of the field. */
  | { readonly ok: false; readonly problems: Readonly<Record<string, string>> };

const SOURCE = 'Force Build Form';
/** What a change may have as its branch, revision and project. */
const MAX_SHORT_TEXT = 190;
/** How long a pattern of the configuration may keep this thread. */
const PATTERN_MS = 250;

/** Checks what was posted against the form; a missing field has its default, an unknown one is ignored as Buildbot does. */
export function readForm(scheduler: CompiledForceScheduler, params: Readonly<Record<string, JsonValue>>): FormOutcome {
  const problems: Record<string, string> = {};
  const values = new Map<string, JsonValue>();
  const several = scheduler.codebases[1];
  if (several) problems[several.codebase] = 'a build has one codebase, and this form asks for several';
  const short = new Set(scheduler.codebases.flatMap(({ branch, revision, project }) => [branch, revision, project]));
  for (const { fullName, field } of formLeaves(scheduler)) {
    const read = readField(field, field.type === 'fixed' ? undefined : params[fullName]);
    if ('problem' in read) problems[fullName] = read.problem;
    else if (short.has(field) && text(read.value).length > MAX_SHORT_TEXT)
      problems[fullName] = `'${field.label}' is longer than ${MAX_SHORT_TEXT} characters`;
    else if (field === scheduler.priorityField && Math.abs(Number(read.value)) > PRIORITY_LIMIT)
      problems[fullName] = `'${field.label}' is not between -${PRIORITY_LIMIT} and ${PRIORITY_LIMIT}`;
    else values.set(fullName, read.value);
  }
  if (Object.keys(problems).length > 0) return { ok: false, problems };

  const owner = text(values.get(scheduler.username.name)) || 'anonymous';
  const reason = text(values.get(scheduler.reasonField.name));
  const own = Object.fromEntries(scheduler.fields.map((field) => [field.name, values.get(field.name)!]));
  return {
    ok: true,
    order: {
      owner,
      reason,
      priority: Number(values.get(scheduler.priorityField.name) ?? scheduler.priority),
      sourceStamp: sourceStamp(scheduler, values),
      properties: {
        ...propertiesFrom(scheduler.properties, 'Scheduler'),
        ...propertiesFrom({ scheduler: scheduler.name }, 'Scheduler'),
        ...propertiesFrom({ ...own, owner, owners: [owner], reason }, SOURCE),
      },
    },
  };
}

function sourceStamp(scheduler: CompiledForceScheduler, values: ReadonlyMap<string, JsonValue>): SourceStamp {
  const codebase = scheduler.codebases[0];
  if (!codebase) return { branch: null, revision: null, repository: '', project: '', codebase: '' };
  const [branch, project, repository, revision] = codebaseLeaves(codebase).map((leaf) =>
    text(values.get(leaf.fullName)),
  );
  return {
    branch: branch || null,
    revision: revision || null,
    repository: repository!,
    project: project!,
    codebase: codebase.codebase,
  };
}

function text(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value).trim();
}

function readField(field: ForceField, posted: JsonValue | undefined): { value: JsonValue } | { problem: string } {
  const given = posted === undefined || posted === null ? field.default : posted;
  switch (field.type) {
    case 'bool':
      return { value: given === true };
    case 'int': {
      if (text(given) === '' && !field.required) return { value: field.default === '' ? 0 : field.default };
      const number = Number(text(given) || Number.NaN);
      return Number.isSafeInteger(number)
        ? { value: number }
        : { problem: `'${field.label}': '${text(given)}' is not a whole number` };
    }
    case 'list':
      return readList(field, given);
    default:
      return readText(field, text(given));
  }
}

function readList(field: ForceField, given: JsonValue): { value: JsonValue } | { problem: string } {
  const chosen = (Array.isArray(given) ? given : [given])
    .map((value) => text(value as JsonValue))
    .filter((value) => value !== '');
  if (field.required && chosen.length === 0) return { problem: `'${field.label}' needs to be specified` };
  const stranger = field.strict === false ? undefined : chosen.find((value) => !(field.choices ?? []).includes(value));
  if (stranger !== undefined) {
    return {
      problem: `'${stranger}' does not belong to the list of available choices: ${(field.choices ?? []).join(', ')}`,
    };
  }
  return { value: field.multiple ? chosen : (chosen[0] ?? '') };
}

function readText(field: ForceField, given: string): { value: JsonValue } | { problem: string } {
  if (field.required && given === '') return { problem: `'${field.label}' needs to be specified` };
  if (field.maxsize !== null && given.length > field.maxsize) {
    return { problem: `'${field.label}' is longer than ${field.maxsize} characters` };
  }
  const problem = field.regex === null || given === '' ? null : mismatch(field.regex, given);
  return problem === null ? { value: given } : { problem: `${field.label}: '${given}' ${problem}` };
}

/** Null when the whole text matches. The pattern is the user's and may backtrack for ever (I5). */
function mismatch(regex: string, given: string): string | null {
  const context = { pattern: `^(?:${regex})$`, given };
  try {
    const matches: unknown = runInNewContext('new RegExp(pattern).test(given)', context, { timeout: PATTERN_MS });
    return matches === true ? null : `does not match pattern '${regex}'`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return `takes too long to compare with pattern '${regex}'`;
  }
}
