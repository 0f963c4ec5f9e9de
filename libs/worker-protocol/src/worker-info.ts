import { isRecord } from './frame.js';

/** What a worker says about itself when it attaches (`specs/worker-protocol.md` §2.3). */
export interface WorkerInfo {
  /** The files of its `info` directory and the `os_…` keys, as they came. */
  readonly texts: Readonly<Record<string, string>>;
  readonly environ: Readonly<Record<string, string>>;
  readonly system: 'posix' | 'nt';
  readonly basedir: string;
  readonly numCpus: number | null;
  readonly version: string;
  /** Command name to command version. */
  readonly commands: Readonly<Record<string, string>>;
  readonly deleteLeftoverDirs: boolean;
  /** What our worker can do beyond the stock one; empty for that. */
  readonly features: readonly string[];
  /** Ids of commands that the worker holds: they run, or ended with something that no master has acknowledged. Only our worker knows. */
  readonly runningCommands: readonly string[];
  /** The same for as long as the worker's process lives, and with it what it holds; null for stock workers. */
  readonly incarnation: string | null;
}

/** Commands may carry {@link Obfuscated} values. */
export const FEATURE_OBFUSCATION = 'obfuscation';
/** Commands outlive connections: updates are numbered, and `resume_command` and `forget_command` are understood. */
export const FEATURE_RESUME = 'resume';

const OWN_KEYS = new Set(['system', 'basedir', 'version', 'incarnation']);

/** Reads the answer to `get_worker_info`. Nothing in it is certain but that it is a map: workers differ by version and by what is in `info/`. */
export function parseWorkerInfo(answer: Readonly<Record<string, unknown>>): WorkerInfo {
  return {
    texts: texts(Object.fromEntries(Object.entries(answer).filter(([key]) => !OWN_KEYS.has(key)))),
    environ: texts(answer['environ']),
    system: answer['system'] === 'nt' ? 'nt' : 'posix',
    basedir: typeof answer['basedir'] === 'string' ? answer['basedir'] : '',
    numCpus: typeof answer['numcpus'] === 'number' ? answer['numcpus'] : null,
    version: typeof answer['version'] === 'string' ? answer['version'] : '',
    commands: texts(answer['worker_commands']),
    deleteLeftoverDirs: Boolean(answer['delete_leftover_dirs']),
    features: list(answer['millrace_features']),
    runningCommands: list(answer['running_commands']),
    incarnation: typeof answer['incarnation'] === 'string' ? answer['incarnation'] : null,
  };
}

function texts(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
