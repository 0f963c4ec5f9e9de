import {
  describeValue,
  type ObjectReader,
  type Renderable,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
  templateOf,
} from '@millrace/config';
import { commandPlaceholders, isResult, messageOf, type Result } from '@millrace/domain';
import { checkRenderable, isRenderable, makeStep } from './make-step.js';
import { isObfuscated, type Obfuscated, withoutSecrets } from './obfuscated.js';
import { endedBecause, resultOf, summaryOf } from './outcome.js';

export type CommandLine = Renderable<string | readonly string[]> | readonly (Renderable<string> | Obfuscated)[];
/** Environment variables. Null removes a variable. */
export type Environment = Readonly<Record<string, Renderable<string | null> | Obfuscated>>;

export interface ShellStepOptions extends StepOptions {
  /** A list is run directly, a string by the worker's shell, with every value quoted (except `%(raw:prop:NAME)s`). */
  readonly command: CommandLine;
  /** Default `build`. */
  readonly workdir?: Renderable<string>;
  readonly env?: Environment;
  /** Ends the command when it prints nothing for this long. Default 1200; null for no limit. */
  readonly timeoutSeconds?: number | null;
  /** Ends the command when it takes longer than this in total. */
  readonly maxTimeSeconds?: number;
  /** Sends TERM first, and kills this much later. */
  readonly sigtermTimeSeconds?: number;
  readonly interruptSignal?: string;
  readonly maxLines?: number;
  /** Files that are watched while the command runs: paths relative to `workdir`, by log name. With `follow`, only added text is logged. */
  readonly logfiles?: Readonly<Record<string, string | { readonly filename: string; readonly follow?: boolean }>>;
  /** Results by exit code, for commands that distinguish warnings. Other exit codes are failures. */
  readonly decodeRC?: Readonly<Record<number, Result>>;
  /** Show the environment in the log. Default false, because environments contain secrets. */
  readonly logEnviron?: boolean;
  readonly usePty?: boolean;
  readonly stdin?: Renderable<string>;
  /** Shown instead of the command's first words. */
  readonly description?: Renderable<string>;
}

export function checkCommand(reader: ObjectReader, key: string): void {
  const value = reader.raw(key);
  if (isRenderable(value)) return checkTemplate(reader, key, value);
  if (Array.isArray(value) && value.length > 0 && value.every((part) => part === '' || isWord(part))) return;
  const shown = value === undefined ? undefined : withoutSecrets(describeValue(value));
  reader.into.add(reader.at(key), shown, 'a string, a list of strings or a callback', reader.where);
}

/** Adds a note which values are quoted for the shell and which are not, if there are any. */
function checkTemplate(reader: ObjectReader, key: string, value: unknown): void {
  const template = templateOf(value);
  if (!template) return;
  let found: ReturnType<typeof commandPlaceholders>;
  try {
    found = commandPlaceholders(template.text, template.rules);
  } catch (error) {
    reader.problem(key, 'a command for a shell', `${reader.at(key)}: ${messageOf(error)}`);
    return;
  }
  const { quoted, raw, problem } = found;
  if (problem !== null) reader.problem(key, 'a command for a shell', `${reader.at(key)}: ${problem}`);
  const said = [
    ...(quoted.length > 0 ? [`the shell gets ${[...new Set(quoted)].join(', ')} quoted, as one word each`] : []),
    ...(raw.length > 0 ? [`the shell reads what is in ${[...new Set(raw)].join(', ')}, as you have asked for`] : []),
  ];
  if (said.length > 0) reader.into.note(reader.at(key), `is a string: ${said.join('; ')}`, reader.where);
}

export function checkEnv(reader: ObjectReader): void {
  reader.record(
    'env',
    (value) => value === null || value === '' || isWord(value),
    'a string, null, a template or a callback',
  );
}

function isWord(value: unknown): boolean {
  return isObfuscated(value) ? value.value === '' || isRenderable(value.value) : isRenderable(value);
}

function isLogFile(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'string' && value !== '';
  const { filename, follow = false, ...rest } = value as Readonly<Record<string, unknown>>;
  return (
    typeof filename === 'string' && filename !== '' && typeof follow === 'boolean' && Object.keys(rest).length === 0
  );
}

/** Makes a step that runs a command on the worker. */
export function shell(options: ShellStepOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    // `StepContext` takes text only; secrets and `follow` are passed to the worker unchanged.
    const command = await step.renderCommand(options.command as Renderable<string | readonly string[]>);
    const summary = options.description === undefined ? summaryOf(command) : await step.render(options.description);
    step.setState(summary);
    const outcome = await step.shell({
      command,
      workdir: await step.renderPath(options.workdir ?? 'build'),
      env: await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>),
      timeoutSeconds: options.timeoutSeconds,
      maxTimeSeconds: options.maxTimeSeconds,
      sigtermTimeSeconds: options.sigtermTimeSeconds,
      interruptSignal: options.interruptSignal,
      maxLines: options.maxLines,
      logfiles: options.logfiles as Readonly<Record<string, string>> | undefined,
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
      reader.record('logfiles', isLogFile, 'a path or { filename, follow? }');
      const codes = reader.record('decodeRC', isResult, 'a result such as Result.WARNINGS');
      if (Object.keys(codes).some((code) => !/^-?\d+$/.test(code))) reader.problem('decodeRC', 'exit codes as keys');
      reader.boolean('logEnviron', false);
      reader.boolean('usePty', false);
      if (reader.raw('stdin') !== '') checkRenderable(reader, 'stdin');
      checkRenderable(reader, 'description');
    },
  });
}
