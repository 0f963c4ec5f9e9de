// `npm test`: provisions what the tests need, builds, lints, and runs every suite. The last line tells the outcome.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = mkdtempSync(join(tmpdir(), 'millrace-reports-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const broken = [];
/** What failed, in a line or two each: repeated at the end, where it is found without a search through an hour's output. */
const failures = [];
const FAILURE_LINES = 12;

/** Files of e2e that judge how long something takes, or kill faster than a busy machine starts: they have it to themselves. */
const ALONE = String.raw`(chaos|resume|security)\.e2e-spec`;

const steps = [
  ['provision', 'node', ['scripts/provision.mjs']],
  ['build', 'npm', ['run', '--silent', 'build']],
  ['lint', 'npm', ['run', '--silent', 'lint:only']],
  ['unit', 'jest'],
  ['integration', 'jest'],
  ['e2e', 'jest', ['--maxWorkers=2', `--testPathPatterns=^(?!.*${ALONE}).*$`]],
  ['e2e alone', 'jest', ['--runInBand', `--testPathPatterns=${ALONE}`]],
];

for (const [name, command, args = []] of steps) {
  const startedAt = Date.now();
  console.log(`\n── ${name} ${'─'.repeat(Math.max(1, 70 - name.length))}`);
  const status = command === 'jest' ? runJest(name, args) : run(command, args);
  console.log(`── ${name}: ${status === 0 ? 'ok' : 'FAILED'} after ${Math.round((Date.now() - startedAt) / 1000)} s`);
  if (status !== 0) broken.push(name);
  // When these fail, the following steps would mean nothing.
  if (status !== 0 && (name === 'provision' || name === 'build')) break;
}
rmSync(reports, { recursive: true });
if (failures.length > 0) console.log(`\n${failures.join('\n\n')}`);
if (broken.length > 0) console.log(`\nFailed: ${broken.join(', ')}`);
const { passed, failed, skipped } = totals;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(broken.length > 0 ? 1 : 0);

function run(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
}

function runJest(project, args) {
  const report = join(reports, `${project.replace(' ', '-')}.json`);
  const status = run('node', [
    'scripts/jest.mjs',
    `--selectProjects=${project.split(' ')[0]}`,
    '--json',
    `--outputFile=${report}`,
    ...args,
  ]);
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    totals.passed += result.numPassedTests;
    totals.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
    totals.skipped += result.numPendingTests;
    failures.push(...result.testResults.flatMap((file) => failuresOf(project, file)));
    if (result.numTotalTests > 0) return status;
    console.error(`${project}: no test ran`);
  } catch (error) {
    console.error(`${project}: jest left no report (${error.message})`);
  }
  return 1;
}

/** Returns what failed in a file, with the beginning of each message. A file that could not be run is one failure. */
function failuresOf(project, { name, status, message, assertionResults }) {
  const where = `${project} ${relative(root, name)}`;
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (failed.length === 0) return status === 'failed' ? [`✗ ${where}\n${beginningOf(message)}`] : [];
  return failed.map(
    ({ fullName, failureMessages }) => `✗ ${where}: ${fullName}\n${beginningOf(failureMessages.join('\n'))}`,
  );
}

function beginningOf(message) {
  const lines = stripVTControlCharacters(message).split('\n');
  return lines
    .slice(0, FAILURE_LINES)
    .map((line) => `    ${line.slice(0, 300)}`)
    .join('\n');
}
