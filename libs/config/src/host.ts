import { Worker } from 'node:worker_threads';
import type { CompiledConfig } from '@millrace/contracts';
import { type JsonValue, messageOf, OperationalError } from '@millrace/domain';
import type { NamedVariables, WorkerDigests } from './compile.js';
import type { GitAccess } from './git-ssh.js';
import { type HostMessage, type HostRevision, type HostThreadData, received } from './host-messages.js';
import type { ConfigSnapshot } from './load.js';
import { ConfigError } from './problems.js';

export interface ConfigHostOptions {
  /** Called when a callback has kept its thread busy for this long, once per call. */
  readonly onStall?: (handle: string, ms: number) => void;
  readonly stallAfterMs?: number;
  /** Limit for loading the file, including code at its top level. */
  readonly loadTimeoutMs?: number;
}

interface QueuedCall {
  readonly handle: string;
  readonly args: readonly JsonValue[];
  readonly timeoutMs: number;
  readonly freshThread: boolean;
  readonly resolve: (value: JsonValue) => void;
  readonly reject: (error: Error) => void;
}

/** Memory limit of the thread. A callback that exceeds it ends its thread, not the master. */
const MEMORY_MB = 512;
/** Most that the process may grow while a callback runs. V8's limit does not include buffers. */
const GROWTH_BYTES = 2 * MEMORY_MB * 1024 * 1024;
const WATCH_MEMORY_MS = 50;

const DEFAULTS = { stallAfterMs: 1_000, loadTimeoutMs: 60_000 };

/**
 * A configuration file, loaded in a thread of its own that keeps its callbacks. Calls run one at a time, in the order in which they were
 * made. A call that exceeds its time, calls `process.exit` or throws outside of the call costs only that thread. The thread is replaced
 * from the snapshot, so the configuration stays the same even if the files have changed, and the waiting calls go on.
 */
export class ConfigHost {
  private readonly queue: QueuedCall[] = [];
  private running = false;
  private closed = false;
  private nextId = 1;

  private constructor(
    readonly file: string,
    private readonly options: ConfigHostOptions,
    private readonly loaded: HostRevision,
    private thread: Worker | null,
  ) {
    if (thread) this.adopt(thread);
  }

  /**
   * Loads a configuration file in a new thread.
   * @param snapshot the files as they were loaded earlier, instead of as they are
   * @throws ConfigError `bad-config`
   */
  static async start(
    file: string,
    options: ConfigHostOptions = {},
    snapshot: ConfigSnapshot | null = null,
  ): Promise<ConfigHost> {
    const { thread, revision } = await startThread({ file, snapshot }, options);
    return new ConfigHost(file, options, revision, thread);
  }

  get revision(): CompiledConfig {
    return this.loaded.revision;
  }

  get fingerprint(): string {
    return this.loaded.fingerprint;
  }

  get builderFingerprints(): Readonly<Record<string, string>> {
    return this.loaded.builderFingerprints;
  }

  get workerDigests(): WorkerDigests {
    return this.loaded.workerDigests;
  }

  get variables(): NamedVariables {
    return this.loaded.variables;
  }

  /** What gives access to repositories, by the name of the change source. */
  get gitAccesses(): ReadonlyMap<string, GitAccess> {
    return this.loaded.gitAccesses;
  }

  /** Secrets of hooks by the hook's name. */
  get hookSecrets(): ReadonlyMap<string, string> {
    return this.loaded.hookSecrets;
  }

  /** The loaded files, with which the same configuration can be loaded elsewhere, for example in runner threads. */
  get snapshot(): ConfigSnapshot {
    return this.loaded.snapshot;
  }

  /**
   * Calls a callback by its handle. `timeoutMs` counts from the beginning of this call, not while earlier calls run. With `freshThread` the
   * call cannot fail because of what earlier calls left behind.
   *
   * @throws OperationalError `callback-timeout`, `callback-failed` (it threw; the message is its own), `callback-died`
   */
  call(
    handle: string,
    args: readonly JsonValue[],
    { timeoutMs, freshThread = false }: { readonly timeoutMs: number; readonly freshThread?: boolean },
  ): Promise<JsonValue> {
    return new Promise((resolve, reject) => {
      this.queue.push({ handle, args, timeoutMs, freshThread, resolve, reject });
      void this.work();
    });
  }

  /** Returns a new host with the current file. This host stays unchanged, and its owner has to close it. Rejects for a bad file. */
  async reload(): Promise<ConfigHost> {
    return await ConfigHost.start(this.file, this.options);
  }

  /** Ends the thread at once, whatever it is doing. */
  async close(): Promise<void> {
    this.closed = true;
    const thread = this.thread;
    this.thread = null;
    await thread?.terminate();
    for (const call of this.queue.splice(0)) call.reject(closedError());
  }

  /** Takes over a thread. It may also die between calls, because of what an earlier call left behind. */
  private adopt(thread: Worker): void {
    this.thread = thread;
    thread.once('exit', () => {
      if (this.thread === thread) this.thread = null;
    });
  }

  private async work(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let call = this.queue.shift(); call; call = this.queue.shift()) {
      try {
        call.resolve(await this.run(call));
      } catch (error) {
        call.reject(error instanceof Error ? error : new OperationalError('callback-died', messageOf(error)));
      }
    }
    this.running = false;
  }

  private async run(call: QueuedCall): Promise<JsonValue> {
    if (this.closed) throw closedError();
    if (call.freshThread && this.thread) await this.retire(this.thread);
    if (!this.thread) {
      const { thread } = await startThread({ file: this.file, snapshot: this.loaded.snapshot }, this.options);
      if (this.closed) {
        await thread.terminate();
        throw closedError();
      }
      this.adopt(thread);
    }
    const thread = this.thread!;
    try {
      return await this.runIn(thread, call);
    } catch (error) {
      if (this.closed) throw closedError();
      const isUsable = error instanceof OperationalError && error.code === 'callback-failed';
      if (!isUsable && this.thread === thread) await this.retire(thread);
      throw error;
    }
  }

  private async retire(thread: Worker): Promise<void> {
    this.thread = null;
    await thread.terminate();
  }

  private runIn(thread: Worker, { handle, args, timeoutMs }: QueuedCall): Promise<JsonValue> {
    const { onStall, stallAfterMs = DEFAULTS.stallAfterMs } = this.options;
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const startedAt = performance.now();
      const stall = setTimeout(() => onStall?.(handle, Math.round(performance.now() - startedAt)), stallAfterMs);
      const timeout = setTimeout(
        () =>
          settle(() =>
            reject(
              new OperationalError('callback-timeout', `'${handle}' ran for more than ${timeoutMs} ms`, {
                handle,
                timeoutMs,
              }),
            ),
          ),
        timeoutMs,
      );
      const bytesBefore = process.memoryUsage.rss();
      const memory = setInterval(() => {
        if (process.memoryUsage.rss() - bytesBefore <= GROWTH_BYTES) return;
        const message = `'${handle}' needs more memory than the ${MEMORY_MB} MB that it may have`;
        settle(() => reject(new OperationalError('callback-died', message, { handle })));
      }, WATCH_MEMORY_MS);
      const settle = (how: () => void) => {
        clearTimeout(stall);
        clearInterval(memory);
        clearTimeout(timeout);
        thread.off('message', onMessage).off('error', onError).off('exit', onExit);
        how();
      };
      const onMessage = (message: HostMessage) => {
        if (message.kind === 'returned' && message.id === id) settle(() => resolve(message.value));
        if (message.kind === 'threw' && message.id === id)
          settle(() => reject(received(message.error, `'${handle}' threw`)));
      };
      const onError = (error: unknown) =>
        settle(() =>
          reject(
            new OperationalError('callback-died', `'${handle}' threw out of band: ${messageOf(error)}`, { handle }),
          ),
        );
      const onExit = (code: number) =>
        settle(() =>
          reject(
            new OperationalError('callback-died', `the configuration's thread ended with ${code} during '${handle}'`, {
              handle,
            }),
          ),
        );
      thread.on('message', onMessage).on('error', onError).on('exit', onExit);
      thread.postMessage({ id, handle, args });
    });
  }
}

function closedError(): OperationalError {
  return new OperationalError('config-host-closed', 'the configuration host is closed');
}

/**
 * Starts a thread that loads the configuration.
 * @throws ConfigError `bad-config`, also when loading does not end
 */
function startThread(
  data: HostThreadData,
  { loadTimeoutMs = DEFAULTS.loadTimeoutMs }: ConfigHostOptions,
): Promise<{ thread: Worker; revision: HostRevision }> {
  const thread = new Worker(new URL('./host-thread.js', import.meta.url), {
    workerData: data,
    name: 'config-host',
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(timeout);
      void thread.terminate();
      reject(error);
    };
    const broken = (message: string) =>
      fail(
        new ConfigError([
          { path: '', expected: 'a file that runs', message: `${data.file} ${message}`, file: data.file },
        ]),
      );
    const timeout = setTimeout(() => broken(`was not loaded within ${loadTimeoutMs} ms`), loadTimeoutMs);
    // The error listener stays for the thread's whole life. Without one, an error outside of a call would end this process.
    thread.on('error', (error: unknown) => broken(`threw while it was loaded: ${messageOf(error)}`));
    thread.once('exit', (code) => broken(`ended its thread (exit code ${code}) while it was loaded`));
    thread.once('message', (message: HostMessage) => {
      clearTimeout(timeout);
      thread.removeAllListeners('exit');
      if (message.kind === 'ready') resolve({ thread, revision: message.revision });
      else if (message.kind === 'bad-config') fail(received(message.error, 'loading the configuration'));
    });
  });
}
