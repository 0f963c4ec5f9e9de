import { join } from 'node:path';
import { ConfigHost, schedulerKind } from '@millrace/config';
import {
  ConfigurationStore,
  type DefinitionIds,
  FinishedBuildsetStore,
  IntakeStore,
  OwnershipStore,
  sabotaged,
  SchedulerStore,
} from '@millrace/database';
import { Loop, type Master } from '@millrace/master';
import { createLimit } from './core/limit.js';
import { GitPoller } from './git/poller.js';
import { ConfigJudge } from './schedulers/judge.js';
import { isTold, SchedulerRunner } from './schedulers/scheduler-runner.js';

/** Repositories that are fetched at the same time. */
const CONCURRENT_POLLS = 4;
const CALLBACK_TIMEOUT_MS = 60_000;

/** Everything that runs for one configuration revision: its pollers and schedulers, each a loop of its own. */
export class SchedulerRuntime {
  private readonly loops: Loop[] = [];
  private readonly runners: SchedulerRunner[] = [];
  private stopped = false;

  private constructor(
    private readonly master: Master,
    readonly host: ConfigHost,
    readonly ids: DefinitionIds,
  ) {}

  /** Loads and stores the configuration in `file`; nothing of it runs yet. @throws ConfigError; nothing was changed then */
  static async create(master: Master, file: string): Promise<SchedulerRuntime> {
    const host = await ConfigHost.start(file, {
      onStall: (handle, ms) => master.log.warn({ handle, ms }, 'a callback of the configuration is slow'),
    });
    const { revision, fingerprint } = host;
    try {
      const ids = await new ConfigurationStore(master.db).apply(
        master.me,
        { fingerprint, body: JSON.stringify(revision) },
        revision,
        { serves: false },
      );
      return new SchedulerRuntime(master, host, ids);
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /** A callback under way is given up: its change is looked at again. */
  async stop(): Promise<void> {
    this.stopped = true;
    const loops = [...this.loops, ...this.runners].map((running) => running.stop());
    await this.host.close();
    await Promise.all(loops);
  }

  begin(): void {
    if (this.stopped) return;
    const { revision } = this.host;
    const limit = createLimit(CONCURRENT_POLLS);
    const mirrors = join(this.master.settings.dataFolder, 'git');
    for (const source of revision.changeSources) {
      const choose = async (branch: string): Promise<boolean> =>
        typeof source.branches !== 'object' ||
        !('handle' in source.branches) ||
        Boolean(await this.host.call(source.branches.handle, [branch], { timeoutMs: CALLBACK_TIMEOUT_MS }));
      const poller = new GitPoller(
        source,
        this.master,
        choose,
        limit,
        mirrors,
        this.host.credentials.get(source.name) ?? null,
      );
      this.run(`poller:${source.name}`, source.pollIntervalMs, (signal) => poller.poll(signal));
    }
    const { me, db, log, hints } = this.master;
    const ports = {
      ...{ me, lease: this.master, log, hints },
      ownerships: new OwnershipStore(db),
      schedulers: new SchedulerStore(db),
      intake: new IntakeStore(db),
      finishedBuildsets: new FinishedBuildsetStore(db),
    };
    for (const scheduler of revision.schedulers) {
      const kind = schedulerKind(scheduler.kind);
      if (!isTold(kind)) continue;
      const everyMs = sabotaged('poll') ? null : this.master.settings.pollIntervalMs;
      const judge = new ConfigJudge(this.host, log);
      const runner = new SchedulerRunner({ scheduler, kind, builderIds: this.ids.builders, judge, everyMs }, ports);
      this.runners.push(runner);
      runner.start();
    }
  }

  private run(name: string, everyMs: number | null, round: (signal: AbortSignal) => Promise<void>): Loop {
    const loop = new Loop({ name, everyMs, round, log: this.master.log });
    this.loops.push(loop);
    loop.start();
    return loop;
  }
}

/** The runtime in force; switched at once or not at all. */
export class CurrentRuntime {
  private stopped = false;

  private constructor(
    private readonly master: Master,
    private readonly file: string,
    private runtime: SchedulerRuntime,
  ) {}

  static async load(master: Master, file: string): Promise<CurrentRuntime> {
    return new CurrentRuntime(master, file, await SchedulerRuntime.create(master, file));
  }

  begin(): void {
    this.runtime.begin();
  }

  get current(): SchedulerRuntime {
    return this.runtime;
  }

  /** One at a time. Old and new are the same owner to the database, so the old one has ended before the new one begins. */
  async reload(): Promise<string> {
    const next = await SchedulerRuntime.create(this.master, this.file);
    const old = this.runtime;
    this.runtime = next;
    await old.stop();
    if (this.stopped) await next.stop();
    next.begin();
    return `revision ${next.host.fingerprint.slice(0, 12)}`;
  }

  stop(): Promise<void> {
    this.stopped = true;
    return this.runtime.stop();
  }
}
