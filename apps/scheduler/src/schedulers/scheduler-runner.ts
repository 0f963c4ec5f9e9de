import {
  type Answer,
  type Decision,
  type PlannedBuildset,
  questionAbout,
  type Refused,
  type SchedulerKind,
  type SchedulerState,
  type SeenChange,
  withBuilders,
  without,
  withPriority,
} from '@millrace/config';
import type { CompiledScheduler } from '@millrace/contracts';
import {
  type Decided,
  type FinishedBuildsetStore,
  type IntakeStore,
  type KeptCall,
  type Ownership,
  ownershipName,
  type SchedulerBuildset,
  type SchedulerCursors,
  type SchedulerDecision,
  type SchedulerRow,
  type SchedulerStore,
} from '@millrace/database';
import type { SourceStamp } from '@millrace/domain';
import { OwnedLoop, type OwnedLoopPorts } from '../owned-loop.js';
import { announceBuildset } from './announce.js';
import type { Judge } from './judge.js';

/** Most changes or buildsets that are decided about in one transaction. */
const BATCH = 100;
/** Longest sleep. What is due is checked at least this often, in case a clock was wrong. */
const LONGEST_SLEEP_MS = 3_600_000;

export interface RunnerPorts extends OwnedLoopPorts {
  readonly schedulers: SchedulerStore;
  readonly intake: IntakeStore;
  readonly finishedBuildsets: FinishedBuildsetStore;
}

export interface RunnerOptions {
  readonly scheduler: CompiledScheduler;
  readonly kind: SchedulerKind;
  /** Ids of builders by name. */
  readonly builderIds: ReadonlyMap<string, number>;
  readonly judge: Judge;
  /** Longest time until a lost hint is noticed; null for never. */
  readonly everyMs: number | null;
}

/** Whether a kind of scheduler reacts to anything but calls. */
export function isTold({ on }: SchedulerKind): boolean {
  return Boolean(on.change ?? on.buildset ?? on.time);
}

/** Rows with a `seq` that a scheduler follows, and its decision about one of them. */
interface Feed<T extends { readonly seq: number }> {
  readonly cursor: keyof SchedulerCursors;
  after(seq: number, limit: number): Promise<readonly T[]>;
  decide(state: SchedulerState, item: T): Decision | Promise<Decision>;
}

/**
 * Passes causes to a scheduler, in order, and carries out its decisions. It is active on one master at a time, and starts from durable
 * cursors (I2, I4). A disabled scheduler gets no causes. Nothing here depends on the kind of scheduler.
 */
export class SchedulerRunner {
  private readonly loop: OwnedLoop;
  private alarm: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: RunnerOptions,
    private readonly ports: RunnerPorts,
  ) {
    const { scheduler, kind, everyMs } = options;
    const topics = ['schedulers', ...(kind.on.change ? ['changes'] : []), ...(kind.on.buildset ? ['buildsets'] : [])];
    this.loop = new OwnedLoop(
      {
        name: `scheduler:${scheduler.name}`,
        owns: ownershipName.scheduler(scheduler.name),
        hears: topics.map((prefix) => ({ prefix })),
        everyMs,
        round: (owner, signal) => this.round(owner, signal),
      },
      ports,
    );
  }

  start(): void {
    this.loop.start();
  }

  /** Stops and waits for the current round. */
  async stop(): Promise<void> {
    await this.loop.stop();
    clearTimeout(this.alarm);
  }

  /** Is fenced, too, when somebody has set the cursors meanwhile. */
  private async round(owner: Ownership, signal: AbortSignal): Promise<void> {
    const { intake, finishedBuildsets } = this.ports;
    const { change, buildset } = this.options.kind.on;
    if (change) {
      await this.follow(owner, signal, {
        cursor: 'changes',
        after: (seq, limit) => intake.changesAfter(seq, limit),
        decide: (state, item) => this.decideChange(state, item),
      });
    }
    if (buildset) {
      await this.follow(owner, signal, {
        cursor: 'buildsets',
        after: (seq, limit) => finishedBuildsets.finishedBuildsetsAfter(seq, limit),
        decide: (state, item) => buildset(this.options.scheduler, state, item),
      });
    }
    if (!signal.aborted) await this.tellTime(owner);
  }

  private async follow<T extends { readonly seq: number }>(
    owner: Ownership,
    signal: AbortSignal,
    feed: Feed<T>,
  ): Promise<void> {
    while (!signal.aborted) {
      const row = await this.row();
      if (!row.enabled) return;
      const items = await feed.after(row.cursors[feed.cursor], BATCH);
      if (items.length === 0) return;
      const decisions: SchedulerDecision[] = [];
      let { wakeAtMs } = row;
      let known = await this.known();
      let call = await this.keptCall(row);
      const remember: SourceStamp[] = [];
      for (const item of items) {
        const decision = await this.chosen(await feed.decide({ nowMs: row.nowMs, wakeAtMs, known, call }, item));
        decisions.push(this.planned(decision, call));
        if (decision.takesCall) call = null;
        ({ wakeAtMs } = decision);
        const fresh = decision.remember ?? [];
        remember.push(...fresh);
        known = [...fresh, ...known];
      }
      const cursors = { ...row.cursors, [feed.cursor]: items.at(-1)!.seq };
      await this.commit(owner, row, { decisions, cursors, wakeAtMs, remember });
      // What has come meanwhile was hinted at.
      if (items.length < BATCH) return;
    }
  }

  /** Decides about a change, answering questions as long as the kind asks any. */
  private async decideChange(state: SchedulerState, change: SeenChange): Promise<Decision> {
    const answers = new Map<string, Answer>();
    for (;;) {
      const decision = this.options.kind.on.change!(this.options.scheduler, state, { change, answers });
      if (!('ask' in decision)) return decision;
      answers.set(decision.ask.handle, await this.options.judge.ask(decision.ask));
    }
  }

  /** Returns the decision with what callbacks of the configuration choose for its buildsets. */
  private async chosen(decision: Decision): Promise<Decision> {
    const { scheduler, judge } = this.options;
    const { choosing } = scheduler;
    if (!choosing) return decision;
    const buildsets: PlannedBuildset[] = [];
    let rest = decision;
    for (const planned of decision.buildsets) {
      const changes = await this.ports.intake.changes(planned.changeIds);
      const ask = (handle: string, about: PlannedBuildset) => judge.choose(questionAbout(handle, about, changes));
      let chosen: PlannedBuildset | Refused = planned;
      if (choosing.builders !== null) chosen = withBuilders(scheduler, planned, await ask(choosing.builders, planned));
      if (choosing.priority !== null && !('refused' in chosen))
        chosen = withPriority(chosen, await ask(choosing.priority, chosen));
      if ('refused' in chosen) rest = without(rest, planned, chosen);
      else buildsets.push(chosen);
    }
    return { ...rest, buildsets };
  }

  private async tellTime(owner: Ownership): Promise<void> {
    const { time } = this.options.kind.on;
    if (!time) return;
    const row = await this.row();
    clearTimeout(this.alarm);
    if (!row.enabled) return;
    const { nowMs, cursors } = row;
    const call = await this.keptCall(row);
    const state = { nowMs, wakeAtMs: row.wakeAtMs, known: await this.known(), call };
    const waiting = await this.ports.schedulers.waiting(row.schedulerId);
    const decision = await this.chosen(time(this.options.scheduler, state, waiting));
    const { wakeAtMs } = decision;
    const isNothing =
      decision.buildsets.length === 0 &&
      decision.marks.length === 0 &&
      !decision.takesCall &&
      wakeAtMs === row.wakeAtMs;
    if (!isNothing) await this.commit(owner, row, { decisions: [this.planned(decision, call)], cursors, wakeAtMs });
    if (wakeAtMs === null) return;
    this.alarm = setTimeout(() => this.loop.nudge(), Math.min(Math.max(wakeAtMs - nowMs, 0), LONGEST_SLEEP_MS));
  }

  private async commit(owner: Ownership, row: SchedulerRow, decided: Decided): Promise<void> {
    const created = await this.ports.schedulers.decide(owner, row, decided);
    for (const buildset of created) announceBuildset(this.ports.hints, buildset);
  }

  /** Returns the source stamps that the scheduler remembers. Most kinds remember none, and are spared the query. */
  private async known(): Promise<readonly SourceStamp[]> {
    const { kind, scheduler } = this.options;
    return kind.remembers?.(scheduler) ? this.ports.schedulers.known(scheduler.name) : [];
  }

  private async keptCall({ schedulerId }: SchedulerRow): Promise<KeptCall | null> {
    return this.options.kind.keepsCalls ? this.ports.schedulers.keptCall(schedulerId) : null;
  }

  private row(): Promise<SchedulerRow> {
    return this.ports.schedulers.scheduler(this.options.scheduler.name);
  }

  private planned({ buildsets, marks, takesCall }: Decision, call: KeptCall | null): SchedulerDecision {
    return {
      buildsets: buildsets.map((buildset) => withIds(buildset, this.options.builderIds)),
      marks,
      takes: takesCall ? call : null,
    };
  }
}

/** Converts a planned buildset to the database's form. */
export function withIds(
  { builders, ...buildset }: PlannedBuildset,
  builderIds: ReadonlyMap<string, number>,
): SchedulerBuildset {
  return { ...buildset, builderIds: builders.map((name) => builderIds.get(name)!) };
}
