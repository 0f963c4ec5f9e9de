import { parseArgs } from 'node:util';
import type { StackName } from '../stacks.js';
import { runFleet } from './scenario.js';

const STACKS: Readonly<Record<string, StackName>> = { sqlite: 'embedded', mariadb: 'MariaDB + crossbar' };

const { values } = parseArgs({
  options: {
    stack: { type: 'string', default: 'sqlite' },
    workers: { type: 'string', default: '24' },
    seconds: { type: 'string', default: '180' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const stack = STACKS[values.stack];
if (!stack) throw new Error(`--stack is '${values.stack}': expected ${Object.keys(STACKS).join(', ')}`);
process.on('disconnect', () => process.exit(1));
const report = await runFleet({
  stack,
  workers: Number(values.workers),
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  say: (text) => process.stderr.write(`${text}\n`),
});
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exit(report.violations.length === 0 ? 0 : 1);
