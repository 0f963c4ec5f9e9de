import {
  describeValue,
  type Renderable,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
} from '@millrace/config';
import { type JsonValue, Result } from '@millrace/domain';
import { outputOf } from './command-output.js';
import { checkRenderable, makeStep } from './make-step.js';
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

/** Makes a step that sets a property of the build. */
export function setProperty(options: SetPropertyOptions): Step {
  const { property } = options;
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const stateString = `property '${property}' set`;
    if (options.command === undefined) {
      step.properties.set(property, await step.render<JsonValue>(options.value ?? null));
      return { result: Result.SUCCESS, stateString };
    }
    const stdout = await outputOf(step, { ...options, command: options.command }, `property '${property}' not set`);
    if (typeof stdout !== 'string') return stdout;
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
