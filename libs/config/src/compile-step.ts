import { DEFAULT_STEP_FLAGS, type JsonValue, printable, UserError } from '@millrace/domain';
import { describeValue } from './fingerprint.js';
import { locationOf, type SourceLocation } from './location.js';
import { type LockList, lockNameOf } from './locks.js';
import { ObjectReader } from './object-reader.js';
import { nearest, type Note } from './problems.js';
import type { Step } from './step.js';

function isStep(value: unknown): value is Step {
  if (typeof value !== 'object' || value === null) return false;
  const step = value as Partial<Record<keyof Step, unknown>>;
  return (
    typeof step.kind === 'string' &&
    typeof step.name === 'string' &&
    typeof step.run === 'function' &&
    typeof step.describe === 'function' &&
    typeof step.flags === 'object' &&
    step.flags !== null
  );
}

/**
 * Checks the steps that a step of a running build adds.
 * @throws UserError `bad-steps`
 */
export function checkAddedSteps(made: unknown): readonly Step[] {
  const refused = (problem: string): UserError =>
    new UserError('bad-steps', `makeSteps ${problem}`, { field: 'makeSteps' });
  if (!Array.isArray(made)) throw refused('has to return a list of steps');
  return made.map((step: unknown, i) => {
    if (!isStep(step)) throw refused(`returned no step at [${i}]: expected one such as shell({ … })`);
    const [problem] = step.problems ?? [];
    if (problem) throw refused(`returned a step with a problem at [${i}]: ${problem.message}`);
    if (step.name === '' || step.name.length > 50)
      throw refused(`returned a step '${printable(step.name, 60)}' at [${i}]: expected a name of 1 to 50 characters`);
    return step;
  });
}

/** Returns the valid steps of a builder's factory. Everything else is reported as a problem. */
export function compileSteps(builder: ObjectReader, locks: LockList): Step[] {
  const steps: Step[] = [];
  builder.list(
    'factory',
    (item, path) => {
      const where = locationOf(item) ?? builder.where;
      if (!isStep(item)) {
        builder.into.add(path, item, 'a step, such as shell({ … }) of @millrace/steps', where);
        return;
      }
      steps.push(item);
      if (item.name === '' || item.name.length > 50)
        builder.into.add(`${path}.name`, item.name, 'a name of 1 to 50 characters', where);
      builder.into.problems.push(...(item.problems ?? []).map((problem) => placed(problem, path, where)));
      builder.into.notes.push(...(item.notes ?? []).map((note) => placed(note, path, where)));
      checkFlags(item, path, builder);
      checkLocks(item, path, builder, locks);
    },
    { required: true, expected: 'a list of steps' },
  );
  return steps;
}

/** Returns the steps of a builder with their places in the configuration. */
export function placesOfSteps(
  builder: ObjectReader,
): { readonly step: Step; readonly path: string; readonly where: SourceLocation | undefined }[] {
  const factory = builder.raw('factory');
  if (!Array.isArray(factory)) return [];
  return factory.flatMap((item: unknown, index) =>
    isStep(item)
      ? [{ step: item, path: `${builder.at('factory')}[${index}]`, where: locationOf(item) ?? builder.where }]
      : [],
  );
}

/** Adds a note for each step that checks out a codebase of which its builds have no source stamp. */
export function noteMissingCodebases(builder: ObjectReader, supplied: ReadonlySet<string> | null): void {
  if (supplied === null) return;
  for (const { step, path, where } of placesOfSteps(builder)) {
    const { codebase } = step;
    if (!codebase || supplied.has(codebase)) continue;
    const known = [...supplied].map((name) => `'${name}'`).join(', ') || 'none';
    const text = `is '${codebase}', but no scheduler of this builder makes source stamps of it (of ${known}): only a trigger can`;
    builder.into.note(`${path}.codebase`, text, where);
  }
}

/** Returns a step's problem or note with the step's place in the configuration. */
function placed<T extends Note>(found: T, step: string, where: SourceLocation | undefined): T {
  const path = found.path === '' ? step : `${step}.${found.path}`;
  return { ...where, ...found, path, message: found.message.replace(found.path, () => path) };
}

function checkFlags(step: Step, path: string, builder: ObjectReader): void {
  const where = locationOf(step) ?? builder.where;
  for (const [flag, value] of Object.entries(step.flags)) {
    if (!Object.hasOwn(DEFAULT_STEP_FLAGS, flag)) {
      const near = nearest(flag, Object.keys(DEFAULT_STEP_FLAGS));
      const hint = near ? `did you mean '${near}'?` : `known are ${Object.keys(DEFAULT_STEP_FLAGS).join(', ')}`;
      builder.into.add(`${path}.${flag}`, value, hint, where, `${path}.${flag} is not a setting; ${hint}`);
    } else if (value !== undefined && typeof value !== 'boolean')
      builder.into.add(`${path}.${flag}`, value, 'true or false', where);
  }
  const resumable: unknown = step.resumable;
  if (resumable !== undefined && typeof resumable !== 'boolean')
    builder.into.add(`${path}.resumable`, resumable, 'true or false', where);
  for (const key of ['doStepIf', 'hideStepIf'] as const) {
    const value: unknown = step[key];
    if (value === undefined || typeof value === 'boolean' || typeof value === 'function') continue;
    builder.into.add(`${path}.${key}`, value, 'true, false or a callback', where);
  }
}

function checkLocks(step: Step, path: string, builder: ObjectReader, locks: LockList): void {
  if (typeof step.locks === 'function') return;
  const own = new ObjectReader(step, path, builder.into, builder.where);
  const ofBuilder = builder.raw('locks');
  const taken = new Set(Array.isArray(ofBuilder) ? ofBuilder.map(lockNameOf) : []);
  for (const { lock } of locks.read(own))
    if (taken.has(lock))
      own.problem(
        'locks',
        'locks that its builder does not have',
        `${own.at('locks')}: '${lock}' is a lock of the builder, which has it from the beginning of the build to its end`,
      );
}

/** Describes everything that decides what a step does and how its result counts. */
export function describeStep(step: Step): JsonValue {
  return {
    kind: step.kind,
    name: step.name,
    flags: describeValue(step.flags),
    doStepIf: describeValue(step.doStepIf),
    hideStepIf: describeValue(step.hideStepIf),
    ...(step.locks && { locks: describeValue(step.locks) }),
    options: step.describe(),
  };
}
