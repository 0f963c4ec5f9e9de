import { isRecord } from './frame.js';
import { WORKER_LIMITS } from './limits.js';

/** A worker's information about itself when it attaches (`docs/protocols.md#what-a-worker-says-of-itself`). */
export interface WorkerInfo {
  /** The files of the worker's `info` directory and the `os_…` keys, unchanged. */
  readonly texts: Readonly<Record<string, string>>;
  readonly environ: Readonly<Record<string, string>>;
  readonly system: 'posix' | 'nt';
  readonly basedir: string;
  readonly numCpus: number | null;
  readonly version: string;
  /** Command versions by command name. */
  readonly commands: Readonly<Record<string, string>>;
  readonly deleteLeftoverDirs: boolean;
  /** Abilities of our worker beyond the stock one; empty for a stock worker. */
  readonly features: readonly string[];
  /**
   * Ids of commands that the worker holds: running ones, and ended ones with updates that no master has acknowledged. Empty for stock
   * workers.
   */
  readonly runningCommands: readonly string[];
  /** Identifies the worker's process, and with it the commands it holds. Null for stock workers. */
  readonly incarnation: string | null;
}

/** Commands may carry {@link Obfuscated} values. */
export const FEATURE_OBFUSCATION = 'obfuscation';
/** Commands outlive connections: updates are numbered, and `resume_command` and `forget_command` are understood. */
export const FEATURE_RESUME = 'resume';

/** The key under which a worker's page says that information was left out. */
const NOTE_KEY = 'left_out';
const OWN_KEYS = new Set(['system', 'basedir', 'version', 'incarnation']);

/** Reads the answer to `get_worker_info`. Only that it is a map is certain: workers differ by version and by what is in `info/`. */
export function parseWorkerInfo(answer: Readonly<Record<string, unknown>>): WorkerInfo {
  const own = (key: string, maxCharacters: number): string | null => {
    const value = Object.hasOwn(answer, key) ? answer[key] : null;
    return typeof value === 'string' && value.length <= maxCharacters ? value : null;
  };
  const { numcpus } = answer;
  return {
    texts: infoTexts(answer),
    environ: texts(answer['environ'], WORKER_LIMITS.environNames, WORKER_LIMITS.environCharacters),
    system: answer['system'] === 'nt' ? 'nt' : 'posix',
    basedir: own('basedir', WORKER_LIMITS.pathCharacters) ?? '',
    numCpus: typeof numcpus === 'number' && Number.isSafeInteger(numcpus) && numcpus >= 0 ? numcpus : null,
    version: own('version', WORKER_LIMITS.versionCharacters) ?? '',
    commands: texts(answer['worker_commands'], WORKER_LIMITS.commandVersions, WORKER_LIMITS.environCharacters),
    deleteLeftoverDirs: Boolean(answer['delete_leftover_dirs']),
    features: list(answer['millrace_features'], WORKER_LIMITS.features),
    runningCommands: list(answer['running_commands'], WORKER_LIMITS.heldCommands),
    incarnation: own('incarnation', WORKER_LIMITS.idBytes),
  };
}

/** Returns the texts that people read, the shortest first, so that an oversized text displaces no other. */
function infoTexts(answer: Readonly<Record<string, unknown>>): Record<string, string> {
  const { infoTexts: most, infoKeyCharacters, infoTextCharacters, infoCharacters } = WORKER_LIMITS;
  const all = Object.entries(answer).filter(
    (entry): entry is [string, string] => !OWN_KEYS.has(entry[0]) && typeof entry[1] === 'string',
  );
  const fitting = all.filter(([key, text]) => key.length <= infoKeyCharacters && text.length <= infoTextCharacters);
  const kept: [string, string][] = [];
  let room = infoCharacters;
  for (const [key, text] of fitting.sort((one, other) => one[1].length - other[1].length)) {
    room -= key.length + text.length;
    if (kept.length === most || room < 0) break;
    kept.push([key, text]);
  }
  const names = new Set(kept.map(([key]) => key));
  const left = all.length - kept.length;
  return {
    ...Object.fromEntries(all.filter(([key]) => names.has(key))),
    ...(left > 0 && { [NOTE_KEY]: `${left} entries are left out, because they are too long or too many` }),
  };
}

/** Returns at most `most` texts that fit into `maxCharacters`, in their order. */
function texts(value: unknown, most: number, maxCharacters: number): Record<string, string> {
  if (!isRecord(value)) return {};
  const kept: [string, string][] = [];
  let room = maxCharacters;
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string' || key.length + text.length > room) continue;
    if (kept.length === most) break;
    room -= key.length + text.length;
    kept.push([key, text]);
  }
  return Object.fromEntries(kept);
}

function list(value: unknown, most: number): string[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, most)
    .filter((item): item is string => typeof item === 'string' && item.length <= WORKER_LIMITS.idBytes);
}
