import { type Figure, plain, type SystemFigures } from './figures.js';
import { buildsPerSecond, linesPerSecond, phases, triggerLatency } from './measures/builds.js';
import { backlog, type BacklogSize } from './measures/backlog.js';
import { claimsPerSecond, THREE_WITH_LOCKS } from './measures/claims.js';
import { crowd } from './measures/crowd.js';
import { filters } from './measures/filters.js';
import { fuzz } from './measures/fuzz.js';
import { fuzzListeners } from './measures/fuzz-listeners.js';
import { historyReads } from './measures/history-reads.js';
import { deliveries } from './measures/hooks.js';
import { waitingParents } from './measures/parents.js';
import { pushIntake } from './measures/push-intake.js';
import { queries } from './measures/queries.js';
import { LIST, readsPerSecond, WATERFALL } from './measures/reads.js';
import { slowSubscriber } from './measures/router.js';
import { stalledCallback, stalledStep } from './measures/stall.js';
import { stockBuilds } from './measures/stock-builds.js';
import { stockFleet } from './measures/stock-fleet.js';
import { stockLogs } from './measures/stock-logs.js';
import { fleet } from './measures/workers.js';
import { installBuildbot, PEER, startBuildbot, startPeerSite } from './systems/buildbot.js';
import { startIntake } from './systems/intake.js';
import { type Stack, type StackName, startMillrace, startStack } from './systems/millrace.js';
import { type SiteSystem, startSite } from './systems/site.js';
import type { System, Workload } from './systems/system.js';

export const MEASURES = [
  'trigger',
  'throughput',
  'chatty',
  'reads',
  'stall',
  'router',
  'claims',
  'claims-backlog',
  'crowd',
  'filters',
  'hooks',
  'push-intake',
  'workers',
  'parents',
  'fleet',
  'stock-logs',
  'stock-builds',
  'fuzz',
  'fuzz-http',
  'queries',
] as const;
export type MeasureName = (typeof MEASURES)[number];

export interface BenchOptions extends Workload {
  readonly only: ReadonlySet<MeasureName>;
  readonly stacks: readonly StackName[];
  readonly peer: boolean;
  /** Numbers of builds in the history. The reads are measured for each. */
  readonly history: readonly number[];
  /** Events that the router carries while a subscriber does not read. */
  readonly events: number;
  /** Workers that connect to one engine. */
  readonly workers: number;
  /** How long a fleet of stock workers is under load. */
  readonly minutes: number;
  /** What waits while claims are measured. */
  readonly backlog: BacklogSize;
  /** Broken sequences of frames for each protocol. */
  readonly cases: number;
}

type Say = (text: string) => void;

const READ_MS = 5000;
/** The peer takes seconds where Millrace takes milliseconds, so it gets fewer builds. */
const BUILDS = {
  millrace: { warmUp: 20, trigger: 100, throughput: 600 },
  peer: { warmUp: 2, trigger: 20, throughput: 40 },
} as const;
const less = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'less', value });
const more = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'more', value });

export async function runBench(
  options: BenchOptions,
  say: Say,
): Promise<{ results: SystemFigures[]; peer: string | null }> {
  const results: SystemFigures[] = [];
  let peer: SystemFigures | null = null;
  if (options.peer && isWanted(options, [...CLUSTER_MEASURES, ...SITE_MEASURES])) {
    installBuildbot();
    peer = isWanted(options, CLUSTER_MEASURES)
      ? await ofBuildbot(options, say)
      : { system: PEER, figures: [], notes: [] };
    results.push(peer);
  }
  for (const name of isWanted(options, STACK_MEASURES) ? options.stacks : []) {
    say(`starting ${name}`);
    const stack = await startStack(name);
    try {
      results.push(
        isWanted(options, CLUSTER_MEASURES)
          ? await onStack(stack, options, say)
          : { system: `Millrace, ${stack.title}`, figures: [], notes: [] },
      );
    } finally {
      await stack.stop();
    }
    for (const measure of INTAKE_MEASURES)
      if (options.only.has(measure)) await intake(name, measure, results.at(-1)!, say);
    // Sites of Buildbot are read in turns with those of one stack.
    await apart(name, results.at(-1)!, name === options.stacks[0] ? peer : null, options, say);
  }
  for (const [measure, system, run] of [
    ['stock-builds', 'Millrace, MariaDB and stock workers', () => stockBuilds(options)],
    ['fuzz', 'Millrace, sessions', () => fuzz(options.cases)],
    ['fuzz-http', 'Millrace, listeners', () => fuzzListeners(options.cases)],
  ] as const) {
    if (!options.only.has(measure)) continue;
    say(measure);
    const result: SystemFigures = { system, figures: [], notes: [] };
    const { figures, notes } = await run();
    record(result.figures, figures, say);
    result.notes.push(...notes);
    results.push(result);
  }
  return { results, peer: peer && PEER };
}

/** Measures of a running system, which Buildbot has too. */
const CLUSTER_MEASURES: readonly MeasureName[] = ['trigger', 'throughput', 'chatty', 'reads', 'stall'];

/** Measures of what people read of a site, which Buildbot has too. */
const SITE_MEASURES = ['crowd', 'filters'] as const;
/** The longest history that Buildbot gets. */
const PEER_HISTORY = 100_000;

const PEER_SITES: SiteSystem = { name: PEER, most: PEER_HISTORY, start: startPeerSite };

async function ofBuildbot(options: BenchOptions, say: Say): Promise<SystemFigures> {
  say('starting Buildbot');
  const buildbot = await startBuildbot(options);
  try {
    return await measured(buildbot, options, say);
  } finally {
    await buildbot.stop();
  }
}

/** Measures of a scheduler that takes in changes. */
const INTAKE_MEASURES = ['hooks', 'push-intake'] as const;

async function intake(
  name: StackName,
  measure: (typeof INTAKE_MEASURES)[number],
  result: SystemFigures,
  say: Say,
): Promise<void> {
  say(`${result.system}: ${measure}`);
  const stack = await startStack(name);
  const system = await startIntake(stack);
  try {
    record(result.figures, await (measure === 'hooks' ? deliveries : pushIntake)(system), say);
  } finally {
    await system.stop();
    await stack.stop();
  }
}

/** Measures that use systems of their own, whatever the stack. */
const OTHER_MEASURES: readonly MeasureName[] = ['stock-builds', 'fuzz', 'fuzz-http'];
const STACK_MEASURES = MEASURES.filter((measure) => !OTHER_MEASURES.includes(measure));

function isWanted(options: BenchOptions, measures: readonly MeasureName[]): boolean {
  return measures.some((measure) => options.only.has(measure));
}

async function onStack(stack: Stack, options: BenchOptions, say: Say): Promise<SystemFigures> {
  const millrace = await startMillrace(stack, options);
  try {
    const result = await measured(millrace, options, say);
    if (options.only.has('stall')) {
      say(`${millrace.name}: a burning callback`);
      record(result.figures, await stalledCallback(millrace, options.burnSeconds), say);
    }
    return result;
  } finally {
    await millrace.stop();
  }
}

/** Takes every measure that Buildbot has too. */
async function measured(system: System, options: BenchOptions, say: Say): Promise<SystemFigures> {
  const { api, database, name } = system;
  const figures: Figure[] = [];
  const add = (...more: Figure[]): void => record(figures, more, say);
  const notes: string[] = [];
  const step = (measure: MeasureName): boolean => {
    if (!options.only.has(measure)) return false;
    say(`${name}: ${measure}`);
    return true;
  };
  const count = database ? BUILDS.millrace : BUILDS.peer;
  await triggerLatency(api, count.warmUp);
  if (step('trigger')) {
    const { p50Ms, p99Ms } = await triggerLatency(api, count.trigger);
    add(less('trigger → complete p50', 'ms', p50Ms), less('trigger → complete p99', 'ms', p99Ms));
    if (database) notes.push(`trigger: ${await phases(database, count.trigger)}`);
  }
  if (step('throughput')) {
    add(more('trivial builds', '/s', await buildsPerSecond(api, count.throughput)));
    if (database) notes.push(`throughput: ${await phases(database, count.throughput)}`);
  }
  if (step('chatty')) add(more('log lines', '/s', await linesPerSecond(api, options.lines)));
  if (step('reads')) {
    add(more('list reads, this run’s builds', '/s', await readsPerSecond(api, LIST, READ_MS)));
    add(more('waterfall reads, this run’s builds', '/s', await readsPerSecond(api, WATERFALL, READ_MS)));
  }
  if (step('stall')) add(...(await stalledStep(system, options.burnSeconds)));
  return { system: name, figures, notes };
}

/** Takes the measures that use databases and routers of their own. */
async function apart(
  name: StackName,
  result: SystemFigures,
  peer: SystemFigures | null,
  options: BenchOptions,
  say: Say,
): Promise<void> {
  const step = (measure: MeasureName): boolean => {
    if (!options.only.has(measure)) return false;
    say(`${result.system}: ${measure}${measure === 'reads' ? ' with history' : ''}`);
    return true;
  };
  if (step('reads')) record(result.figures, await historyReads(name, options.history, options, say), say);
  if (step('claims')) record(result.figures, [await claimsPerSecond(name, { size: options.backlog })], say);
  // SQLite has no counters of its statements, and one master.
  if (name === 'mariadb' && step('claims-backlog')) {
    record(result.figures, [await claimsPerSecond(name, { ...THREE_WITH_LOCKS, size: options.backlog })], say);
    const { figures, notes } = await backlog(name, options.backlog);
    record(result.figures, figures, say);
    result.notes.push(...notes);
  }
  for (const measure of SITE_MEASURES) {
    if (!step(measure)) continue;
    const own: SiteSystem = { name: result.system, most: Infinity, start: (builds) => startSite(name, builds) };
    const systems = peer ? [PEER_SITES, own] : [own];
    const found = await (measure === 'crowd' ? crowd : filters)(systems, options.history, say);
    for (const { system, figures, notes } of found) {
      const into = system === PEER ? peer! : result;
      say(`  ${system}`);
      record(into.figures, figures, say);
      into.notes.push(...notes);
    }
    peer?.notes.push(`${measure}: nobody signs in, because Buildbot can hide no builder`);
  }
  if (step('router')) {
    const { figures, notes } = await slowSubscriber(name, options.events);
    record(result.figures, figures, say);
    result.notes.push(...notes);
  }
  if (step('workers')) {
    const { figures, notes } = await fleet(name, options.workers);
    record(result.figures, figures, say);
    result.notes.push(...notes);
  }
  if (step('parents')) {
    const { figures, notes } = await waitingParents(name);
    record(result.figures, figures, say);
    result.notes.push(...notes);
  }
  if (step('fleet')) {
    const { figures, notes } = await stockFleet(name, options.minutes);
    record(result.figures, figures, say);
    result.notes.push(...notes);
  }
  if (step('stock-logs')) {
    const { figures, notes } = await stockLogs(name, options.lines);
    record(result.figures, figures, say);
    result.notes.push(...notes);
  }
  if (step('queries')) result.notes.push(await queries(name, Math.max(...options.history), options));
}

/** Records figures and prints each at once: a run takes long and may be cut short. */
function record(into: Figure[], figures: readonly Figure[], say: Say): void {
  for (const { name, unit, value } of figures)
    say(`    ${name}: ${plain(value)}${typeof value === 'number' ? ` ${unit}` : ''}`);
  into.push(...figures);
}
