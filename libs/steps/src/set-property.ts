import {
  describeValue,
  type Renderable,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
} from '@millrace/config';
import { type JsonValue, Result } from '@millrace/domain';
import { checkRenderable, makeStep } from './make-step.js';
import { endedBecause, resultOf, succeeded } from './outcome.js';
import { checkCommand, checkEnv, type CommandLine, type Environment } from './shell.js';

export interface SetPropertyOptions extends StepOptions {
  readonly property: string;
  /** The command whose standard output, without surrounding white space, becomes the value (64 kB at most). */
  readonly command?: CommandLine;
  /** The value itself, instead of `command`. */
  readonly value?: Renderable<JsonValue>;
  /** For `command`. Default `build`. */
  readonly workdir?: Renderable<string>;
  readonly env?: Environment;
  readonly timeoutSeconds?: number | null;
}

const MAX_OUTPUT_CHARS = 65_536;

/** Makes a step that sets a property of the build. */
export function setProperty(options: SetPropertyOptions): Step {
  const { property } = options;
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const stateString = `property '${property}' set`;
    if (options.command === undefined) {
      step.properties.set(property, await step.render<JsonValue>(options.value ?? null));
      return { result: Result.SUCCESS, stateString };
    }
    const outcome = await step.shell({
      command: await step.renderCommand(options.command as Renderable<string | readonly string[]>),
      workdir: await step.renderPath(options.workdir ?? 'build'),
      env: await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>),
      timeoutSeconds: options.timeoutSeconds,
      // One more than allowed, to notice output that is too long: a cut value would be wrong.
      capture: { maxBytes: MAX_OUTPUT_CHARS + 1 },
    });
    const { stdout = '' } = outcome;
    if (!succeeded(outcome))
      return { result: resultOf(outcome), stateString: `property '${property}' not set${endedBecause(outcome)}` };
    if (stdout.length > MAX_OUTPUT_CHARS)
      return { result: Result.FAILURE, stateString: `property '${property}' not set: more than 64 kB of output` };
    step.properties.set(property, stdout.trim());
    return { result: Result.SUCCESS, stateString };
  };
  return makeStep(setProperty, options, {
    kind: 'set-property',
    run,
    shown: { ...options, value: describeValue(options.value) },
    check: (reader) => {
      reader.text('property', { expected: 'the name of a property' });
      if (reader.has('command') === (reader.raw('value') !== undefined))
        reader.problem('value', 'either value or command');
      if (reader.has('command')) checkCommand(reader, 'command');
      checkRenderable(reader, 'workdir');
      checkEnv(reader);
      reader.number('timeoutSeconds', { default: null, min: 0.001 });
    },
  });
}
