import { type Attempt, attemptsByRequest, type LedgerLine } from './ledger.js';

export type Kind = 'scheduler' | 'engine' | 'runner' | 'ui' | 'bus' | 'worker';

/** A kill, freeze or outage in the cluster. */
export interface Disruption {
  readonly action: 'kill' | 'freeze' | 'down';
  readonly kind: Kind;
  /** Identifies the process among those of its kind. */
  readonly name: string;
  /** The worker whose builds are hit; null when none are. */
  readonly worker: string | null;
  readonly atMs: number;
  /** When a frozen process was thawed, or a bus that was held down was released; otherwise the same as `atMs`. */
  readonly untilMs: number;
  /** When a process in its place was seen running again (a master: ready). */
  readonly backMs: number;
  /** Whether a frozen process kept all others from writing: it was stopped while it held SQLite's only lock. */
  readonly heldAll: boolean;
}

export interface Commit {
  readonly revision: string;
  readonly pushedAtMs: number;
  /** True for a commit pushed while the bus was down and nothing else was disturbed. */
  readonly inOutage: boolean;
  /** The builders that are asked for it: once each. */
  readonly builders: readonly string[];
}

/** A builder whose builds are made when others are under way or have ended: once for each commit. */
export interface Follower {
  readonly builder: string;
  readonly after: readonly string[];
}

/** A build that a scheduler by time made. */
export interface Slot {
  readonly dueMs: number;
  readonly buildsetId: number;
}

/** A request of a builder that collapses. */
export interface CollapsingRequest {
  readonly requestId: number;
  readonly revision: string;
  /** The newer request that it was collapsed into; null when it was built. */
  readonly intoRequestId: number | null;
}

/** The line numbers that the API shows of one attempt's log, in order. */
export interface LogSeen {
  readonly requestId: number;
  readonly attempt: number;
  readonly lines: readonly number[];
  /** Numbers of the attempt's steps, in order. */
  readonly steps: readonly number[];
}

/** All data for the judge. Only the text of the logs comes from the database. */
export interface Evidence {
  readonly commits: readonly Commit[];
  readonly followers: readonly Follower[];
  readonly ledger: readonly LedgerLine[];
  readonly disruptions: readonly Disruption[];
  readonly logs: readonly LogSeen[];
  readonly linesPerLog: number;
  readonly leaseMs: number;
  /** How long after its lease a dead engine's build may wait for its worker to come back with it. */
  readonly resumeWaitMs: number;
  /** A step whose lock no two builds have at once, and how long its command takes at least. */
  readonly locked: { readonly builder: string; readonly what: LedgerLine['what']; readonly forMs: number };
  /** A builder whose lock is counted, and how many builds may have it at once. */
  readonly counted: { readonly builder: string; readonly most: number };
  readonly slots: { readonly everyMs: number; readonly made: readonly Slot[] };
  /** Every request of the collapsing builder, which is asked for every commit that has builders. */
  readonly collapsing: { readonly builder: string; readonly requests: readonly CollapsingRequest[] };
  /** What was still under way or waited for when nothing was left to do. */
  readonly leftOver: readonly string[];
  /** Processes that were not running or not ready at the end, with their errors. */
  readonly missing: readonly string[];
  /** Why the scenario was not completed; null when it was. */
  readonly trouble: string | null;
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly attempts: number;
  readonly repeated: number;
  /** Number of requests that were given up after three deaths. */
  readonly givenUp: number;
  /** Longest time from the end of a killed engine's lease (or see `rerunFrom`) to the next attempt; null when no attempt was hit. */
  readonly slowestRerunMs: number | null;
}

/** Tolerated delay of a line on a busy machine. */
const SLACK_MS = 2000;
/** Longest time from the last command of a build to the commit of its end. */
const COMMIT_SLACK_MS = 5000;
/** Longest delay of a command that had been sent before its engine died. */
const IN_FLIGHT_MS = 1000;
const RERUN_MS = 10_000;
/** Longest time until a commit is found with the bus down: by polls of the Git poller, the scheduler and the engine alone. */
const POLLED_MS = 15_000;
const DEATHS_ALLOWED = 3;

/** Judges the evidence. Pure. */
export function judge(evidence: Evidence): Verdict {
  const requests = [...attemptsByRequest(evidence.ledger).values()];
  const judged = requests.map((attempts) => judgeRequest(attempts, evidence));
  const reruns = judged.flatMap((one) => one.rerunsMs);
  return {
    violations: [
      ...(evidence.trouble === null ? [] : [evidence.trouble]),
      ...evidence.missing.map((name) => `not alive at the end: ${name}`),
      ...judgeCauses(requests, evidence),
      ...judged.flatMap((one) => one.violations),
      ...judgeOutage(evidence),
      ...judgeLogs(requests, evidence),
      ...judgeLocks(requests, evidence),
      ...judgeCounted(requests, evidence),
      ...judgeSlots(evidence),
      ...judgeCollapsing(requests, evidence),
      ...evidence.leftOver.map((what) => `waiting: ${what}, when nothing was left to do`),
    ],
    attempts: requests.reduce((sum, attempts) => sum + attempts.length, 0),
    repeated: requests.reduce((sum, attempts) => sum + attempts.length - 1, 0),
    givenUp: judged.filter((one) => one.isGivenUp).length,
    slowestRerunMs: reruns.length === 0 ? null : Math.max(...reruns),
  };
}

/**
 * Returns what has to be in the ledger at the end: each commit at its builders, and at those that follow builders which came to their end.
 * A request that died too often is given up, and nothing follows it.
 */
export function expectedOf(
  ledger: readonly LedgerLine[],
  commits: readonly Commit[],
  followers: readonly Follower[],
): { readonly builder: string; readonly revision: string }[] {
  const last = new Map<string, Attempt>();
  for (const attempts of attemptsByRequest(ledger).values()) {
    const attempt = attempts.at(-1)!;
    last.set(`${attempt.builder} ${attempt.revision}`, attempt);
  }
  const cameToItsEnd = (builder: string, revision: string): boolean => {
    const attempt = last.get(`${builder} ${revision}`);
    return attempt !== undefined && attempt.ended && attempt.attempt < DEATHS_ALLOWED;
  };
  return commits.flatMap(({ revision, builders }) => [
    ...builders.map((builder) => ({ builder, revision })),
    ...followers
      .filter(({ after }) => after.every((builder) => builders.includes(builder) && cameToItsEnd(builder, revision)))
      .map(({ builder }) => ({ builder, revision })),
  ]);
}

/** Checks that each commit or delivery became one change, each change one buildset, and each of these one request per builder. */
function judgeCauses(
  requests: readonly (readonly Attempt[])[],
  { commits, followers, collapsing, ledger }: Evidence,
): string[] {
  const violations: string[] = [];
  const byCause = new Map<string, number[]>();
  const known = new Map(commits.map(({ revision, builders }) => [revision, builders]));
  const following = followers.map(({ builder }) => builder);
  for (const [first] of requests) {
    const { builder, revision, requestId } = first!;
    if (builder === collapsing.builder) continue;
    const asked = known.get(revision);
    if (!asked) violations.push(`${builder} built ${revision}, which nobody committed`);
    else if (![...asked, ...following].includes(builder))
      violations.push(`${builder} built ${short(revision)}, which was not for it`);
    const cause = `${builder} ${revision}`;
    byCause.set(cause, [...(byCause.get(cause) ?? []), requestId]);
  }
  for (const { builder, revision } of expectedOf(ledger, commits, followers))
    if (!byCause.has(`${builder} ${revision}`))
      violations.push(`lost: ${builder} never built commit ${short(revision)}`);
  for (const [cause, ids] of byCause) {
    if (ids.length === 1) continue;
    const [builder, revision] = cause.split(' ');
    violations.push(
      `doubled: ${builder} was asked ${ids.length} times to build commit ${short(revision!)}: requests ${ids.join(', ')}`,
    );
  }
  return violations;
}

interface JudgedRequest {
  readonly violations: string[];
  readonly isGivenUp: boolean;
  readonly rerunsMs: number[];
}

function judgeRequest(
  attempts: readonly Attempt[],
  { disruptions, leaseMs, resumeWaitMs, collapsing }: Evidence,
): JudgedRequest {
  const violations: string[] = [];
  const rerunsMs: number[] = [];
  let deaths = 0;
  for (const [i, attempt] of attempts.entries()) {
    const name = nameOf(attempt);
    const next = attempts[i + 1];
    const hits = disruptions.filter((disruption) => doesHit(disruption, attempt, next));
    if (hits.some((hit) => hit.kind !== 'worker')) deaths += 1;
    if (!next) continue;
    if (hits.length === 0) {
      violations.push(`repeated: ${name} was followed by attempt ${next.attempt}, though nothing had been done to it`);
      continue;
    }
    const invalidMs = Math.min(...hits.map((hit) => invalidFrom(hit, leaseMs)));
    if (next.begunMs < invalidMs) {
      violations.push(
        `overlap: attempt ${next.attempt} of ${name} began ${invalidMs - next.begunMs} ms before attempt ${attempt.attempt} was over`,
      );
    }
    for (const line of attempt.lines) {
      if (line.atMs <= next.begunMs + IN_FLIGHT_MS) continue;
      violations.push(
        `overlap: ${name} began its command '${line.what}' ${line.atMs - next.begunMs} ms after attempt ${next.attempt} had begun`,
      );
    }
    const engineKill = hits.findLast((hit) => hit.kind === 'engine' && hit.action === 'kill');
    if (!engineKill) continue;
    // The build may have gone on at another engine until that was disrupted.
    const laterMs = hits.filter((hit) => hit.atMs > engineKill.atMs).map((hit) => hit.backMs);
    const waitedMs = next.begunMs - Math.max(rerunFrom(engineKill, disruptions, leaseMs + resumeWaitMs), ...laterMs);
    rerunsMs.push(waitedMs);
    if (waitedMs > RERUN_MS) {
      violations.push(
        `late: ${name} ran again only ${waitedMs} ms after the end of its killed engine's lease, when everything else was up`,
      );
    }
  }
  const last = attempts.at(-1)!;
  const isGivenUp = !last.ended && deaths > 0 && last.attempt >= DEATHS_ALLOWED;
  const isCollapsed = collapsing.requests.some(
    ({ requestId, intoRequestId }) => requestId === last.requestId && intoRequestId !== null,
  );
  if (!last.ended && !isGivenUp && !isCollapsed)
    violations.push(`unfinished: ${nameOf(last)} never came to its last step`);
  return { violations, isGivenUp, rerunsMs };
}

/** An attempt that did not come to its last command was under way until the next one, however long its commands took. */
function doesHit({ worker, atMs, untilMs }: Disruption, attempt: Attempt, next?: Attempt): boolean {
  const overMs = Math.max(attempt.lastMs + COMMIT_SLACK_MS, (!attempt.ended && next?.begunMs) || 0);
  return worker === attempt.worker && untilMs >= attempt.begunMs - SLACK_MS && atMs <= overMs;
}

/**
 * Returns when a killed engine's build is expected to run again: at the end of the lease, or, when another engine, runner or worker was
 * down at that time, when that was back. How long a process takes to start depends on the machine.
 */
function rerunFrom(killed: Disruption, disruptions: readonly Disruption[], givenBackMs: number): number {
  const leaseEndMs = killed.atMs + givenBackMs;
  const others = disruptions.filter(
    ({ worker, name, atMs, backMs }) =>
      worker !== null && name !== killed.name && backMs >= killed.atMs && atMs <= leaseEndMs + RERUN_MS,
  );
  return Math.max(leaseEndMs, ...others.map((other) => other.backMs));
}

/**
 * Returns from when on an attempt that was hit may be replaced by another. A frozen master holds its lease to its end, give or take a
 * renewal.
 */
function invalidFrom(disruption: Disruption, leaseMs: number): number {
  return disruption.action === 'freeze' ? disruption.atMs + leaseMs / 2 : disruption.atMs;
}

/** Checks I1: with the bus down nothing stops. */
function judgeOutage({ commits, ledger }: Evidence): string[] {
  return commits
    .filter((commit) => commit.inOutage)
    .flatMap(({ revision, pushedAtMs, builders }) =>
      builders.flatMap((builder) => {
        const begun = ledger.filter((line) => line.revision === revision && line.builder === builder);
        const firstMs = Math.min(...begun.map((line) => line.atMs));
        if (firstMs - pushedAtMs <= POLLED_MS) return [];
        const when = begun.length === 0 ? 'never' : `only after ${firstMs - pushedAtMs} ms`;
        return [`stalled: commit ${short(revision)}, pushed while the bus was down, was begun ${when} by ${builder}`];
      }),
    );
}

/** Checks I8: every attempt's log is a gapless prefix of what was printed, and the last one's is all of it. */
function judgeLogs(requests: readonly (readonly Attempt[])[], { logs, linesPerLog }: Evidence): string[] {
  const violations: string[] = [];
  const attempts = new Map(requests.flat().map((attempt) => [`${attempt.requestId}/${attempt.attempt}`, attempt]));
  const last = new Set(requests.map((all) => all.at(-1)!));
  for (const { requestId, attempt: number, lines, steps } of logs) {
    const attempt = attempts.get(`${requestId}/${number}`)!;
    if (steps.some((step, i) => step !== steps[0]! + i))
      violations.push(`log: the steps of ${nameOf(attempt)} have the numbers ${steps.join(', ')}`);
    const broken = lines.findIndex((line, i) => line !== i + 1);
    if (broken >= 0) {
      violations.push(`log: ${nameOf(attempt)} shows line ${lines[broken]} where line ${broken + 1} belongs`);
    } else if (attempt.ended && last.has(attempt) && lines.length !== linesPerLog) {
      violations.push(`log: ${nameOf(attempt)} ended well, but shows ${lines.length} of ${linesPerLog} lines`);
    }
  }
  return violations;
}

/** Checks I11: while a step has its lock, no other has it. A step whose worker or runner was killed may have left it early. */
function judgeLocks(requests: readonly (readonly Attempt[])[], { locked, disruptions }: Evidence): string[] {
  const taken = requests
    .flat()
    .flatMap((attempt) => attempt.lines.map(({ what, builder, atMs }) => ({ what, builder, atMs, attempt })))
    .filter(({ what, builder }) => what === locked.what && builder === locked.builder)
    .sort((a, b) => a.atMs - b.atMs);
  return taken.slice(1).flatMap(({ atMs, attempt }, i) => {
    const before = taken[i]!;
    const isCutShort = disruptions.some(
      (hit) => (hit.kind === 'worker' || hit.kind === 'runner') && doesHit(hit, before.attempt),
    );
    const afterMs = atMs - before.atMs;
    if (afterMs >= locked.forMs || isCutShort) return [];
    return [
      `over-held: ${nameOf(attempt)} had the lock ${afterMs} ms after ${nameOf(before.attempt)} had taken it for ${locked.forMs} ms`,
    ];
  });
}

/** Checks I11: no more builds at once than the lock of their builder has units. */
function judgeCounted(requests: readonly (readonly Attempt[])[], { counted: { builder, most } }: Evidence): string[] {
  const builds = requests
    .flatMap((attempts) =>
      attempts.map((attempt, i) => ({
        attempt,
        fromMs: attempt.begunMs,
        // A command that had been sent before the build was given back may begin after it.
        toMs: Math.min(attempt.lastMs, attempts[i + 1]?.begunMs ?? Infinity),
      })),
    )
    .filter(({ attempt }) => attempt.builder === builder);
  return builds.flatMap(({ attempt, fromMs }) => {
    const now = builds.filter((other) => other.fromMs <= fromMs && fromMs < other.toMs).length;
    return now <= most ? [] : [`over-held: ${nameOf(attempt)} was one of ${now} builds with a lock of ${most} units`];
  });
}

/**
 * Checks that a scheduler by time makes one build for each time. After times that passed while no scheduler was there, or none could
 * write, only the last of them is built.
 */
function judgeSlots({ slots: { everyMs, made }, disruptions, leaseMs }: Evidence): string[] {
  const due = made.map(({ dueMs }) => dueMs).sort((a, b) => a - b);
  const disturbed = disruptions.filter(({ kind, heldAll }) => kind === 'scheduler' || heldAll);
  return due.slice(1).flatMap((dueMs, i) => {
    const beforeMs = due[i]!;
    if (dueMs === beforeMs) return [`slot: the builds of ${new Date(dueMs).toISOString()} were made twice`];
    const missed = (dueMs - beforeMs) / everyMs - 1;
    const isExcused = disturbed.some(
      ({ atMs, backMs }) => atMs <= dueMs && backMs + leaseMs + RERUN_MS >= beforeMs + everyMs,
    );
    return missed === 0 || isExcused
      ? []
      : [
          `slot: ${missed} times after ${new Date(beforeMs).toISOString()} were not built, though a scheduler was there`,
        ];
  });
}

/** Checks that each commit was asked for once, and that every request was built or leads to one that was. */
function judgeCollapsing(requests: readonly (readonly Attempt[])[], { commits, collapsing }: Evidence): string[] {
  const violations: string[] = [];
  const built = new Set(requests.map((attempts) => attempts[0]!.requestId));
  const into = new Map(collapsing.requests.map(({ requestId, intoRequestId }) => [requestId, intoRequestId]));
  for (const { requestId, revision, intoRequestId } of collapsing.requests) {
    // A request is collapsed into a newer one, so that this ends. One that was given back may be collapsed as well.
    let [end, next] = [requestId, intoRequestId];
    while (next !== null && next > end) [end, next] = [next, into.get(next) ?? null];
    if (next !== null || !built.has(end))
      violations.push(`collapsed: request ${requestId} for ${short(revision)} leads to no build`);
  }
  for (const { revision, builders } of commits) {
    if (builders.length === 0) continue;
    const asked = collapsing.requests.filter((request) => request.revision === revision).length;
    if (asked === 0) violations.push(`lost: ${collapsing.builder} was never asked for commit ${short(revision)}`);
    if (asked > 1)
      violations.push(`doubled: ${collapsing.builder} was asked ${asked} times for commit ${short(revision)}`);
  }
  return violations;
}

function nameOf({ builder, number, requestId, attempt }: Attempt): string {
  return `${builder} #${number} (request ${requestId}, attempt ${attempt})`;
}

function short(revision: string): string {
  return revision.slice(0, 10);
}
