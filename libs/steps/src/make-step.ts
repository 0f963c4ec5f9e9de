import {
  describeValue,
  locate,
  ObjectReader,
  ProblemList,
  type Step,
  type StepOptions,
  unrenderable,
} from '@millrace/config';
import { DEFAULT_STEP_FLAGS, type JsonValue, type StepFlags } from '@millrace/domain';
import { withoutSecrets } from './obfuscated.js';

const FLAGS = Object.keys(DEFAULT_STEP_FLAGS) as (keyof StepFlags)[];

interface StepParts {
  readonly kind: string;
  readonly flags?: Partial<StepFlags>;
  readonly variables?: readonly string[];
  readonly codebase?: string;
  readonly triggers?: readonly string[];
  readonly run: Step['run'];
  readonly makeSteps?: Step['makeSteps'];
  /** Options that may be shown. Default: all. */
  readonly shown?: unknown;
  /** Reads every option of the step. The options that it does not read are unknown. */
  readonly check: (reader: ObjectReader) => void;
}

/**
 * Makes a step of this package. All of these run the same commands when they are run again. Errors in its options become problems of the
 * configuration.
 */
export function makeStep(
  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- the helper that the user called, whatever it takes
  helper: Function,
  options: StepOptions,
  { kind, flags, variables, codebase, triggers, run, makeSteps, shown, check }: StepParts,
): Step {
  const found = new ProblemList();
  const reader = new ObjectReader(options, '', found);
  const given = FLAGS.filter((flag) => reader.raw(flag) !== undefined);
  const name = reader.text('name', { default: kind, expected: 'a name' });
  const doStepIf = reader.raw('doStepIf') as Step['doStepIf'];
  const hideStepIf = reader.raw('hideStepIf') as Step['hideStepIf'];
  const locks = reader.raw('locks') as Step['locks'];
  check(reader);
  for (const [key, value] of Object.entries(options)) {
    const problem = unrenderable(value);
    const isSaid = found.problems.some(({ path }) => path === reader.at(key));
    if (problem !== null && !isSaid) reader.problem(key, 'a value without secrets', `${reader.at(key)}: ${problem}`);
  }
  reader.done();
  const description: JsonValue = withoutSecrets(describeValue(shown ?? options));
  return locate(helper, {
    kind,
    name: name || kind,
    flags: { ...flags, ...Object.fromEntries(given.map((flag) => [flag, reader.raw(flag)])) },
    doStepIf,
    hideStepIf,
    ...(locks !== undefined && { locks }),
    problems: found.problems,
    notes: found.notes,
    resumable: true,
    variables,
    ...(codebase !== undefined && { codebase }),
    ...(triggers && { triggers }),
    ...(makeSteps && { makeSteps }),
    run,
    describe: () => description,
  });
}

/** Checks a rendered option, which may be a string, a template or a callback. */
export function checkRenderable(
  reader: ObjectReader,
  key: string,
  { required = false, expected = 'a string' } = {},
): void {
  const value = reader.raw(key);
  if (value === undefined ? !required : isRenderable(value)) return;
  reader.problem(key, `${expected}, a template or a callback`);
}

export function isRenderable(value: unknown): boolean {
  if (typeof value === 'function') return true;
  if (typeof value === 'string') return value !== '';
  return typeof value === 'object' && value !== null && 'interpolate' in value;
}
