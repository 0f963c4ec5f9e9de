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
}

export interface Commit {
  readonly revision: string;
  readonly pushedAtMs: number;
  /** True for a commit pushed while the bus was down and nothing else was disturbed. */
  readonly inOutage: boolean;
}

/** The line numbers that the API shows of one attempt's log, in order. */
export interface LogSeen {
  readonly requestId: number;
  readonly attempt: number;
  readonly lines: readonly number[];
}

/** All data for the judge. Only the text of the logs comes from the database. */
export interface Evidence {
  readonly commits: readonly Commit[];
  readonly builders: readonly string[];
  readonly ledger: readonly LedgerLine[];
  readonly disruptions: readonly Disruption[];
  readonly logs: readonly LogSeen[];
  readonly linesPerLog: number;
  readonly leaseMs: number;
  /** A step whose lock no two builds have at once, and how long its command takes at least. */
  readonly locked: { readonly builder: string; readonly what: LedgerLine['what']; readonly forMs: number };
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
    ],
    attempts: requests.reduce((sum, attempts) => sum + attempts.length, 0),
    repeated: requests.reduce((sum, attempts) => sum + attempts.length - 1, 0),
    givenUp: judged.filter((one) => one.isGivenUp).length,
    slowestRerunMs: reruns.length === 0 ? null : Math.max(...reruns),
  };
}

/** Checks that each commit became one change, and each change one buildset with one request per builder. */
function judgeCauses(requests: readonly (readonly Attempt[])[], { commits, builders }: Evidence): string[] {
  const violations: string[] = [];
  const byCause = new Map<string, number[]>();
  const known = new Set(commits.map((commit) => commit.revision));
  for (const [first] of requests) {
    const { builder, revision, requestId } = first!;
    if (!known.has(revision)) violations.push(`${builder} built ${revision}, which nobody committed`);
    const cause = `${builder} ${revision}`;
    byCause.set(cause, [...(byCause.get(cause) ?? []), requestId]);
  }
  for (const { revision } of commits) {
    for (const builder of builders) {
      const ids = byCause.get(`${builder} ${revision}`) ?? [];
      if (ids.length === 0) violations.push(`lost: ${builder} never built commit ${short(revision)}`);
      if (ids.length > 1) {
        violations.push(
          `doubled: ${builder} was asked ${ids.length} times to build commit ${short(revision)}: requests ${ids.join(', ')}`,
        );
      }
    }
  }
  return violations;
}

interface JudgedRequest {
  readonly violations: string[];
  readonly isGivenUp: boolean;
  readonly rerunsMs: number[];
}

function judgeRequest(attempts: readonly Attempt[], { disruptions, leaseMs }: Evidence): JudgedRequest {
  const violations: string[] = [];
  const rerunsMs: number[] = [];
  let deaths = 0;
  for (const [i, attempt] of attempts.entries()) {
    const name = nameOf(attempt);
    const hits = disruptions.filter((disruption) => doesHit(disruption, attempt));
    if (hits.some((hit) => hit.kind !== 'worker')) deaths += 1;
    const next = attempts[i + 1];
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
    const waitedMs = next.begunMs - Math.max(rerunFrom(engineKill, disruptions, leaseMs), ...laterMs);
    rerunsMs.push(waitedMs);
    if (waitedMs > RERUN_MS) {
      violations.push(
        `late: ${name} ran again only ${waitedMs} ms after the end of its killed engine's lease, when everything else was up`,
      );
    }
  }
  const last = attempts.at(-1)!;
  const isGivenUp = !last.ended && deaths > 0 && last.attempt >= DEATHS_ALLOWED;
  if (!last.ended && !isGivenUp) violations.push(`unfinished: ${nameOf(last)} never came to its last step`);
  return { violations, isGivenUp, rerunsMs };
}

function doesHit(disruption: Disruption, attempt: Attempt): boolean {
  return (
    disruption.worker === attempt.worker &&
    disruption.untilMs >= attempt.begunMs - SLACK_MS &&
    disruption.atMs <= attempt.lastMs + COMMIT_SLACK_MS
  );
}

/**
 * Returns when a killed engine's build is expected to run again: at the end of the lease, or, when another engine, runner or worker was
 * down at that time, when that was back. How long a process takes to start depends on the machine.
 */
function rerunFrom(killed: Disruption, disruptions: readonly Disruption[], leaseMs: number): number {
  const leaseEndMs = killed.atMs + leaseMs;
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
function judgeOutage({ commits, builders, ledger }: Evidence): string[] {
  return commits
    .filter((commit) => commit.inOutage)
    .flatMap(({ revision, pushedAtMs }) =>
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
  for (const { requestId, attempt: number, lines } of logs) {
    const attempt = attempts.get(`${requestId}/${number}`)!;
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

function nameOf({ builder, number, requestId, attempt }: Attempt): string {
  return `${builder} #${number} (request ${requestId}, attempt ${attempt})`;
}

function short(revision: string): string {
  return revision.slice(0, 10);
}
