import { mkdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, eventually, type Guarantee, sabotageEnvironment } from '@millrace/testing';
import { FIXTURES, millraceSoon, ROOT, type Stack, type StackName, startStack } from '../stacks.js';
import { History } from './history.js';
import {
  type Commit,
  type Disruption,
  type Evidence,
  expectedOf,
  type Follower,
  type Kind,
  type LogSeen,
} from './judge.js';
import { attemptsByRequest, type LedgerLine, ledgerScript, readLedger } from './ledger.js';
import { assemble, missingOf, type Place } from './places.js';
import { Observer } from './observer.js';
import type { Step } from '../resources.js';
import { Random } from './random.js';
import { Releases } from './releases.js';

/** `storm`: kills while commits come in. The others each attack one guarantee. */
export type Phase = 'storm' | 'frozen-engine' | 'frozen-scheduler' | 'outage';

export const ALL_PHASES: readonly Phase[] = ['storm', 'frozen-engine', 'frozen-scheduler', 'outage'];

/** The most direct attack on each guarantee, and how the message of its violation begins. */
export const DEMONSTRATIONS: Readonly<Record<Guarantee, { readonly phase: Phase; readonly violation: string }>> = {
  fence: { phase: 'frozen-engine', violation: 'overlap:' },
  cause: { phase: 'frozen-scheduler', violation: 'doubled:' },
  poll: { phase: 'outage', violation: 'stalled:' },
};

export interface ChaosOptions {
  readonly stack: StackName;
  readonly seed: number;
  /** Commits during the storm. The other phases push some more. */
  readonly commits: number;
  /** Kills of each kind of process. */
  readonly kills: number;
  readonly outageMs: number;
  readonly phases: readonly Phase[];
  readonly sabotage: Guarantee | null;
  /**
   * Root folder of a release before this one, built, whose masters run beside: the cluster begins as that one, is of both during the
   * phases, and ends as this one. Null: this one only.
   */
  readonly beside: string | null;
  readonly say: (text: string) => void;
}

export interface ChaosRun {
  readonly evidence: Evidence;
  /** Output of the cluster, for finding out the cause of a violation. */
  readonly output: readonly string[];
}

const KINDS: readonly Kind[] = ['scheduler', 'engine', 'runner', 'ui', 'bus', 'worker'];
/** Builders of what is committed, and of what is delivered to a hook. */
const BUILDERS = ['checkout', 'steps', 'lines', 'parent'];
const HOOKED = ['hooked'];
/** One is triggered by a build, the other's scheduler depends on that of the commits. */
const FOLLOWERS: readonly Follower[] = [
  { builder: 'child', after: ['parent'] },
  { builder: 'after', after: BUILDERS },
];
/** As in `e2e/fixtures/chaos.config.ts`. */
const TICK_MS = 5000;
const HOOK_SECRET = 'the secret of the hook';
/** One delivery for so many commits. */
const COMMITS_PER_DELIVERY = 4;
const LINES_PER_LOG = 20_000;
const LEASE_MS = 3000;
const POLL_MS = 1000;
const MS_PER_KILL = 4000;
const MS_PER_COMMIT = 700;
/** Commits for a scheduler to judge while it is frozen, and for an engine to build: few, so that it is seldom frozen while it writes. */
const BURST = 6;
const FEW = 2;
/** Longest time from a push to the first command of its builds. */
const FRESH_MS = 10_000;
/**
 * Most rounds of a freeze: a thawed process may end itself before it does any harm, and then another round has to show that the fence
 * holds.
 */
const ROUNDS = 6;
const START_MS = 180_000;
/** Lines of what the cluster printed last, with the reason why a run came to no end. */
const LINES_TOLD = 100;
/** When the ledger does not grow for this long, it is complete. */
const STALL_MS = 60_000;
/** Long enough for a worker to find its engine again, short enough for the builds of a frozen one to be taken over. */
const RESUME_WAIT_MS = 2500;
/** Long enough for a busy machine to start an engine, so that builds go on in the other release. */
const RESUME_WAIT_BESIDE_MS = 30_000;
/**
 * Longest time from the end of a lease to the first sign of a takeover. A master frozen while it holds SQLite's only lock cannot be
 * overtaken.
 */
const TAKEOVER_MS = 10_000;
/** How long a frozen process stays so after its work was taken over. Commands that were on their way have ended by then. */
const OVERTAKEN_MS = 1500;
const AFTERMATH_MS = 2000;

/** Starts a stack, disrupts it according to the options, and collects the evidence for the judge. */
export async function runChaos(options: ChaosOptions): Promise<ChaosRun> {
  const stack = await startStack(options.stack, options.beside ?? ROOT);
  const releases = options.beside === null ? null : new Releases(options.beside, ROOT);
  try {
    const folder = join(stack.folder, 'chaos');
    mkdirSync(folder);
    writeFileSync(join(folder, 'ledger.sh'), ledgerScript(join(folder, 'ledger.txt')));
    const history = new History(folder);
    const env = {
      CHAOS_FOLDER: folder,
      CHAOS_REPOSITORY: history.url,
      CHAOS_HOOK_SECRET: HOOK_SECRET,
      MILLRACE_LEASE_MS: String(LEASE_MS),
      MILLRACE_POLL_MS: String(POLL_MS),
      MILLRACE_RESUME_WAIT_MS: String(resumeWaitMs(options)),
      ...(options.sabotage ? sabotageEnvironment(options.sabotage) : {}),
    };
    const cluster = await stack.start(
      join(FIXTURES, 'chaos.config.ts'),
      env,
      [],
      (name) => releases?.next(name) ?? ROOT,
    );
    try {
      const places = await assemble(cluster, stack.bus, releases ? 2 : 1);
      const evidence = await new Scenario(options, stack, cluster, places, history, folder, releases).run();
      return { evidence, output: cluster.output };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error([why, ...cluster.output.slice(-LINES_TOLD)].join('\n'), { cause });
    } finally {
      await cluster.stop();
    }
  } finally {
    await stack.stop();
  }
}

/** Why the scenario cannot go on, as a violation; null when it can. */
type Trouble = string | null;

class Scenario {
  private readonly random: Random;
  private readonly commits: Commit[] = [];
  private readonly disruptions: Disruption[] = [];
  /** Logs as a UI of the release before showed them. */
  private readonly seen: LogSeen[] = [];
  private readonly ledgerFile: string;
  private readonly startedMs = Date.now();
  /** Restarts of a bus server, one at a time: killing and starting it belong together. */
  private restarting = Promise.resolve();
  private readonly observer: Observer;

  constructor(
    private readonly options: ChaosOptions,
    private readonly stack: Stack,
    private readonly cluster: Cluster,
    private readonly places: readonly Place[],
    private readonly history: History,
    private readonly folder: string,
    private readonly releases: Releases | null,
  ) {
    this.random = new Random(options.seed);
    this.ledgerFile = join(folder, 'ledger.txt');
    const uis = places.filter(({ kind }) => kind === 'ui').map(({ readyUrl }) => new URL(readyUrl!).origin);
    this.observer = new Observer(cluster, uis);
  }

  async run(): Promise<Evidence> {
    const missing = await missingOf(this.places, START_MS);
    if (missing.length > 0) {
      throw new Error(`the cluster did not start: ${missing.join('; ')}`);
    }
    this.push(1);
    let trouble = await this.settle('the first commit');
    const phases: Record<Phase, () => Promise<Trouble>> = {
      storm: () => this.storm(),
      'frozen-engine': () => this.frozenEngine(),
      'frozen-scheduler': () => this.frozenScheduler(),
      outage: () => this.outage(),
    };
    if (this.releases) trouble ??= await this.join(this.releases);
    for (const phase of this.options.phases) trouble ??= await phases[phase]();
    if (this.releases) trouble ??= await this.upgrade(this.releases);
    const stillMissing = await missingOf(this.places, START_MS);
    const isSeen = !stillMissing.some((name) => name.startsWith('ui'));
    if (isSeen) await this.observer.disable('ticks');
    const leftOver = isSeen && trouble === null ? await this.observer.leftOver() : [];
    const ledger = this.ledger();
    return {
      commits: this.commits,
      followers: FOLLOWERS,
      ledger,
      disruptions: this.disruptions,
      logs: [...this.seen, ...(isSeen ? await this.logs(ledger) : [])],
      linesPerLog: LINES_PER_LOG,
      leaseMs: LEASE_MS,
      resumeWaitMs: this.releases ? RESUME_WAIT_BESIDE_MS : 0,
      locked: { builder: 'steps', what: 'middle', forMs: 400 },
      counted: { builder: 'parent', most: 4 },
      slots: { everyMs: TICK_MS, made: isSeen ? await this.observer.slots('ticks') : [] },
      collapsing: { builder: 'latest', requests: isSeen ? await this.observer.collapsing('latest') : [] },
      leftOver,
      missing: stillMissing,
      trouble,
    };
  }

  /** Lets masters of this release join those of the one before: the schema first, under running builds, and then a master of each role. */
  private async join(releases: Releases): Promise<Trouble> {
    const { stack } = this;
    const revisions = this.push(FEW);
    await eventually(() => this.areAsked(revisions), { timeoutMs: STALL_MS, what: 'builds to migrate under' });
    const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    const { status, stdout, stderr } = await millraceSoon(['db', 'migrate', '--database', database]);
    if (status !== 0) return `halted: db migrate ended with ${status}: ${stderr}`;
    this.say(`db migrate: ${stdout.trim().split('\n').join(', ')}`);
    releases.mix();
    // One engine goes back to the release before.
    const names = ['scheduler-2', 'engine-2', 'ui-2', 'engine-3', 'engine-2'];
    await this.replace(names.map((name) => this.places.find((place) => place.name === name)!));
    return this.settle('a master of each role is of this release');
  }

  /** Replaces what is of the release before, one after the other, while commits come in. */
  private async upgrade(releases: Releases): Promise<Trouble> {
    this.seen.push(...(await this.logs(this.ledger())));
    releases.finish();
    await this.replace(this.places.filter(({ added }) => added !== null && !releases.isUpgraded(added)));
    this.push(FEW);
    const before = this.places.map((place) => ({ place, pids: place.pids() }));
    const atMs = Date.now();
    await this.cluster.restart();
    const replaced = before
      .filter(({ place, pids }) => !pids.some((pid) => place.pids().includes(pid)))
      .map(({ place }) => place);
    await missingOf(replaced, START_MS);
    for (const place of replaced) this.disrupted(place, atMs);
    this.say('restarted what millrace start runs');
    const trouble = await this.settle('all are of this release');
    const adopted = this.cluster.output.filter((line) => line.includes('build adopted')).length;
    this.say(`${adopted} builds were adopted`);
    return trouble;
  }

  /** Has processes of `Cluster.add` come back as the other release: an engine in the middle of a build. */
  private async replace(places: readonly Place[]): Promise<void> {
    for (const place of places) {
      const revisions = new Set(this.push(FEW));
      if (place.kind === 'engine')
        await this.fresh(({ revision, worker }) => revisions.has(revision) && worker === place.worker);
      await this.kill(place, 'SIGTERM');
    }
  }

  /** Makes commits and kills at seeded instants. */
  private async storm(): Promise<Trouble> {
    const { commits, kills } = this.options;
    const durationMs = Math.max(commits * MS_PER_COMMIT, kills * KINDS.length * MS_PER_KILL);
    const plan: { atMs: number; act: () => void }[] = [];
    for (let i = 0; i < commits; i++) {
      const branch = this.random.pick(['main', 'main', 'side']);
      plan.push({ atMs: this.random.next() * durationMs, act: () => void this.push(1, branch) });
    }
    const delivering: Promise<void>[] = [];
    for (let i = 0; i < commits / COMMITS_PER_DELIVERY; i++) {
      plan.push({ atMs: this.random.next() * durationMs, act: () => delivering.push(this.deliver()) });
    }
    const killing: Promise<void>[] = [];
    for (const kind of KINDS) {
      for (let i = 0; i < kills; i++) {
        const place = this.random.pick(this.places.filter((candidate) => candidate.kind === kind));
        plan.push({ atMs: this.random.next() * durationMs, act: () => killing.push(this.kill(place)) });
      }
    }
    const seconds = Math.round(durationMs / 1000);
    this.say(`storm: ${commits} commits and ${kills * KINDS.length} kills within ${seconds} s`);
    const beganMs = Date.now();
    for (const { atMs, act } of plan.sort((a, b) => a.atMs - b.atMs)) {
      await delay(Math.max(0, beganMs + atMs - Date.now()));
      act();
    }
    await Promise.all([...killing, ...delivering]);
    return this.settle('the storm');
  }

  /** Delivers a change to a hook as a forge does, until that has said that it has it, and then once more. */
  private async deliver(): Promise<void> {
    const revision = this.random.revision();
    const { trigger, ui } = this.cluster.ports;
    const port = this.random.pick([trigger, ui]);
    const post = async (): Promise<boolean> => {
      const response = await fetch(`http://127.0.0.1:${port}/change_hook/base`, {
        method: 'POST',
        headers: { authorization: `Bearer ${HOOK_SECRET}`, 'idempotency-key': revision },
        body: new URLSearchParams({ author: 'forge', project: 'hooked', branch: 'main', revision }),
        signal: AbortSignal.timeout(5000),
      });
      const text = await response.text();
      if (response.status < 500 && !response.ok) throw new Error(`the hook answered ${response.status}: ${text}`);
      return response.ok;
    };
    const what = `the receipt of delivery ${revision}`;
    await eventually(post, { timeoutMs: START_MS, intervalMs: 200, what });
    this.commits.push({ revision, pushedAtMs: Date.now(), inOutage: false, builders: HOOKED });
    await eventually(post, { timeoutMs: START_MS, intervalMs: 200, what });
  }

  private async kill(place: Place, how: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    // Of two kills of one process close together the second one is for its successor.
    const pids = await this.pidsOf(place);
    const atMs = Date.now();
    const { bus } = this.stack;
    if (place.kind === 'bus' && bus) await (this.restarting = this.restarting.then(() => bus.restart()));
    else for (const pid of pids) signal(pid, how);
    this.say(`${how === 'SIGKILL' ? 'killed' : 'stopped'} ${place.name}`);
    const ended = { timeoutMs: START_MS, what: `the end of ${place.name}` };
    await eventually(() => !pids.some((pid) => place.pids().includes(pid)), ended);
    // A process that does not come back is reported as missing at the end.
    await missingOf([place], START_MS);
    this.disrupted(place, atMs);
  }

  private disrupted({ kind, name, worker }: Place, atMs: number): void {
    const backMs = Date.now();
    this.disruptions.push({ action: 'kill', kind, name, worker, atMs, untilMs: atMs, backMs, heldAll: false });
  }

  /**
   * Freezes an engine past the end of its lease in the middle of a build, and thaws it when another engine has begun the build again.
   * Nothing that it does about the build from then on may count.
   */
  private async frozenEngine(): Promise<Trouble> {
    const engines = this.places.filter((place) => place.kind === 'engine');
    for (let round = 0; round < ROUNDS; round++) {
      const revisions = new Set(this.push(FEW));
      const begun = await this.fresh((line) => revisions.has(line.revision) && line.builder === 'steps');
      const engine = engines.find(({ worker }) => worker === begun?.worker);
      if (!begun || !engine) {
        const trouble = await this.settle('commits for an engine to be frozen');
        if (trouble) return trouble;
        continue;
      }
      const [pid] = await this.pidsOf(engine);
      const { atMs, untilMs, overtaken } = await this.freeze(pid!, () =>
        this.ledger().some((line) => line.requestId === begun.requestId && line.attempt > begun.attempt),
      );
      const { kind, name, worker } = engine;
      this.frozen({ kind, name, worker, atMs, untilMs }, overtaken);
      await delay(AFTERMATH_MS);
      const outlived = engine.pids().includes(pid!);
      this.sayFrozen(name, untilMs - atMs, overtaken, outlived);
      const trouble = await this.settle(`round ${round + 1} with a frozen engine`);
      if (trouble) return trouble;
      if (outlived && overtaken) return null;
    }
    return `unproven: in ${ROUNDS} rounds no frozen engine was overtaken and went on`;
  }

  /** Freezes a scheduler while it judges changes, and thaws it when another one has made their buildsets. */
  private async frozenScheduler(): Promise<Trouble> {
    for (let round = 0; round < ROUNDS; round++) {
      const revisions = this.push(BURST);
      const pid = await this.judging(revisions);
      if (pid === null) {
        const trouble = await this.settle('commits for a scheduler to be frozen');
        if (trouble) return trouble;
        continue;
      }
      const { name } = this.places.find((place) => place.pids().includes(pid)) ?? { name: 'scheduler' };
      const { atMs, untilMs, overtaken } = await this.freeze(pid, () => this.areAsked(revisions));
      this.frozen({ kind: 'scheduler', name, worker: null, atMs, untilMs }, overtaken);
      await delay(AFTERMATH_MS);
      const outlived = this.places.some((place) => place.kind === 'scheduler' && place.pids().includes(pid));
      this.sayFrozen(name, untilMs - atMs, overtaken, outlived);
      const trouble = await this.settle(`round ${round + 1} with a frozen scheduler`);
      if (trouble) return trouble;
      if (outlived && overtaken) return null;
    }
    return `unproven: in ${ROUNDS} rounds no frozen scheduler was overtaken and went on`;
  }

  /** Takes the bus away and makes commits: everything has to be found by polls. */
  private async outage(): Promise<Trouble> {
    const { outageMs } = this.options;
    const { bus } = this.stack;
    const atMs = Date.now();
    this.say(`the bus is down for ${outageMs} ms or more`);
    if (bus) await bus.kill();
    const router = this.places.find((place) => place.kind === 'bus')!;
    // The supervisor keeps restarting the embedded router, so it is killed as often.
    const hold = (): void => {
      if (!bus) for (const pid of router.pids()) signal(pid, 'SIGKILL');
    };
    hold();
    const holding = setInterval(hold, 20);
    const revisions = this.push(3, 'main', true);
    const patienceMs = Math.max(outageMs, 16_000);
    while (Date.now() - atMs < outageMs || (!this.areBegun(revisions) && Date.now() - atMs < patienceMs)) {
      await delay(50);
    }
    const isBegun = this.areBegun(revisions);
    clearInterval(holding);
    if (bus) await bus.restart();
    const untilMs = Date.now();
    const what = { kind: 'bus', name: 'bus', worker: null } as const;
    this.disruptions.push({ ...what, action: 'down', atMs, untilMs, backMs: untilMs, heldAll: false });
    if (!isBegun) return 'halted: what was pushed while the bus was down had not been begun when it came back';
    return this.settle('the outage of the bus');
  }

  /** Sends SIGSTOP until `isOvertaken` and a little longer; at most for as long as a takeover may take. */
  private async freeze(
    pid: number,
    isOvertaken: () => boolean,
  ): Promise<{ atMs: number; untilMs: number; overtaken: boolean }> {
    const atMs = Date.now();
    const patienceMs = LEASE_MS + resumeWaitMs(this.options) + TAKEOVER_MS;
    signal(pid, 'SIGSTOP');
    try {
      while (!isOvertaken() && Date.now() - atMs < patienceMs) await delay(50);
      const overtaken = isOvertaken();
      if (overtaken) await delay(OVERTAKEN_MS);
      return { atMs, untilMs: Date.now(), overtaken };
    } finally {
      signal(pid, 'SIGCONT');
    }
  }

  /**
   * Returns the process that judges these revisions now, when it is half through them: what else the push has caused in it is written by
   * then. Null when none did in time.
   */
  private async judging(revisions: readonly string[]): Promise<number | null> {
    const file = join(this.folder, 'judged.txt');
    return eventually(
      () => {
        const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
        const line = lines.find((candidate) => candidate.endsWith(revisions[revisions.length >> 1]!));
        return line !== undefined && Number(line.split(' ')[0]);
      },
      { timeoutMs: STALL_MS, intervalMs: 5, what: 'a scheduler that judges' },
    ).catch(() => null);
  }

  /** Returns a line of the ledger that is the newest of its attempt; null when none came in time. */
  private async fresh(matches: (line: LedgerLine) => boolean): Promise<LedgerLine | null> {
    const untilMs = Date.now() + FRESH_MS;
    while (Date.now() < untilMs) {
      const ledger = this.ledger();
      const found = ledger.filter((line) => line.what === 'begin' && Date.now() - line.atMs < 300).find(matches);
      if (found) return found;
      await delay(10);
    }
    return null;
  }

  /** Waits until every builder has begun what it is to build, and nothing is left to do. */
  private async settle(what: string): Promise<Trouble> {
    let lines = -1;
    let progressMs = Date.now();
    for (;;) {
      const ledger = this.ledger();
      if (ledger.length !== lines) progressMs = Date.now();
      lines = ledger.length;
      if (this.areDone() && (await this.observer.isIdle())) {
        this.say(`${what}: settled, ${this.commits.length} commits, ${lines} lines in the ledger`);
        return null;
      }
      if (Date.now() - progressMs > STALL_MS) {
        return `halted: ${what}: nothing has moved for ${STALL_MS} ms, and not everything is done`;
      }
      await delay(200);
    }
  }

  private areBegun(revisions: readonly string[]): boolean {
    const ledger = this.ledger();
    const begun = new Set(ledger.map((line) => `${line.builder} ${line.revision}`));
    const of = this.commits.filter(({ revision }) => revisions.includes(revision));
    return of.every(({ revision, builders }) => builders.every((builder) => begun.has(`${builder} ${revision}`)));
  }

  /** Whether the buildsets of these revisions are there: one of their requests is being built. */
  private areAsked(revisions: readonly string[]): boolean {
    const asked = new Set(
      this.ledger()
        .filter(({ builder }) => BUILDERS.includes(builder))
        .map(({ revision }) => revision),
    );
    return revisions.every((revision) => asked.has(revision));
  }

  private areDone(): boolean {
    const ledger = this.ledger();
    const begun = new Set(ledger.map((line) => `${line.builder} ${line.revision}`));
    return expectedOf(ledger, this.commits, FOLLOWERS).every(({ builder, revision }) =>
      begun.has(`${builder} ${revision}`),
    );
  }

  private async logs(ledger: readonly LedgerLine[]): Promise<LogSeen[]> {
    const attempts = [...attemptsByRequest(ledger).values()].flat().filter((attempt) => attempt.builder === 'lines');
    this.say(`reading ${attempts.length} logs of ${LINES_PER_LOG} lines`);
    const seen: LogSeen[] = [];
    for (const { requestId, attempt, builder, number } of attempts) {
      const path = `/builders/${builder}/builds/${number}/steps/print/logs/stdio/raw_inline`;
      const response = await fetch(`${this.cluster.url}/api/v2${path}`);
      // An attempt may have been killed before it printed anything. It then has no log.
      const text = response.status === 404 ? '' : await response.text();
      if (!response.ok && response.status !== 404) throw new Error(`${path}: ${response.status} ${text}`);
      const lines = [...text.matchAll(/^line (\d+)$/gm)].map((match) => Number(match[1]));
      const { steps } = await this.cluster.api<{ steps: Step[] }>(
        `/builders/${builder}/builds/${number}/steps?order=number`,
      );
      seen.push({ requestId, attempt, lines, steps: steps.map((step) => step.number) });
    }
    return seen;
  }

  private push(count: number, branch = 'main', inOutage = false): string[] {
    const revisions = this.history.push(count, branch);
    const pushedAtMs = Date.now();
    this.commits.push(...revisions.map((revision) => ({ revision, pushedAtMs, inOutage, builders: BUILDERS })));
    return revisions;
  }

  private async pidsOf(place: Place): Promise<number[]> {
    const pids = await eventually(
      () => {
        const now = place.pids();
        return now.length > 0 && now;
      },
      { timeoutMs: START_MS, what: `${place.name} running` },
    );
    return pids || [];
  }

  private frozen(what: Pick<Disruption, 'kind' | 'name' | 'worker' | 'atMs' | 'untilMs'>, overtaken: boolean): void {
    const heldAll = !overtaken && this.options.stack === 'embedded';
    this.disruptions.push({ ...what, action: 'freeze', backMs: what.untilMs, heldAll });
  }

  private sayFrozen(name: string, forMs: number, overtaken: boolean, outlived: boolean): void {
    const how = `${overtaken ? 'overtaken' : 'not overtaken'}, it ${outlived ? 'went on' : 'ended itself'}`;
    this.say(`${name} was frozen for ${forMs} ms: ${how}`);
  }

  private ledger(): LedgerLine[] {
    return readLedger(this.ledgerFile);
  }

  private say(text: string): void {
    const seconds = ((Date.now() - this.startedMs) / 1000).toFixed(1);
    this.options.say(`${seconds.padStart(6)} s  ${text}`);
  }
}

function resumeWaitMs({ beside }: ChaosOptions): number {
  return beside === null ? RESUME_WAIT_MS : RESUME_WAIT_BESIDE_MS;
}

/** Sends a signal to a process, if it still exists. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
