import { UserError } from '@millrace/domain';
import type { CommandName } from './worker-connection.js';
import { FEATURE_OBFUSCATION, type WorkerInfo } from './worker-info.js';
import { builderPath } from './worker-paths.js';

/** A secret on a command line or in the environment: the command gets `value`, headers and logs show `obfuscated`. */
export interface Obfuscated {
  readonly obfuscated: string;
  readonly value: string;
}

export function isObfuscated(value: unknown): value is Obfuscated {
  return (
    typeof value === 'object' &&
    value !== null &&
    'obfuscated' in value &&
    typeof value.obfuscated === 'string' &&
    'value' in value &&
    typeof value.value === 'string'
  );
}

export interface ShellStepCommand {
  readonly command: 'shell';
  /** Below the builder's directory. */
  readonly workdir: string;
  /** Text goes to the shell, a list is run as it is. */
  readonly line: string | readonly (string | Obfuscated)[];
  /** A list is joined with the worker's path separator; null removes the variable; `${NAME}` is the worker's. */
  readonly env?: Readonly<Record<string, string | readonly string[] | Obfuscated | null>>;
  readonly wantStdout?: boolean;
  readonly wantStderr?: boolean;
  readonly logfiles?: Readonly<Record<string, string | { readonly filename: string; readonly follow?: boolean }>>;
  /** Seconds without output; null for no limit. */
  readonly timeoutSeconds?: number | null;
  readonly maxTimeSeconds?: number | null;
  readonly maxLines?: number | null;
  /** When given, SIGTERM is sent first and `interruptSignal` so many seconds later. */
  readonly sigtermTimeSeconds?: number | null;
  readonly interruptSignal?: string;
  readonly usePty?: boolean;
  readonly logEnviron?: boolean;
  readonly initialStdin?: string | null;
}

interface Transfer {
  readonly workdir: string;
  /** Bytes; null for no limit. */
  readonly maxSize?: number | null;
  readonly blockSize?: number;
}

/** What a step wants done, with paths below the builder's directory (absolute ones and `~` are taken as they are). */
export type StepCommand =
  | ShellStepCommand
  | ({ readonly command: 'uploadFile'; readonly source: string; readonly keepStamp?: boolean } & Transfer)
  | ({
      readonly command: 'uploadDirectory';
      readonly source: string;
      readonly compress?: 'gz' | 'bz2' | null;
    } & Transfer)
  | ({ readonly command: 'downloadFile'; readonly destination: string; readonly mode?: number | null } & Transfer)
  | { readonly command: 'mkdir'; readonly dirs: readonly string[] }
  | {
      readonly command: 'rmdir';
      readonly dirs: readonly string[];
      readonly timeoutSeconds?: number | null;
      readonly maxTimeSeconds?: number | null;
    }
  | {
      readonly command: 'cpdir';
      readonly from: string;
      readonly to: string;
      readonly timeoutSeconds?: number | null;
      readonly maxTimeSeconds?: number | null;
    }
  | { readonly command: 'stat' | 'glob' | 'listdir' | 'rmfile'; readonly path: string };

const DEFAULT_BLOCK_SIZE = 262_144;

/** The command's name and arguments for one msgpack worker (`specs/worker-protocol.md` §4.6, §5.2). */
export function msgpackCommand(
  worker: WorkerInfo,
  builddir: string,
  step: StepCommand,
): { name: CommandName; args: Record<string, unknown> } {
  const path = (...parts: string[]): string => builderPath(worker, builddir, ...parts);
  switch (step.command) {
    case 'shell':
      return { name: 'shell', args: shellArguments(worker, path(step.workdir), step) };
    case 'uploadFile':
      return {
        name: 'upload_file',
        args: { path: path(step.workdir, step.source), ...transfer(step), keepstamp: step.keepStamp ?? false },
      };
    case 'uploadDirectory':
      return {
        name: 'upload_directory',
        args: { path: path(step.workdir, step.source), ...transfer(step), compress: step.compress ?? null },
      };
    case 'downloadFile':
      return {
        name: 'download_file',
        args: { path: path(step.workdir, step.destination), ...transfer(step), mode: step.mode ?? null },
      };
    case 'mkdir':
      return { name: 'mkdir', args: { paths: step.dirs.map((dir) => path(dir)) } };
    case 'rmdir':
      return { name: 'rmdir', args: { paths: step.dirs.map((dir) => path(dir)), ...limits(step) } };
    case 'cpdir':
      return { name: 'cpdir', args: { from_path: path(step.from), to_path: path(step.to), ...limits(step) } };
    default:
      return { name: step.command, args: { path: path(step.path) } };
  }
}

function transfer(step: Transfer): Record<string, unknown> {
  return { maxsize: step.maxSize ?? null, blocksize: step.blockSize ?? DEFAULT_BLOCK_SIZE };
}

/** The worker's own default for `timeout` is 120 s without output, and `rm` prints nothing: no limit unless the step says so. */
function limits(step: { timeoutSeconds?: number | null; maxTimeSeconds?: number | null }): Record<string, unknown> {
  return { timeout: step.timeoutSeconds ?? null, maxTime: step.maxTimeSeconds ?? null, logEnviron: false };
}

function shellArguments(worker: WorkerInfo, workdir: string, step: ShellStepCommand): Record<string, unknown> {
  return withoutSecrets(worker, {
    workdir,
    command: step.line,
    env: step.env ?? {},
    want_stdout: step.wantStdout ?? true,
    want_stderr: step.wantStderr ?? true,
    logfiles: step.logfiles ?? {},
    timeout: step.timeoutSeconds ?? null,
    maxTime: step.maxTimeSeconds ?? null,
    max_lines: step.maxLines ?? null,
    sigtermTime: step.sigtermTimeSeconds ?? null,
    interruptSignal: step.interruptSignal ?? 'KILL',
    usePTY: step.usePty ?? false,
    logEnviron: step.logEnviron ?? true,
    initial_stdin: step.initialStdin ?? null,
  });
}

/**
 * The arguments of `shell` for a msgpack worker: one that knows nothing of secrets gets those in the environment as they are, and does not
 * print it.
 * @throws UserError `obfuscation-unsupported` for a secret on the command line, which such a worker would show
 */
export function withoutSecrets(
  worker: WorkerInfo | undefined,
  args: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { command: line, env } = args;
  if (worker?.features.includes(FEATURE_OBFUSCATION)) return { ...args };
  const version = worker?.version ?? 'unknown';
  if (Array.isArray(line) && line.some(isObfuscated)) {
    throw new UserError(
      'obfuscation-unsupported',
      `worker version '${version}' would show the secret on the command line; pass it in the environment instead`,
      { version },
    );
  }
  const variables = typeof env === 'object' && env !== null ? Object.entries(env) : [];
  if (!variables.some(([, value]) => isObfuscated(value))) return { ...args };
  const revealed = variables.map(([name, value]: [string, unknown]) => [
    name,
    isObfuscated(value) ? value.value : value,
  ]);
  return { ...args, env: Object.fromEntries(revealed) as unknown, logEnviron: false };
}
