import { type Renderable, type Step, type StepContext, type StepOptions, type StepOutcome } from '@millrace/config';
import { Result } from '@millrace/domain';
import { checkRenderable, makeStep } from './make-step.js';
import { endedBecause, resultOf, succeeded } from './outcome.js';
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

const MAX_OUTPUT_CHARS = 65_536;

/** Makes a step that runs a command, and adds the steps that are made of its output right after itself. */
export function generateSteps(options: GenerateStepsOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const outcome = await step.shell({
      command: await step.renderCommand(options.command as Renderable<string | readonly string[]>),
      workdir: await step.renderPath(options.workdir ?? 'build'),
      env: await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>),
      timeoutSeconds: options.timeoutSeconds,
      // One more than allowed, to notice output that is too long: a cut list would be wrong.
      capture: { maxBytes: MAX_OUTPUT_CHARS + 1 },
    });
    const { stdout = '' } = outcome;
    if (!succeeded(outcome))
      return { result: resultOf(outcome), stateString: `no steps added${endedBecause(outcome)}` };
    if (stdout.length > MAX_OUTPUT_CHARS)
      return { result: Result.FAILURE, stateString: 'no steps added: more than 64 kB of output' };
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
