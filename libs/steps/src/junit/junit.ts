import type { CommandOutcome, Renderable, Step, StepContext, StepOptions, StepOutcome } from '@millrace/config';
import { printable, Result, UserError } from '@millrace/domain';
import { checkRenderable, makeStep } from '../make-step.js';
import { endedBecause, resultOf } from '../outcome.js';
import { type Report, readReport } from './report.js';

export interface JUnitOptions extends StepOptions {
  /** Files of the worker, relative to `workdir`. `*`, `?` and `**` stand for any names. */
  readonly reports: Renderable<string>;
  /** Heading of the results. Default: `unit tests`. */
  readonly description?: Renderable<string>;
  /** Default `build`. */
  readonly workdir?: Renderable<string>;
}

/** Most reports of one step. */
const MAX_REPORTS = 200;

/** Makes a step that records the results of tests from reports in the form of JUnit. It fails when a test failed, and without a report. */
export function junit(options: JUnitOptions): Step {
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const pattern = await step.renderPath(options.reports);
    const workdir = await step.renderPath(options.workdir ?? 'build');
    step.setState(`reading ${pattern}`);
    const found = await step.command('glob', { path: step.path(workdir, pattern) });
    if (resultOf(found) !== Result.SUCCESS) return notRead(found, pattern);
    const files = [...(found.files ?? [])].sort();
    if (files.length === 0) return { result: Result.FAILURE, stateString: `no reports: ${pattern}` };
    if (files.length > MAX_REPORTS)
      return { result: Result.FAILURE, stateString: `${files.length} reports; at most ${MAX_REPORTS} are allowed` };
    const reports: Report[] = [];
    for (const file of files) {
      const { outcome, content } = await step.readFile(file);
      if (content === null) return notRead(outcome, file);
      try {
        reports.push(readReport(content.toString('utf8').replace(/^\uFEFF/, '')));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        return { result: Result.FAILURE, stateString: `${printable(file, 200)}: ${error.message}` };
      }
    }
    const description = await step.render(options.description ?? 'unit tests');
    const results = step.testResults({ description });
    for (const { tests } of reports) for (const test of tests) void results.add(test);
    return summary(reports);
  };
  return makeStep(junit, options, {
    kind: 'junit',
    run,
    check: (reader) => {
      checkRenderable(reader, 'reports', { required: true });
      checkRenderable(reader, 'description');
      checkRenderable(reader, 'workdir');
    },
  });
}

function notRead(outcome: CommandOutcome, what: string): StepOutcome {
  return { result: resultOf(outcome), stateString: `reading ${printable(what, 200)}${endedBecause(outcome)}` };
}

function summary(reports: readonly Report[]): StepOutcome {
  const sum = (of: 'passed' | 'failed' | 'skipped'): number => reports.reduce((all, report) => all + report[of], 0);
  const [failed, passed, skipped] = [sum('failed'), sum('passed'), sum('skipped')];
  const parts = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    `${passed} passed`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return { result: failed > 0 ? Result.FAILURE : Result.SUCCESS, stateString: `tests: ${parts.join(', ')}` };
}
