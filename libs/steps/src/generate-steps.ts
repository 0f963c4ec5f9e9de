import { type Renderable, type Step, type StepContext, type StepOptions, type StepOutcome } from '@millrace/config';
import { Result } from '@millrace/domain';
import { outputOf } from './command-output.js';
import { checkRenderable, makeStep } from './make-step.js';
import { checkCommand, checkEnv, type CommandLine, type Environment } from './shell.js';

export interface GenerateStepsOptions extends StepOptions {
  /** The command whose standard output (64 kB at most) says which steps there are. */
  readonly command: CommandLine;
  /** Makes the steps from the output. The same output has to make the same steps: an engine that goes on with the build calls it again. */
  readonly steps: (output: string) => readonly Step[];
  /** Default `build`. */
  readonly workdir?: Renderable<string>;
  readonly env?: Environment;
  readonly timeoutSeconds?: number | null;
}

/** Makes a step that runs a command, and adds the steps that are made of its output right after itself. */
export function generateSteps(options: GenerateStepsOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const stdout = await outputOf(step, options, 'no steps added');
    if (typeof stdout !== 'string') return stdout;
    const added = step.addStepsAfterCurrentStep(stdout);
    return { result: Result.SUCCESS, stateString: added === 1 ? '1 step added' : `${added} steps added` };
  };
  return makeStep(generateSteps, options, {
    kind: 'generate-steps',
    run,
    makeSteps: (output) => options.steps(output as string),
    check: (reader) => {
      checkCommand(reader, 'command');
      if (typeof reader.raw('steps') !== 'function')
        reader.problem('steps', 'a function that makes steps of the output');
      checkRenderable(reader, 'workdir');
      checkEnv(reader);
      reader.number('timeoutSeconds', { default: null, min: 0.001 });
    },
  });
}
