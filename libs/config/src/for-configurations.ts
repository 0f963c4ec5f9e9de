/** What a configuration gets when it imports this package: everything but what loads configurations. */
export { giveWay, giveWayToAll } from './give-way.js';
export { type Callback } from './callback-table.js';
export {
  compileConfig,
  type CompileOptions,
  type CompileResult,
  type NamedVariables,
  type WorkerDigests,
} from './compile.js';
export { canonicalJson, describeValue, fingerprintOf } from './fingerprint.js';
export {
  type BoundCredentials,
  checkGitAccess,
  checkRepository,
  credentialsFor,
  type GitCredentials,
  isWithin,
  scopeOf,
} from './git-credentials.js';
export { locate, locationOf, type SourceLocation } from './location.js';
export { type SourceStamp } from '@millrace/domain';
export { isJson, ObjectReader, ProblemList } from './object-reader.js';
export { ConfigError, formatProblems, nearest, type Note, type Problem, show } from './problems.js';
export { render, renderCommand, renderPath, templateOf } from './render.js';
export {
  type ChangeInfo,
  type CommandOptions,
  type CommandOutcome,
  customStep,
  type DoStepIf,
  type HideStepIf,
  interpolate,
  type Interpolation,
  type LogWriter,
  type PropertyReader,
  type PropertyStore,
  type Renderable,
  type RenderContext,
  type ShellOptions,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
  type WorkerInfo,
} from './step.js';
export {
  anyBranch,
  type AnyBranchOptions,
  builder,
  type BuilderDefinition,
  type BuilderOptions,
  type ChangeSourceDefinition,
  type CodebaseDefinition,
  type CodebaseField,
  defineConfig,
  type FieldDefinition,
  fields,
  type FilterDefinition,
  type FilterValue,
  force,
  type ForceOptions,
  gitPoller,
  type GitPollerOptions,
  type MasterConfig,
  type ProjectDefinition,
  type SchedulerDefinition,
  singleBranch,
  type SingleBranchOptions,
  trigger,
  worker,
  type WorkerDefinition,
  type WorkerOptions,
} from './vocabulary.js';
