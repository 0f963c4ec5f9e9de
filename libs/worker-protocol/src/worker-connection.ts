import type { WorkerInfo } from './worker-info.js';

/** The sending side of a session's connection. Frames given to `send` are delivered whole and in order, or the connection closes. */
export interface Transport {
  send(frame: Uint8Array): void;
  close(reason: string): void;
  /** Bytes that were sent but have not left this process. */
  bufferedBytes(): number;
}

/** A connection is closed when more unsent bytes than this wait for the other side to read. */
export const MAX_UNSENT_BYTES = 64 << 20;
export const TAKES_TOO_LITTLE = `it does not take what it asks for: more than ${MAX_UNSENT_BYTES} bytes wait`;

/** The eleven commands of a worker, by their names in the msgpack protocol. */
export const COMMAND_NAMES = [
  'shell',
  'upload_file',
  'upload_directory',
  'download_file',
  'mkdir',
  'rmdir',
  'cpdir',
  'stat',
  'glob',
  'listdir',
  'rmfile',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

/** One thing that a running command reports. `text` is whole lines, each ending in `\n`; `times` has one Unix time (seconds) per line. */
export type CommandUpdate =
  | { readonly kind: 'stdout' | 'stderr' | 'header'; readonly text: string; readonly times?: readonly number[] }
  | { readonly kind: 'log'; readonly name: string; readonly text: string; readonly times?: readonly number[] }
  | { readonly kind: 'rc'; readonly rc: number }
  | { readonly kind: 'elapsed'; readonly seconds: number }
  | { readonly kind: 'failure_reason'; readonly reason: string }
  | { readonly kind: 'files'; readonly files: readonly string[] }
  /** mode, ino, dev, nlink, uid, gid, size, atime, mtime, ctime. */
  | { readonly kind: 'stat'; readonly stat: readonly (number | bigint)[] };

/** Receives the updates and file data of one command. When a method fails, the command is interrupted and its outcome is that error. */
export interface CommandSink {
  /**
   * Stores the updates of one message. Called in order, without waiting for earlier calls to finish. The worker gets its acknowledgement
   * only when the promise resolves (I8).
   *
   * `number` counts the messages of this command from 1 over all connections; a message whose number was stored already is a repetition. It
   * is null for workers that cannot resume.
   */
  updates(batch: readonly CommandUpdate[], number: number | null): Promise<void> | void;
  /**
   * Records the outcome, after everything else was handed over to be stored. A worker that can resume drops the outcome only when the
   * promise resolves and everything is stored. When either fails, so does the command, and the worker keeps the outcome until it is resumed
   * or forgotten.
   */
  completed?(outcome: CommandOutcome): Promise<void>;
  writeUpload?(block: Uint8Array): Promise<void>;
  closeUpload?(): Promise<void>;
  /** Sets the times of the uploaded file, as Unix times in seconds. Called after `closeUpload`. */
  uploadTimes?(accessTime: number, modifiedTime: number): Promise<void>;
  writeDirectory?(block: Uint8Array): Promise<void>;
  /** Unpacks the uploaded archive. It may be incomplete or malicious: unpack it defensively. */
  unpackDirectory?(): Promise<void>;
  /** Returns at most `length` bytes; empty at the end of the file. */
  readDownload?(length: number): Promise<Uint8Array>;
  closeDownload?(): Promise<void>;
}

/**
 * How a command ended. A failure takes precedence over `rc` (`docs/protocols.md#the-end-of-a-command`). With neither, the command is
 * cancelled if it was interrupted, otherwise failed.
 */
export interface CommandOutcome {
  /** Exit status or errno; −1 when killed. */
  readonly rc: number | null;
  readonly failure: string | null;
  /** `timeout`, `timeout_without_output` or `max_lines_failure`. */
  readonly failureReason: string | null;
  readonly elapsedSeconds: number | null;
  readonly files?: readonly string[];
  readonly stat?: readonly (number | bigint)[];
}

export interface WorkerSettings {
  /** Most characters of output that a worker gathers before it sends them. */
  readonly bufferSize: number;
  /** Longest time that output waits before it is sent. */
  readonly bufferTimeoutSeconds: number;
  /** A Python regular expression for line breaks. */
  readonly newlinePattern: string;
  readonly maxLineLength: number;
}

/**
 * The settings that masters send by default. The master splits long lines itself, because the stock worker loses characters of lines that
 * it splits (`docs/protocols.md#long-lines`).
 */
export const DEFAULT_WORKER_SETTINGS: WorkerSettings = {
  bufferSize: 65_536,
  bufferTimeoutSeconds: 0.1,
  newlinePattern: '(\\r\\n|\\r(?=.)|\\033\\[u|\\033\\[[0-9]+;[0-9]+[Hf]|\\033\\[2J|\\x08+)',
  maxLineLength: 1_048_576,
};

/**
 * One attached worker, in either protocol. The owner of the socket feeds it with `receive` and `closed`.
 *
 * When the connection is lost, everything outstanding is rejected with OperationalError `worker-lost`.
 */
export interface WorkerConnection {
  /** The worker's information, known after `attach`. */
  readonly info: WorkerInfo;
  attach(settings?: Partial<WorkerSettings>): Promise<WorkerInfo>;
  /**
   * Runs a command to its end. `id` must never have been used for this worker before (a UUID): commands outlive connections. Rejects with
   * UserError `command-refused` when the worker does not start it, and with the sink's error when the sink failed.
   */
  startCommand(
    id: string,
    name: CommandName,
    args: Readonly<Record<string, unknown>>,
    sink: CommandSink,
  ): Promise<CommandOutcome>;
  /**
   * Takes over a command that the worker holds (`info.runningCommands`): its events so far, every unacknowledged update with its old
   * number, and whatever follows. An earlier call for the same command on this connection rejects with OperationalError `command-resumed`.
   * Rejects with UserError `command-unknown` when the worker does not hold it, `not-resumable` when the worker cannot hold commands.
   */
  resumeCommand(id: string, sink: CommandSink): Promise<CommandOutcome>;
  /**
   * Interrupts a command if it runs, and makes the worker drop what it holds of it. Resolves when the worker has been told. Unknown ids are
   * no error.
   */
  forget(id: string): Promise<void>;
  /**
   * Interrupts a command. Resolves when the worker has been told; the command's own promise tells when it has ended. Unknown ids are no
   * error.
   */
  interrupt(id: string, why: string): Promise<void>;
  ping(): Promise<void>;
  print(message: string): Promise<void>;
  keepalive(): Promise<void>;
  /** Ends the worker process. */
  shutdown(): Promise<void>;

  receive(frame: Uint8Array): void;
  /**
   * Bytes of updates received and not yet acknowledged. The owner stops reading the socket above a high-water mark and goes on below a low
   * one.
   */
  readonly unacknowledgedBytes: number;
  /** Called after every change of `unacknowledgedBytes`. */
  onUnacknowledged?: (bytes: number) => void;
  closed(reason: string): void;
}
