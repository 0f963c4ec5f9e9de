import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { table } from './figures.js';
import { MEASURES, type MeasureName, runBench } from './run.js';
import type { StackName } from './systems/millrace.js';

const isMeasure = (name: string): name is MeasureName => (MEASURES as readonly string[]).includes(name);

function measures(text: string): MeasureName[] {
  const names = text.split(',');
  const unknown = names.filter((name) => !isMeasure(name));
  if (unknown.length === 0) return names.filter(isMeasure);
  throw new InvalidArgumentError(`no measure ${unknown.join(', ')}; there are: ${MEASURES.join(', ')}`);
}

function stacks(text: string): StackName[] {
  if (text === 'all') return ['sqlite', 'mariadb'];
  if (text === 'sqlite' || text === 'mariadb') return [text];
  throw new InvalidArgumentError('expected sqlite, mariadb or all');
}

function counts(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.every((value) => Number.isSafeInteger(value) && value > 0)) return values;
  throw new InvalidArgumentError('expected whole numbers with commas between');
}

const options = new Command('bench')
  .description(
    'Measures Millrace beside a stock Buildbot. Everything is started, measured from outside, and stopped again.',
  )
  .option('--only <measures>', `Measure only these, of: ${MEASURES.join(', ')}.`, measures, [...MEASURES])
  .option('--stack <stack>', 'What Millrace stands on: sqlite, mariadb or all.', stacks, ['sqlite', 'mariadb'])
  .option('--peer', 'Measure Buildbot too (the default).', true)
  .option('--no-peer', 'Leave Buildbot out.')
  .option('--history <builds>', 'Builds in the history for the reads.', counts, [10_000, 1_000_000])
  .option('--burn <seconds>', 'How long the burning step and callback burn CPU.', Number, 20)
  .option('--lines <count>', 'Lines that the chatty step prints.', Number, 500_000)
  .option('--events <count>', 'Events that the router carries while a subscriber does not read.', Number, 50_000)
  .option('--workers <count>', 'Workers that connect to one engine.', Number, 5000)
  .option('--minutes <count>', 'How long a fleet of stock workers is under load.', Number, 3)
  .option('--builders <count>', 'Builders of which requests wait while claims are measured.', Number, 4000)
  .option('--pending <count>', 'Requests that wait while claims are measured.', Number, 25_000)
  .option(
    '--cases <count>',
    'Broken sequences of frames, and broken messages, for the fuzz of each protocol.',
    Number,
    1_000_000,
  )
  .option('--json <file>', 'Also write everything as JSON.')
  .parse()
  .opts<{
    only: MeasureName[];
    stack: StackName[];
    peer: boolean;
    history: number[];
    burn: number;
    lines: number;
    events: number;
    workers: number;
    minutes: number;
    builders: number;
    pending: number;
    cases: number;
    json?: string;
  }>();

// Started processes are stopped by the end of their IPC channels and by `exit` listeners.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
const loadBefore = load();
say(`Node ${process.versions.node}, ${cpus().length} cores, load ${loadBefore} before anything was started`);
const { results, peer } = await runBench(
  {
    only: new Set(options.only),
    stacks: options.stack,
    peer: options.peer,
    history: options.history,
    burnSeconds: options.burn,
    lines: options.lines,
    events: options.events,
    workers: options.workers,
    minutes: options.minutes,
    backlog: { builders: options.builders, pending: options.pending },
    cases: options.cases,
  },
  say,
);
say(`\n${table(results, peer)}\n`);
for (const { system, notes } of results) for (const note of notes) say(`${system}: ${note}`);
say(`load ${loadBefore} before, ${load()} after`);
if (options.json)
  writeFileSync(options.json, `${JSON.stringify({ loadBefore, loadAfter: load(), results }, null, 2)}\n`);
process.exit(0);
