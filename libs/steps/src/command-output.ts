import type { Renderable, StepContext, StepOutcome } from '@millrace/config';
import { Result } from '@millrace/domain';
import { endedBecause, resultOf, succeeded } from './outcome.js';
import type { CommandLine, Environment } from './shell.js';

const MAX_OUTPUT_CHARS = 65_536;

export interface OutputOptions {
  readonly command: CommandLine;
  readonly workdir?: Renderable<string>;
  readonly env?: Environment;
  readonly timeoutSeconds?: number | null;
}

/**
 * Runs a command for its standard output, of at most 64 kB.
 * @param failed what a step says when there is none
 * @returns the output, or how the step ends without it
 */
export async function outputOf(
  step: StepContext,
  options: OutputOptions,
  failed: string,
): Promise<string | StepOutcome> {
  const outcome = await step.shell({
    command: await step.renderCommand(options.command as Renderable<string | readonly string[]>),
    workdir: await step.renderPath(options.workdir ?? 'build'),
    env: await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>),
    timeoutSeconds: options.timeoutSeconds,
    // One more than allowed, to notice output that is too long: what is cut would be wrong.
    capture: { maxBytes: MAX_OUTPUT_CHARS + 1 },
  });
  const { stdout = '' } = outcome;
  if (!succeeded(outcome)) return { result: resultOf(outcome), stateString: `${failed}${endedBecause(outcome)}` };
  if (stdout.length > MAX_OUTPUT_CHARS)
    return { result: Result.FAILURE, stateString: `${failed}: more than 64 kB of output` };
  return stdout;
}
