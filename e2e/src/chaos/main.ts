import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GUARANTEES } from '@millrace/testing';
import { availableStacks, type StackName } from '../stacks.js';
import { checkoutOf } from './checkout.js';
import { judge, type Verdict } from './judge.js';
import { ALL_PHASES, DEMONSTRATIONS, runChaos } from './scenario.js';

const HELP = `Kills every kind of process while commits come in, and judges from a ledger that the builds write.

  npm run chaos -- [--stack embedded|crossbar|nats|all] [--seed N] [--commits N] [--kills N] [--outage SECONDS]
  npm run chaos -- --sabotage fence|cause|poll     succeeds only if the judge notices that the guarantee is off
  npm run chaos -- --beside COMMIT                 begins with masters of that commit, has both beside each other, and ends with these

Without options: 200 commits, 10 kills of each kind, the bus down for 60 s, on the embedded stack.
`;
const STACKS: Readonly<Record<string, StackName>> = {
  embedded: 'embedded',
  crossbar: 'MariaDB + crossbar',
  nats: 'MariaDB + NATS',
};
const VIOLATIONS_SHOWN = 20;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`--${name} is '${text}': expected a whole number of at least 0`);
}

function oneOf<T extends string>(name: string, text: string, values: readonly T[]): T {
  const found = values.find((value) => value === text);
  if (found) return found;
  throw new Error(`--${name} is '${text}': expected ${values.join(', ')}`);
}

function report(stack: StackName, seed: number, verdict: Verdict): void {
  const { violations, attempts, repeated, givenUp, slowestRerunMs } = verdict;
  const reruns =
    slowestRerunMs === null ? '' : `, ran again at most ${slowestRerunMs} ms after a killed engine's lease`;
  say(`\n${stack}, seed ${seed}: ${attempts} attempts, ${repeated} of them repeated${reruns}; ${givenUp} given up`);
  for (const violation of violations.slice(0, VIOLATIONS_SHOWN)) say(`  VIOLATION  ${violation}`);
  if (violations.length > VIOLATIONS_SHOWN) say(`  … and ${violations.length - VIOLATIONS_SHOWN} more`);
  say(violations.length === 0 ? '  nothing lost, nothing doubled' : `  ${violations.length} violations`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      stack: { type: 'string', default: 'embedded' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      commits: { type: 'string' },
      kills: { type: 'string' },
      outage: { type: 'string' },
      sabotage: { type: 'string' },
      beside: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const sabotage = values.sabotage === undefined ? null : oneOf('sabotage', values.sabotage, GUARANTEES);
  const wanted = oneOf('stack', values.stack, [...Object.keys(STACKS), 'all']);
  const stacks = Object.values(STACKS).filter((stack) => wanted === 'all' || STACKS[wanted] === stack);
  const unavailable = stacks.filter((stack) => !availableStacks().includes(stack));
  if (unavailable.length > 0) throw new Error(`not installed here: ${unavailable.join(', ')}; see npm run provision`);
  const seed = wholeNumber('seed', values.seed);
  if (sabotage && values.beside !== undefined) throw new Error('--sabotage and --beside: one of the two');
  const beside = values.beside === undefined ? null : checkoutOf(values.beside);
  let failures = 0;
  for (const stack of stacks) {
    say(`\n${stack}, seed ${seed}${sabotage ? `, without the guarantee '${sabotage}'` : ''}`);
    const { evidence, output } = await runChaos({
      stack,
      seed,
      commits: wholeNumber('commits', values.commits ?? (sabotage ? '6' : '200')),
      kills: wholeNumber('kills', values.kills ?? (sabotage ? '0' : '10')),
      outageMs: wholeNumber('outage', values.outage ?? (sabotage ? '5' : '60')) * 1000,
      phases: sabotage ? ['storm', DEMONSTRATIONS[sabotage].phase] : ALL_PHASES,
      sabotage,
      beside,
      say,
    });
    const verdict = judge(evidence);
    report(stack, seed, verdict);
    const isAsExpected = sabotage
      ? verdict.violations.some((violation) => violation.startsWith(DEMONSTRATIONS[sabotage].violation))
      : verdict.violations.length === 0;
    const file = join(tmpdir(), `millrace-chaos-${seed}.txt`);
    writeFileSync(file, `${output.join('\n')}\n\n${JSON.stringify({ ...evidence, logs: undefined }, null, 1)}\n`);
    say(`  what the cluster printed, and the evidence: ${file}`);
    if (!isAsExpected) failures += 1;
  }
  if (sabotage) say(failures === 0 ? `\nThe missing '${sabotage}' was noticed.` : `\nNOT NOTICED: '${sabotage}'.`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
