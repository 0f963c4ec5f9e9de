import { setTimeout as delay } from 'node:timers/promises';
import {
  checkRepository,
  type CommandOutcome,
  credentialsFor,
  type GitAccess,
  keyFor,
  type Renderable,
  type Step,
  type StepContext,
  type StepOutcome,
} from '@millrace/config';
import {
  MillraceError,
  NO_SOURCE,
  type Patch,
  Result,
  type SourceStamp,
  sourceStampOf,
  UserError,
  withCodebaseValue,
  worstOf,
} from '@millrace/domain';
import { makeStep } from '../make-step.js';
import { endedBecause, resultOf, succeeded } from '../outcome.js';
import { Checkout, isPlainFailure, type Trouble } from './checkout.js';
import { checkGitOptions, describeArguments, type GitStepOptions, shownOptions, variablesOf } from './options.js';
import { PrivateGit } from './private-git.js';
import { type Measure, measureFor, updateFailed } from './repair.js';
import { type Wanted, wantedOf } from './wanted.js';

const DEFAULT_WORKDIR = 'build';
/** Folder of the checkout for `method: 'copy'`. */
const COPIED_FROM = 'source';

/** What a git step is about to do, completely known and checked. */
interface Plan {
  readonly repository: string;
  readonly wanted: Wanted;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string | null>>;
  readonly settings: readonly string[];
  readonly reference: string | null;
  readonly access: GitAccess | null;
  readonly patch: Patch | null;
}

/**
 * Makes a step that checks out the build's revision, or the head of its branch, and sets `got_revision`. Credentials are bound to a scope,
 * and are never near a folder in which code of an earlier build ran: see `PrivateGit`.
 */
export function git(options: GitStepOptions): Step {
  return makeStep(git, options, {
    kind: 'git',
    flags: { haltOnFailure: true },
    variables: variablesOf(options),
    ...(options.codebase !== undefined && { codebase: options.codebase }),
    run: (step) => run(step, options),
    shown: shownOptions(options),
    check: checkGitOptions,
  });
}

async function run(step: StepContext, options: GitStepOptions): Promise<StepOutcome> {
  let plan: Plan;
  try {
    plan = await planOf(step, options);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    await step.log('err.text').append(`${error.message}\n`);
    return { result: Result.EXCEPTION, stateString: REFUSED[error.code] ?? 'update' };
  }
  const { access, env, settings } = plan;
  if (!access) return await checkOut(step, options, plan, null);
  const apart = new PrivateGit({ step, access, env, settings, timeoutSeconds: options.timeoutSeconds });
  let outcome: StepOutcome | null = null;
  let removed: CommandOutcome;
  try {
    outcome = await checkOut(step, options, plan, apart);
  } finally {
    removed = await apart.remove();
  }
  if (succeeded(removed)) return outcome;
  const stateString = `${outcome.stateString}, credentials not removed`;
  return { result: worstOf([outcome.result, resultOf(removed)]), stateString };
}

function failed(what: string, outcome: CommandOutcome): StepOutcome {
  return { result: resultOf(outcome), stateString: what + endedBecause(outcome) };
}

const REFUSED: Readonly<Record<string, string>> = {
  'secret-in-address': "the repository's address holds a secret",
  'bad-credentials': 'the credentials are not for this repository',
  'no-credentials': 'the credentials are not set',
  'no-source-stamp': 'no source stamp to check out',
  'bad-git-name': 'no name that Git has',
  'bad-workdir': 'no folder to copy to',
};

/**
 * Returns the plan for a build.
 * @throws UserError for invalid values of the build
 */
async function planOf(step: StepContext, options: GitStepOptions): Promise<Plan> {
  const stamp = stampOf(step.sourceStamps, options.codebase ?? '');
  const repository = await step.render(options.repository);
  checkRepository(repository);
  const branch = stamp.branch ?? (options.branch === undefined ? null : await step.render(options.branch));
  const config = await step.render((options.config ?? {}) as Readonly<Record<string, string>>);
  const workdir = await step.renderPath(options.workdir ?? DEFAULT_WORKDIR);
  if (isCopied(options)) checkApart(step.path(workdir), step.path(COPIED_FROM));
  return {
    repository,
    wanted: wantedOf(branch, options.alwaysUseLatest ? null : stamp.revision),
    workdir,
    env: await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>),
    settings: Object.entries(config).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    reference: options.reference === undefined ? null : await step.renderPath(options.reference),
    access: accessOf(options, repository),
    patch: stamp.patch ?? null,
  };
}

function isCopied({ mode, method }: GitStepOptions): boolean {
  return mode === 'full' && method === 'copy';
}

/**
 * Checks that the checkout to copy is outside of the folder that is removed before copying.
 * @throws UserError `bad-workdir`
 */
function checkApart(workdir: string, source: string): void {
  const isWithin = (inner: string, outer: string): boolean =>
    inner === outer || (inner.startsWith(outer) && /[\\/]/.test(inner[outer.length]!));
  if (!isWithin(workdir, source) && !isWithin(source, workdir)) return;
  throw new UserError(
    'bad-workdir',
    `workdir '${workdir}' and the checkout that method 'copy' copies, '${source}', are not apart: name another folder`,
    { workdir },
  );
}

/**
 * Returns the source stamp of a codebase.
 * @throws UserError `no-source-stamp`
 */
function stampOf(stamps: readonly SourceStamp[], codebase: string): SourceStamp {
  const stamp = stamps.length === 0 && codebase === '' ? NO_SOURCE : sourceStampOf(stamps, codebase);
  if (stamp) return stamp;
  const known = stamps.map((one) => `'${one.codebase}'`).join(', ') || 'none';
  throw new UserError(
    'no-source-stamp',
    codebase === ''
      ? `this build has source stamps of several codebases (${known}): say which one is to be checked out, git({ codebase: … })`
      : `this build has no source stamp of the codebase '${codebase}'; there are: ${known}`,
    { codebase },
  );
}

/**
 * Returns the credentials or key for the repository.
 * @throws UserError `no-credentials`, `bad-credentials`
 */
function accessOf(options: GitStepOptions, repository: string): GitAccess | null {
  if (options.credentials) {
    const bound = credentialsFor(options.credentials, repository, fixed(options.repository), process.env);
    return { kind: 'password', bound };
  }
  return keyFor(options, (variable) => process.env[variable]);
}

function fixed(repository: Renderable<string>): string | null {
  return typeof repository === 'string' && !repository.includes('%(') ? repository : null;
}

async function checkOut(
  step: StepContext,
  options: GitStepOptions,
  plan: Plan,
  apart: PrivateGit | null,
): Promise<StepOutcome> {
  const { wanted, repository, env, settings, reference, patch } = plan;
  const { mode = 'incremental', method = 'fresh', shallow = false } = options;
  const workdir = isCopied(options) ? COPIED_FROM : plan.workdir;
  const checkout = new Checkout(step, {
    repository,
    wanted,
    workdir,
    env,
    settings,
    timeoutSeconds: options.timeoutSeconds,
    submodules: options.submodules ?? false,
    tags: options.tags ?? false,
    progress: options.progress ?? true,
    depth: shallow === false ? null : shallow === true ? 1 : shallow,
    filters: options.filters ?? [],
    reference,
    clean: mode === 'incremental' ? 'nothing' : method === 'clean' ? 'all but ignored' : 'everything',
    apart,
  });
  step.setState(`checking out ${wanted.branch ?? 'the default branch'}`);
  if (mode === 'full' && method === 'clobber') {
    const removed = await checkout.removeFolder(step.path(workdir));
    if (!succeeded(removed)) return failed('update', removed);
  }
  const trouble = await updated(step, checkout, options);
  if (trouble) return failed(updateFailed(trouble.failure, wanted), trouble.outcome);

  const head = await checkout.git(['rev-parse', 'HEAD'], { capture: true });
  const revision = head.stdout?.trim() ?? '';
  if (!succeeded(head)) return failed('update', head);
  if (!revision) return { result: Result.FAILURE, stateString: 'update: no revision was checked out' };
  setSourceProperty(step, options, 'got_revision', revision);
  if (options.getDescription) {
    const described = await checkout.git(['describe', ...describeArguments(options.getDescription)], { capture: true });
    // A history without a tag has no description, which is no failure.
    if (succeeded(described)) setSourceProperty(step, options, 'commit-description', described.stdout!.trim());
    else if (!isPlainFailure(described)) return failed('update', described);
  }
  if (patch) {
    step.setState('applying the patch');
    const applied = await checkout.apply(patch);
    if (!succeeded(applied)) return failed('the patch does not apply', applied);
  }
  if (isCopied(options)) {
    const copied = await checkout.replaceBy(step.path(COPIED_FROM), step.path(plan.workdir));
    if (!succeeded(copied)) return failed('copy', copied);
  }
  const { branch } = wanted;
  return {
    result: Result.SUCCESS,
    stateString: `update ${branch ? `${branch} ` : ''}${revision.slice(0, 12)}${patch ? ', patched' : ''}`,
  };
}

function setSourceProperty(step: StepContext, options: GitStepOptions, name: string, value: string): void {
  step.properties.set(name, withCodebaseValue(step.properties.get(name), options.codebase ?? '', value), 'Git');
}

/** Updates the checkout, repairs what an update finds broken, and tries again as often as configured. */
async function updated(step: StepContext, checkout: Checkout, options: GitStepOptions): Promise<Trouble | null> {
  const { delaySeconds = 0, repeats = 0 } = options.retry ?? {};
  for (let retry = 0; ; retry++) {
    const trouble = await mended(step, checkout, options.clobberOnFailure ?? true);
    if (!trouble || !isPlainFailure(trouble.outcome) || retry >= repeats) return trouble;
    step.setState(`waiting to try again (${retry + 1} of ${repeats})`);
    // An aborted wait is handled below.
    await delay(delaySeconds * 1000, undefined, { signal: step.signal }).catch(() => undefined);
    if (step.signal.aborted) return { ...trouble, outcome: { ...trouble.outcome, cancelled: true } };
  }
}

async function mended(step: StepContext, checkout: Checkout, mayRemake: boolean): Promise<Trouble | null> {
  const taken = new Set<Measure>();
  let isSound: boolean | null = null;
  const say = (text: string): Promise<void> => step.log('repair').append(`${text}\n`);
  for (;;) {
    const trouble = await checkout.update();
    if (!trouble || !isPlainFailure(trouble.outcome)) return trouble;
    for (let hasHelped = false; !hasHelped;) {
      const { failure } = trouble;
      const measure = measureFor({ failure, existed: checkout.existed, mayRemake, taken, isSound });
      if (measure === null) return trouble;
      taken.add(measure);
      if (measure === 'inspect') {
        isSound = await checkout.isSound();
        await say(isSound ? 'nothing is wrong with the checkout, so it stays' : 'something is wrong with the checkout');
        continue;
      }
      const done = await checkout.take(measure);
      hasHelped = done !== null;
      if (done !== null) await say(done);
    }
  }
}
