import { UserError } from '@millrace/domain';
import {
  type Credentials,
  DEFAULT_WORKER_SETTINGS,
  MsgpackWorkerSession,
  type Transport,
} from '@millrace/worker-protocol';
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { CommandTable } from './command-table.js';
import { prepareBasedir, workerInfo } from './info.js';
import type { Log } from './log.js';
import { MasterLink } from './master-link.js';
import { RunningGroups } from './running-groups.js';
import { SendWindow } from './send-window.js';
import { Spool } from './spool.js';

/** Time between the answer to `shutdown` and the end, so that the answer arrives. */
const SHUTDOWN_DELAY_MS = 200;
/** Folder below the base directory. */
const SPOOL_FOLDER = '.spool';

export interface WorkerOptions extends Credentials {
  /** Addresses of engines, tried in turn. */
  readonly masters: readonly string[];
  readonly basedir: string;
  /** The environment of commands. */
  readonly environ: Readonly<Record<string, string>>;
  /** How much output may wait on disk while no master takes it. */
  readonly spoolBytes: number;
}

/** One worker: a base directory, the commands that run in it, and the connection to a master. */
export class Worker {
  private readonly basedir: string;
  private readonly groups: RunningGroups;
  private readonly commands: CommandTable;
  private readonly stopping = new AbortController();
  private readonly spool: Spool;
  private readonly incarnation = randomUUID();

  constructor(
    private readonly options: WorkerOptions,
    private readonly log: Log,
  ) {
    this.basedir = resolve(options.basedir);
    this.groups = new RunningGroups(this.basedir, log);
    this.spool = new Spool(join(this.basedir, SPOOL_FOLDER), options.spoolBytes, log);
    this.commands = new CommandTable(this.basedir, options.environ, this.groups, this.spool, log);
  }

  /** Runs until it is stopped, by `stop` or by its master. No command outlives it. */
  async run(): Promise<void> {
    prepareBasedir(this.basedir);
    this.groups.takeOver();
    // Also when this process ends because of an unexpected error.
    process.once('exit', () => this.groups.killAll());
    this.spool.empty();
    const { masters } = this.options;
    const owner = {
      connected: (transport: Transport) => this.connected(transport),
      disconnected: () => this.commands.detach(),
    };
    await new MasterLink(masters, this.options, owner, this.log).run(this.stopping.signal);
    this.groups.killAll();
    this.spool.empty();
    this.groups.release();
  }

  stop(): void {
    this.groups.killAll();
    this.stopping.abort();
  }

  private connected(transport: Transport): MsgpackWorkerSession {
    let settings = DEFAULT_WORKER_SETTINGS;
    const window = new SendWindow();
    const session: MsgpackWorkerSession = new MsgpackWorkerSession(transport, {
      print: (message) => this.log.info('message from master', { message }),
      info: () => {
        // The request comes from a new master: behind a relay another one may use the same connection.
        this.commands.detach();
        return workerInfo(this.basedir, this.options.environ, this.commands.heldIds, this.incarnation);
      },
      // `newline_re` and `buffer_timeout` are ignored: the worker always behaves as with their defaults.
      settings: (wanted) => {
        const { maxLineLength } = wanted;
        // Shorter lines could not contain a surrogate pair.
        if (maxLineLength < 2)
          throw new UserError('bad-argument', `max_line_length must be at least 2, not ${maxLineLength}`, {
            maxLineLength,
          });
        settings = wanted;
      },
      startCommand: (id, name, args) => this.commands.start({ session, window, settings }, id, name, args),
      interrupt: (id, why) => this.commands.interrupt(id, why),
      resume: (id) => this.commands.resume({ session, window }, id),
      forget: (id) => this.commands.forget(id),
      shutdown: () => {
        this.log.info('the master has ordered us to shut down');
        setTimeout(() => this.stop(), SHUTDOWN_DELAY_MS);
      },
    });
    return session;
  }
}
