// `npm test`: provisions what the tests need, builds, lints, and runs every suite. The last line tells the outcome.
import { spawn } from 'node:child_process';
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

/** Files of e2e that judge how long something takes: they have it to themselves. */
const ALONE = String.raw`(chaos|security)\.e2e-spec`;

// Neither the build nor lint nor the unit tests need what is provisioned. Lint keeps one core busy; the unit tests use the other.
const provisioned = step('provision', inBackground('node', ['scripts/provision.mjs']));
const isBuilt = await step('build', inForeground('npm', ['run', '--silent', 'build']));
if (isBuilt) {
  await Promise.all([
    step('lint', inBackground('npm', ['run', '--silent', 'lint:only'])),
    step('unit', jest('unit', inBackground)),
  ]);
}
// When one of these has failed, the following steps would mean nothing.
if ((await provisioned) && isBuilt) {
  await step('integration', jest('integration', inForeground));
  await step('e2e', jest('e2e', inForeground, ['--maxWorkers=2', `--testPathPatterns=^(?!.*${ALONE}).*$`]));
  await step('e2e alone', jest('e2e alone', inForeground, ['--runInBand', `--testPathPatterns=${ALONE}`]));
}
rmSync(reports, { recursive: true });
if (failures.length > 0) console.log(`\n${failures.join('\n\n')}`);
if (broken.length > 0) console.log(`\nFailed: ${broken.join(', ')}`);
const { passed, failed, skipped } = totals;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(broken.length > 0 ? 1 : 0);

/**
 * Runs a step and tells its outcome.
 * @returns whether it succeeded
 */
async function step(name, action) {
  const startedAt = Date.now();
  console.log(`\n── ${name} ${'─'.repeat(Math.max(1, 70 - name.length))}`);
  const { status, output } = await action();
  process.stdout.write(output);
  console.log(`── ${name}: ${status === 0 ? 'ok' : 'FAILED'} after ${Math.round((Date.now() - startedAt) / 1000)} s`);
  if (status !== 0) broken.push(name);
  return status === 0;
}

/** A command whose output is shown as it comes. */
function inForeground(command, args) {
  return async () => ({ status: await ended(spawn(command, args, { cwd: root, stdio: 'inherit' })), output: '' });
}

/** A command whose output is shown in one piece, because others run beside it. */
function inBackground(command, args) {
  return async () => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
    const status = await ended(child);
    return { status, output: Buffer.concat(chunks) };
  };
}

/** Resolves to the exit code; 1 for a command that a signal has ended or that could not be started. */
function ended(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** The tests of a project, or of a part of it: the first word of `name` is the project's. */
function jest(name, run, args = []) {
  const report = join(reports, `${name.replace(' ', '-')}.json`);
  const project = `--selectProjects=${name.split(' ')[0]}`;
  const tests = run('node', ['scripts/jest.mjs', project, '--json', `--outputFile=${report}`, ...args]);
  return async () => {
    const { status, output } = await tests();
    return { status: count(name, report) ? status : 1, output };
  };
}

/**
 * Adds a report of jest to what is told at the end.
 * @returns whether any test ran
 */
function count(name, report) {
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    totals.passed += result.numPassedTests;
    totals.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
    totals.skipped += result.numPendingTests;
    failures.push(...result.testResults.flatMap((file) => failuresOf(name, file)));
    if (result.numTotalTests > 0) return true;
    console.error(`${name}: no test ran`);
  } catch (error) {
    console.error(`${name}: jest left no report (${error.message})`);
  }
  return false;
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
