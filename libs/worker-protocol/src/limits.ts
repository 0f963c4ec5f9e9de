import { UserError } from '@millrace/domain';

/**
 * The most that a worker, or a relay, may say: of a session, of a message, of a command. Messages beyond what a session allows end the connection;
 * what is beyond the limits of a command fails that command, with {@link overLimit}.
 */
export const WORKER_LIMITS = {
  /** One message, of either protocol. */
  messageBytes: 16 << 20,
  /** One message before the worker has said what it is. */
  attachMessageBytes: 1 << 20,
  /** All that is read of a connection over PB before its login is accepted. */
  loginBytes: 64 << 10,
  nameCharacters: 190,
  passwordCharacters: 4096,
  /** A command's id, an operation. */
  idBytes: 200,
  /** Updates in one message: one for each character of a stock worker's buffer, and as many again. */
  updates: 1 << 17,
  /** A log's name, as far as the database takes it. */
  logNameCharacters: 190,
  /** Logs of one step, and so of one command. */
  logs: 200,
  /** Lines without an end that are held for all streams of a command together. */
  openLineCharacters: 8 << 20,
  /** Names that `glob` and `listdir` find. */
  files: 100_000,
  filesCharacters: 4 << 20,
  statFields: 32,
  /** What is longer is cut. */
  reasonCharacters: 200,
  failureCharacters: 4000,
  /** Commands of an earlier session that a worker may say it holds; of more it is asked when it comes again. */
  heldCommands: 1000,
  /** What it says of itself that people read: beyond these it is left out, with a note. */
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
  /** Objects of ours that a worker over PB may hold. */
  exposedObjects: 10_000,
  /** What a relay says when it opens a channel. */
  openingBytes: 16 << 10,
  authorizationCharacters: 8 << 10,
  addressCharacters: 64,
} as const;

const LIMIT_CODE = 'worker-limit';

/** A command says more than it may: it fails with this, and its worker stays. */
export function overLimit(what: string, limit: number): UserError {
  return new UserError(LIMIT_CODE, `${what}: at most ${limit} are allowed`, { limit });
}

export function isOverLimit(error: unknown): error is UserError {
  return error instanceof UserError && error.code === LIMIT_CODE;
}

/** The beginning of a text, as a copy: a slice would keep all of the text in memory for as long as it lives itself. */
export function cut(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  return `${Buffer.from(text.slice(0, maxCharacters - 1), 'utf16le').toString('utf16le')}…`;
}

/** @throws UserError as `overLimit` */
export function checkedLogName(name: string): string {
  const { logNameCharacters } = WORKER_LIMITS;
  if (name.length > logNameCharacters) {
    throw overLimit(`a log's name has ${name.length} characters ('${cut(name, 40)}')`, logNameCharacters);
  }
  return name;
}

/** Counts what `files` lists. @throws UserError as `overLimit` */
export class FilesLimit {
  private characters = 0;

  /** @param count how many there are to come */
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

/** Counts the different logs of one step. @throws UserError as `overLimit` */
export class LogsLimit {
  private readonly names = new Set<string>();

  add(name: string): void {
    if (this.names.has(name)) return;
    checkedLogName(name);
    if (this.names.size >= WORKER_LIMITS.logs) throw overLimit('more logs than a step may have', WORKER_LIMITS.logs);
    this.names.add(name);
  }
}
