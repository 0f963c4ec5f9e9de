import { UserError } from '@millrace/domain';

/**
 * Limits of what a worker or a relay may send: per session, per message and per command. A message beyond a session's limits ends the
 * connection. A command beyond its limits fails with {@link overLimit}.
 */
export const WORKER_LIMITS = {
  /** One message, in either protocol. */
  messageBytes: 16 << 20,
  /** One message before the worker has attached. */
  attachMessageBytes: 1 << 20,
  /** All bytes read from a PB connection before its login is accepted. */
  loginBytes: 64 << 10,
  nameCharacters: 190,
  passwordCharacters: 4096,
  /** A command's id, or the name of an operation. */
  idBytes: 200,
  /** Updates in one message: twice the number of characters in a stock worker's buffer. */
  updates: 1 << 17,
  /** A log's name. The database column has this length. */
  logNameCharacters: 190,
  /** Logs of one step, and therefore of one command. */
  logs: 200,
  /** Unterminated lines held for all streams of one command together. */
  openLineCharacters: 8 << 20,
  /** Names that `glob` or `listdir` may return. */
  files: 100_000,
  filesCharacters: 4 << 20,
  statFields: 32,
  /** Longer reasons are cut. */
  reasonCharacters: 200,
  failureCharacters: 4000,
  /** Commands of earlier sessions that one attach may list. The rest is asked for when the worker attaches again. */
  heldCommands: 1000,
  /** Texts of a worker's information that people read. The ones beyond these limits are left out, and a note says so. */
  infoTexts: 64,
  infoKeyCharacters: 100,
  infoTextCharacters: 2000,
  infoCharacters: 8 << 10,
  environNames: 2000,
  environCharacters: 256 << 10,
  commandVersions: 200,
  features: 50,
  pathCharacters: 4096,
  versionCharacters: 100,
  /** Objects of ours that a PB worker may hold references to. */
  exposedObjects: 10_000,
  /** A relay's opening of a channel. */
  openingBytes: 16 << 10,
  authorizationCharacters: 8 << 10,
  addressCharacters: 64,
} as const;

const LIMIT_CODE = 'worker-limit';

/** Returns the error of a command that sent more than its limits allow. The command fails, the worker stays connected. */
export function overLimit(what: string, limit: number): UserError {
  return new UserError(LIMIT_CODE, `${what}: at most ${limit} are allowed`, { limit });
}

export function isOverLimit(error: unknown): error is UserError {
  return error instanceof UserError && error.code === LIMIT_CODE;
}

/** Returns the beginning of a text as a copy. A slice would keep the whole text in memory. */
export function cut(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  return `${Buffer.from(text.slice(0, maxCharacters - 1), 'utf16le').toString('utf16le')}…`;
}

/**
 * Checks the length of a log's name.
 * @throws UserError as `overLimit`
 */
export function checkedLogName(name: string): string {
  const { logNameCharacters } = WORKER_LIMITS;
  if (name.length > logNameCharacters) {
    throw overLimit(`a log's name has ${name.length} characters ('${cut(name, 40)}')`, logNameCharacters);
  }
  return name;
}

/**
 * Counts the names that `files` lists.
 * @throws UserError as `overLimit`
 */
export class FilesLimit {
  private characters = 0;

  /** @param count how many names are about to be added */
  constructor(count: number) {
    if (count > WORKER_LIMITS.files) throw overLimit(`a list of ${count} files`, WORKER_LIMITS.files);
  }

  add(file: string): string {
    this.characters += file.length;
    if (this.characters > WORKER_LIMITS.filesCharacters) {
      throw overLimit('characters in a list of files', WORKER_LIMITS.filesCharacters);
    }
    return file;
  }
}

/**
 * Counts the different logs of one step.
 * @throws UserError as `overLimit`
 */
export class LogsLimit {
  private readonly names = new Set<string>();

  add(name: string): void {
    if (this.names.has(name)) return;
    checkedLogName(name);
    if (this.names.size >= WORKER_LIMITS.logs) throw overLimit('more logs than a step may have', WORKER_LIMITS.logs);
    this.names.add(name);
  }
}
