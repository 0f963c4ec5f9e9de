import { createHash } from 'node:crypto';
import type {
  CompiledBuilder,
  CompiledChangeSource,
  CompiledConfig,
  CompiledProject,
  CompiledWorker,
} from '@millrace/contracts';
import { isWorkerName, isWorkerTemplate, type JsonValue } from '@millrace/domain';
import { type Callback, CallbackTable } from './callback-table.js';
import { type Collapse, compileChoices, compileCollapse, optionalCallback } from './choices.js';
import { suppliedCodebases } from './codebases.js';
import { compileSteps, describeStep, noteMissingCodebases } from './compile-step.js';
import { describeValue, fingerprintOf } from './fingerprint.js';
import { compileGitPoller } from './git-poller.js';
import type { GitAccess } from './git-ssh.js';
import { compileHook } from './hooks/compile.js';
import { compilePullRequests } from './pull-requests/compile.js';
import { PULL_REQUEST_FORGES } from './pull-requests/registry.js';
import { LockList } from './locks.js';
import { ObjectReader, ProblemList, references, SHORT } from './object-reader.js';
import { ConfigError, type Note } from './problems.js';
import { checkCodebases, compileCodebase, recordingSources } from './recorded-codebases.js';
import { unrenderable } from './render.js';
import { compileScheduler } from './schedulers/compile.js';
import { compileService } from './services/compile.js';
import { REMOVED_BUILDERS } from './services/removed-builders.js';
import { checkFolders } from './shared-folders.js';
import type { Step } from './step.js';
import { checkTriggers } from './triggers.js';
import { checkUpstreams } from './upstreams.js';
import { compileVisibleTo, compileWww } from './www/compile.js';

export interface CompileResult {
  readonly revision: CompiledConfig;
  /** sha256 over the revision, the source text of all callbacks and, where known, the files they come from. */
  readonly fingerprint: string;
  readonly builderFingerprints: Readonly<Record<string, string>>;
  readonly callbacks: ReadonlyMap<string, Callback>;
  /** Remarks about a valid configuration. */
  readonly notes: readonly Note[];
  readonly workerDigests: WorkerDigests;
  readonly variables: NamedVariables;
  /**
   * What gives access to repositories, by change source. Like the digests it is only in the memory of the master that loads the
   * configuration.
   */
  readonly gitAccesses: ReadonlyMap<string, GitAccess>;
  /** Secrets of hooks by name. They are where the credentials are, too. */
  readonly hookSecrets: ReadonlyMap<string, string>;
}

/**
 * MD5 of each worker's password, hexadecimal, by the worker's name. A stock worker that speaks Perspective Broker proves with this digest
 * that it knows its password (`docs/protocols.md#the-login-over-pb`), so a salted hash cannot check it. The digest is as secret as the
 * password: it is kept beside the revision, in the memory of the master that loads the configuration, and is neither stored nor sent.
 */
export type WorkerDigests = Readonly<Record<string, string>>;

/** Environment variables that the configuration names. */
export interface NamedVariables {
  /** Variables with passwords of workers and change sources, and secrets of hooks. Masters need them, steps do not. */
  readonly masters: readonly string[];
  /** Variables that steps read. */
  readonly steps: readonly string[];
}

export interface CompileOptions {
  /** sha256 of every loaded file by its name. It is part of the fingerprint, because callbacks may use other parts of these files. */
  readonly sources?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** True when variables with passwords and secrets of hooks are not set: a runner has none of them. */
  readonly withoutPasswords?: boolean;
  /** The file named in problems that have no better location. */
  readonly file?: string;
}

/**
 * Checks a configuration as a whole and turns it into plain data.
 *
 * @throws ConfigError `bad-config` with every problem
 */
export function compileConfig(user: unknown, options: CompileOptions = {}): CompileResult {
  const found = new ProblemList();
  const callbacks = new CallbackTable();
  const top = new ObjectReader(user, '', found);
  const section = (key: string, required = false) => readers(top, key, required);

  const projectReaders = section('projects');
  const projects = projectReaders.map(compileProject);
  const projectNames = unique(projects, projectReaders);
  const workerReaders = section('workers', true);
  const env = new PasswordVariables(options.env ?? process.env, options.withoutPasswords ?? false);
  const locks = new LockList();
  locks.declare(top);
  const compiledWorkers = workerReaders.map((reader) => compileWorker(reader, env, locks));
  const workers = compiledWorkers.map(({ compiled }) => compiled);
  const workerNames = unique(workers, workerReaders);
  const builderReaders = section('builders', true);
  const stepVariables = new Set<string>();
  const collapse = compileCollapse(top, callbacks, { collapseRequests: true });
  const builders = builderReaders.map((reader) =>
    compileBuilder(reader, {
      projects: projectNames,
      workers: workerNames,
      variables: stepVariables,
      locks,
      callbacks,
      defaults: { collapse },
    }),
  );
  const builderNames = unique(builders, builderReaders);
  uniqueFormerNames(builders, builderReaders);
  checkFolders(builders, builderReaders);
  const schedulerReaders = section('schedulers');
  const schedulers = schedulerReaders.map((reader) => compileScheduler(reader, builderNames, callbacks));
  unique(schedulers, schedulerReaders);
  checkUpstreams(schedulers, schedulerReaders);
  checkTriggers(builders, builderReaders, schedulers);
  const serviceReaders = section('services');
  const services = serviceReaders.map((reader) => compileService(reader, { builders: builderNames, callbacks }));
  unique(services, serviceReaders);
  const removedBuilders = top.has('removedBuilders') ? top.oneOf('removedBuilders', ['wait', 'cancel']) : 'wait';
  if (removedBuilders === 'cancel') services.push({ name: REMOVED_BUILDERS, kind: REMOVED_BUILDERS });
  const sourceReaders = section('changeSources');
  const gitAccesses = new Map<string, GitAccess>();
  const changeSources = sourceReaders.map((reader) => compileChangeSource(reader, callbacks, gitAccesses, env));
  unique(changeSources, sourceReaders);
  const codebaseReaders = section('codebases');
  const codebases = codebaseReaders.map((reader) => compileCodebase(reader, projectNames));
  const hookReaders = section('hooks');
  const hookSecrets = new Map<string, string>();
  const hooks = hookReaders.map((reader) => {
    const { hook, secret } = compileHook(reader, callbacks, (variable) => env.get(variable));
    if (secret !== null) hookSecrets.set(hook.name, secret);
    return hook;
  });
  unique(hooks, hookReaders);
  checkCodebases(codebases, codebaseReaders, changeSources, hooks);
  builderReaders.forEach((reader, index) => {
    noteMissingCodebases(reader, suppliedCodebases(builders[index]!.name, schedulers, changeSources));
  });
  const www = compileWww(top);
  const prioritizeBuilders = optionalCallback(top, 'prioritizeBuilders', callbacks);

  const revision: CompiledConfig = {
    title: top.text('title', { default: 'Millrace' }),
    url: url(top),
    projects,
    workers,
    builders,
    schedulers,
    changeSources: recordingSources(changeSources, codebases),
    ...(codebases.length > 0 && { codebases }),
    services,
    ...(locks.all.length > 0 && { locks: locks.all }),
    hooks,
    ...(www && { www }),
    ...(prioritizeBuilders !== null && { prioritizeBuilders }),
  };
  top.done();
  if (found.problems.length > 0) {
    throw new ConfigError(
      found.problems.map((problem) => ({ ...(options.file && { file: options.file }), ...problem })),
    );
  }
  return {
    revision,
    fingerprint: fingerprintOf({
      revision: revision as unknown as JsonValue,
      callbacks: Object.fromEntries(callbacks.texts),
      sources: { ...options.sources },
    }),
    builderFingerprints: Object.fromEntries(builders.map((builder) => [builder.name, builder.fingerprint])),
    callbacks,
    gitAccesses,
    hookSecrets,
    variables: { masters: [...env.read], steps: [...stepVariables] },
    notes: found.notes.map((note) => ({ ...(options.file && { file: options.file }), ...note })),
    workerDigests: Object.fromEntries(
      compiledWorkers.flatMap(({ compiled, digest }) => (digest === null ? [] : [[compiled.name, digest]])),
    ),
  };
}

/** Reads passwords from the environment, and remembers the names of their variables. */
class PasswordVariables {
  readonly read = new Set<string>();

  constructor(
    private readonly env: Readonly<Record<string, string | undefined>>,
    private readonly areElsewhere: boolean,
  ) {}

  get(name: string): string | undefined {
    this.read.add(name);
    return this.env[name] || (this.areElsewhere ? 'set elsewhere' : undefined);
  }
}

function readers(top: ObjectReader, key: string, required: boolean): ObjectReader[] {
  return top.list(key, (item, path) => new ObjectReader(item, path, top.into, top.where), { required });
}

/** Returns the names without repetitions. Each repetition is a problem. */
function unique(items: readonly { readonly name: string }[], readers: readonly ObjectReader[]): Set<string> {
  const first = new Map<string, ObjectReader>();
  items.forEach(({ name }, index) => {
    const reader = readers[index]!;
    const earlier = first.get(name);
    if (name === '') return;
    if (earlier) reader.problem('name', `another name than that of ${earlier.path}`);
    else first.set(name, reader);
  });
  return new Set(first.keys());
}

/** Checks that a former name leads to one builder only. */
function uniqueFormerNames(builders: readonly CompiledBuilder[], readers: readonly ObjectReader[]): void {
  const taken = new Map(builders.map(({ name }, index) => [name, readers[index]!.path]));
  builders.forEach(({ formerNames }, index) => {
    const reader = readers[index]!;
    formerNames.forEach((former, i) => {
      const other = taken.get(former);
      const path = `${reader.at('formerNames')}[${i}]`;
      if (other !== undefined) reader.into.add(path, former, `another name than one of ${other}`, reader.where);
      else if (former.length > 70) reader.into.add(path, former, 'a name of 1 to 70 characters', reader.where);
      else taken.set(former, reader.path);
    });
  });
}

function url(top: ObjectReader): string | null {
  if (!top.has('url')) return null;
  return top.text('url', {
    expected: "an address such as 'https://ci.example.org/'",
    accepts: (text) => /^https?:\/\/[^/]/.test(text),
  });
}

function compileProject(reader: ObjectReader): CompiledProject {
  const name = reader.text('name', {
    accepts: (text) => text !== '' && SHORT.accepts(text),
    expected: 'a name of 1 to 190 characters',
  });
  const description = reader.optionalText('description');
  const visibleTo = reader.has('visibleTo') ? compileVisibleTo(reader, 'visibleTo') : null;
  reader.done();
  return { name, description, ...(visibleTo && { visibleTo }) };
}

function isWorkerEntry(name: string): boolean {
  return isWorkerName(isWorkerTemplate(name) ? name.slice(0, -1) || 'any' : name);
}

function isEnvironmentValue(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function compileWorker(
  reader: ObjectReader,
  env: PasswordVariables,
  lockList: LockList,
): { compiled: CompiledWorker; digest: string | null } {
  const name = reader.text('name', {
    accepts: isWorkerEntry,
    expected: 'a name of 1 to 50 characters without colons, slashes, spaces and asterisks; a last one makes a template',
  });
  const password = readPassword(reader, env);
  if (password !== null && isWorkerTemplate(name)) {
    reader.into.add(
      reader.at('password'),
      undefined,
      'no password',
      reader.where,
      `${reader.at('name')} is '${name}', a template: its workers log in with tokens, so it takes no password`,
    );
  }
  const missingTimeoutSeconds =
    reader.raw('missingTimeout') === null ? null : reader.number('missingTimeout', { default: 3600, min: 0.1 });
  const locks = lockList.read(reader);
  const compiled = {
    name,
    hasPassword: password !== null,
    maxBuilds: reader.number('maxBuilds', { default: 1, min: 1, integer: true }),
    missingTimeoutMs: missingTimeoutSeconds === null ? null : Math.round(missingTimeoutSeconds * 1000),
    env: reader.record<string | null>('env', isEnvironmentValue, 'a string or null'),
    properties: reader.properties(),
    ...(locks.length > 0 && { locks }),
  };
  reader.done();
  return {
    compiled,
    digest: password === null ? null : createHash('md5').update(password, 'utf8').digest('hex'),
  };
}

/** Reads a password. Returns null when none is given, so that only tokens are accepted. Never shows a password in a problem. */
function readPassword(reader: ObjectReader, env: PasswordVariables): string | null {
  const password = reader.raw('password');
  const variable = reader.raw('passwordEnv');
  const report = (key: string, value: unknown, expected: string, message: string) => {
    reader.into.add(reader.at(key), value, expected, reader.where, `${reader.at(key)} ${message}`);
    return null;
  };
  if (variable !== undefined && password !== undefined) {
    return report('passwordEnv', variable, 'password or passwordEnv', 'is given beside password; keep one of the two');
  }
  if (variable !== undefined) {
    if (typeof variable !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
      return report(
        'passwordEnv',
        variable,
        'the name of an environment variable',
        'has to name an environment variable',
      );
    }
    const value = env.get(variable);
    if (value) return value;
    return report('passwordEnv', variable, 'the name of a variable that is set', `names ${variable}, which is not set`);
  }
  if (password === undefined) return null;
  if (typeof password === 'string' && password !== '') return password;
  return report('password', undefined, 'a password', 'is empty; give one, passwordEnv, or none of the two for tokens');
}

interface BuilderSurroundings {
  readonly projects: ReadonlySet<string>;
  readonly workers: ReadonlySet<string>;
  /** Receives the variables that steps read. */
  readonly variables: Set<string>;
  readonly locks: LockList;
  readonly callbacks: CallbackTable;
  /** Options of the configuration that a builder may override. */
  readonly defaults: { readonly collapse: Collapse };
}

function compileBuilder(
  reader: ObjectReader,
  { projects, workers, variables, locks: lockList, callbacks, defaults }: BuilderSurroundings,
): CompiledBuilder {
  const name = reader.text('name', {
    accepts: (text) => text.length >= 1 && text.length <= 70,
    expected: 'a name of 1 to 70 characters',
  });
  const project = reader.has('project') ? reader.text('project') : null;
  if (project) references(reader, 'project', [project], projects, 'project');
  const workerNames = reader.texts('workers', { required: true, expected: 'a list of worker names' });
  if (workerNames.length === 0 && Array.isArray(reader.raw('workers')))
    reader.problem('workers', 'at least one worker');
  references(reader, 'workers', workerNames, workers, 'worker');
  const asksForLocks = typeof reader.raw('locks') === 'function';
  const ownLocks = asksForLocks ? [] : lockList.read(reader);
  const locks = [...ownLocks, ...lockList.readMaxBuilds(reader, name)];
  const steps = compileSteps(reader, lockList);
  for (const { variables: named = [] } of steps) for (const variable of named) variables.add(variable);
  const isEnv = (value: unknown) =>
    value === null || typeof value === 'string' || typeof value === 'function' || isTemplate(value);
  const env = reader.record<unknown>('env', isEnv, 'a string, null, a template or a callback');
  const unset = unrenderable(env);
  if (unset !== null) reader.problem('env', 'variables without secrets', `${reader.at('env')}: ${unset}`);
  const properties = reader.properties();
  const builddir = reader.text('builddir', {
    default: name.replace(/[^A-Za-z0-9_.-]+/g, '_').replace(/^\.+/, '_'),
    accepts: (text) => text !== '' && !/(^|[\\/])\.\.([\\/]|$)/.test(text),
    expected: "a folder name without '..'",
  });
  const choices = compileChoices(reader, callbacks, lockList);
  const doBuildIf = reader.raw('doBuildIf');
  if (doBuildIf !== undefined && typeof doBuildIf !== 'boolean' && typeof doBuildIf !== 'function')
    reader.problem('doBuildIf', 'true, false or a callback');
  const compiled = {
    name,
    formerNames: reader.texts('formerNames'),
    project,
    description: reader.optionalText('description'),
    tags: reader.texts('tags'),
    workers: workerNames,
    ...compileCollapse(reader, callbacks, defaults.collapse),
    builddir,
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, typeof value === 'string' ? value : null])),
    properties,
    steps: steps.map((step: Step) => ({ kind: step.kind, name: step.name })),
    ...(locks.length > 0 && { locks }),
    ...(choices && { choices }),
  };
  reader.done();
  const fingerprint = fingerprintOf({
    name,
    builddir,
    properties,
    env: describeValue(env),
    steps: steps.map(describeStep),
    ...(ownLocks.length > 0 && { locks: describeValue(ownLocks) }),
    ...(asksForLocks && { locks: describeValue(reader.raw('locks')) }),
    ...(doBuildIf !== undefined && { doBuildIf: describeValue(doBuildIf) }),
  });
  return { ...compiled, fingerprint };
}

function isTemplate(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'interpolate' in value;
}

function compileChangeSource(
  reader: ObjectReader,
  callbacks: CallbackTable,
  gitAccesses: Map<string, GitAccess>,
  env: PasswordVariables,
): CompiledChangeSource {
  const forge = PULL_REQUEST_FORGES.find(({ name }) => name === reader.raw('kind'));
  return forge
    ? compilePullRequests(reader, forge, callbacks, (variable) => env.get(variable) !== undefined)
    : compileGitPoller(reader, callbacks, gitAccesses, (variable) => env.get(variable));
}
