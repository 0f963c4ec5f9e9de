import {
  type ObjectReader,
  type Renderable,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
} from '@millrace/config';
import { isResult, type Result } from '@millrace/domain';
import { checkRenderable, isRenderable, makeStep } from './make-step.js';
import { endedBecause, resultOf, summaryOf } from './outcome.js';

export type CommandLine = Renderable<string | readonly string[]> | readonly Renderable<string>[];

export interface ShellStepOptions extends StepOptions {
  /** A list is run directly, a string by the worker's shell. */
  readonly command: CommandLine;
  /** `build` by default. */
  readonly workdir?: Renderable<string>;
  readonly env?: Readonly<Record<string, Renderable<string | null>>>;
  /** Ends the command when it prints nothing for so long; 1200 by default, null for no limit. */
  readonly timeoutSeconds?: number | null;
  /** Ends the command when it takes so long in all. */
  readonly maxTimeSeconds?: number;
  /** Asks with TERM first and kills so much later. */
  readonly sigtermTimeSeconds?: number;
  readonly interruptSignal?: string;
  readonly maxLines?: number;
  /** Files that are followed while the command runs: log name → path relative to `workdir`. */
  readonly logfiles?: Readonly<Record<string, string>>;
  /** Exit code → result, for commands that tell warnings apart; others than these are failures. */
  readonly decodeRC?: Readonly<Record<number, Result>>;
  /** Shows the environment in the log; false by default, since environments hold secrets. */
  readonly logEnviron?: boolean;
  readonly usePty?: boolean;
  readonly stdin?: Renderable<string>;
  /** Shown instead of the command's first words. */
  readonly description?: Renderable<string>;
}

export function checkCommand(reader: ObjectReader, key: string): void {
  const value = reader.raw(key);
  if (isRenderable(value)) return;
  if (Array.isArray(value) && value.length > 0 && value.every((part) => part === '' || isRenderable(part))) return;
  reader.problem(key, 'a string, a list of strings or a callback');
}

export function checkEnv(reader: ObjectReader): void {
  reader.record(
    'env',
    (value) => value === null || value === '' || isRenderable(value),
    'a string, null, a template or a callback',
  );
}

/** Runs a command on the worker. */
export function shell(options: ShellStepOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const command = await step.render<string | readonly string[]>(
      options.command as Renderable<string | readonly string[]>,
    );
    const summary = options.description === undefined ? summaryOf(command) : await step.render(options.description);
    step.setState(summary);
    const outcome = await step.shell({
      command,
      workdir: await step.render(options.workdir ?? 'build'),
      env: await step.render<Readonly<Record<string, string | null>>>(
        (options.env ?? {}) as Record<string, string | null>,
      ),
      timeoutSeconds: options.timeoutSeconds,
      maxTimeSeconds: options.maxTimeSeconds,
      sigtermTimeSeconds: options.sigtermTimeSeconds,
      interruptSignal: options.interruptSignal,
      maxLines: options.maxLines,
      logfiles: options.logfiles,
      logEnviron: options.logEnviron,
      usePty: options.usePty,
      ...(options.stdin !== undefined && { stdin: await step.render(options.stdin) }),
    });
    return { result: resultOf(outcome, options.decodeRC), stateString: summary + endedBecause(outcome) };
  };
  return makeStep(shell, options, {
    kind: 'shell',
    run,
    check: (reader) => {
      checkCommand(reader, 'command');
      checkRenderable(reader, 'workdir');
      checkEnv(reader);
      reader.number('timeoutSeconds', { default: null, min: 0.001 });
      for (const key of ['maxTimeSeconds', 'sigtermTimeSeconds', 'maxLines'])
        reader.number(key, { default: null, min: 0.001 });
      reader.text('interruptSignal', { default: 'KILL', expected: "a signal such as 'TERM'" });
      reader.record('logfiles', (value) => typeof value === 'string' && value !== '', 'a path');
      const codes = reader.record('decodeRC', isResult, 'a result such as Result.WARNINGS');
      if (Object.keys(codes).some((code) => !/^-?\d+$/.test(code))) reader.problem('decodeRC', 'exit codes as keys');
      reader.boolean('logEnviron', false);
      reader.boolean('usePty', false);
      if (reader.raw('stdin') !== '') checkRenderable(reader, 'stdin');
      checkRenderable(reader, 'description');
    },
  });
}
