/** The package as a configuration imports it: everything except what loads configurations. */
export { cpuMsOf, giveWay, giveWayToAll } from './give-way.js';
export { type Callback } from './callback-table.js';
export {
  type BuilderInfo,
  type ChoiceOptions,
  type CollapsePair,
  type CollapseRequests,
  type FreeWorkerInfo,
  type LocksOfBuild,
  type PrioritizeBuilders,
  type RequestInfo,
  type WaitingBuilderInfo,
} from './choices.js';
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
export {
  type BoundKey,
  checkGitKey,
  type GitAccess,
  type GitKeyOptions,
  keyEnvironment,
  keyFiles,
  keyFor,
  quotedForGit,
} from './git-ssh.js';
export type { RecordedCodebaseDefinition } from './recorded-codebases.js';
export { baseHook, type BaseHookDefinition } from './hooks/base/index.js';
export { bitbucketHook, type BitbucketHookDefinition, type BitbucketHookOptions } from './hooks/bitbucket/index.js';
export {
  bitbucketServerHook,
  type BitbucketServerHookDefinition,
  type BitbucketServerHookOptions,
} from './hooks/bitbucket-server/index.js';
export {
  customHook,
  type CustomHookDefinition,
  type CustomHookOptions,
  type HookRequest,
  type Parsed,
  type ParsedChange,
} from './hooks/custom/index.js';
export { giteaHook, type GiteaHookDefinition, type GiteaHookOptions } from './hooks/gitea/index.js';
export { githubHook, type GithubHookDefinition, type GithubHookOptions } from './hooks/github/options.js';
export { gitlabHook, type GitlabHookDefinition, type GitlabHookOptions } from './hooks/gitlab/index.js';
export { type HookOptions, type SkipOptions } from './hooks/options.js';
export { pollerHook, type PollerHookDefinition, type PollerHookOptions } from './hooks/poller/index.js';
export { type HookDefinition } from './hooks/registry.js';
export {
  githubPullRequestPoller,
  type GithubPullRequestPollerDefinition,
  type GithubPullRequestPollerOptions,
  gitlabMergeRequestPoller,
  type GitlabMergeRequestPollerDefinition,
  type GitlabMergeRequestPollerOptions,
  type PullRequestPollerOptions,
} from './pull-requests/options.js';
export { locate, locationOf, type SourceLocation } from './location.js';
export {
  type Lock,
  lock,
  type LockOptions,
  type LocksOption,
  type LockUse,
  type Resources,
  resources,
  workerLock,
  type WorkerLockOptions,
} from './locks.js';
export { type SourceStamp } from '@millrace/domain';
export { isJson, ObjectReader, ProblemList } from './object-reader.js';
export { ConfigError, formatProblems, nearest, type Note, type Problem, show } from './problems.js';
export { render, renderCommand, renderPath, templateOf, unrenderable } from './render.js';
export {
  type ChangeInfo,
  type CommandOptions,
  type CommandOutcome,
  customStep,
  type DoBuildIf,
  type DoStepIf,
  type FileContent,
  type HideStepIf,
  interpolate,
  type Interpolation,
  type LogKind,
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
  type TestResultOptions,
  type TestResultWriter,
  type TestSetOptions,
  type TriggeredBuildset,
  type TriggeredScheduler,
  type TriggerOutcome,
  type TriggerRequest,
  type WorkerInfo,
} from './step.js';
export { anyBranch, type AnyBranchOptions } from './schedulers/any-branch/index.js';
export { dependent, type DependentOptions } from './schedulers/dependent/index.js';
export {
  type CodebaseDefinition,
  type CodebaseField,
  type FieldDefinition,
  fields,
  force,
  type ForceOptions,
} from './schedulers/force/options.js';
export { type CodebaseDefaults, type CodebasesOption } from './schedulers/codebases.js';
export { nightly, type NightlyOptions } from './schedulers/nightly/index.js';
export { nightlyTriggerable, type NightlyTriggerableOptions } from './schedulers/nightly-triggerable/index.js';
export { type FilterDefinition, type FilterValue } from './schedulers/on-change/options.js';
export { periodic, type PeriodicOptions } from './schedulers/periodic/index.js';
export { type BuildsetInfo, type Chosen } from './schedulers/options.js';
export { type SchedulerDefinition } from './schedulers/registry.js';
export {
  failingBuildsetCanceller,
  type FailingBuildsetCancellerOptions,
} from './services/failing-buildset-canceller.js';
export { type BranchInfo, oldBuildCanceller, type OldBuildCancellerOptions } from './services/old-build-canceller.js';
export { type ServiceDefinition } from './services/registry.js';
export { singleBranch, type SingleBranchOptions } from './schedulers/single-branch/index.js';
export { type TriggerableCodebase } from './schedulers/call-codebases.js';
export { trigger, triggerable, type TriggerableOptions } from './schedulers/trigger/index.js';
export {
  builder,
  type BuilderDefinition,
  type BuilderOptions,
  type ChangeSourceDefinition,
  defineConfig,
  gitPoller,
  type GitPollerOptions,
  type MasterConfig,
  type ProjectDefinition,
  worker,
  type WorkerDefinition,
  type WorkerOptions,
} from './vocabulary.js';
export {
  type AuthOptions,
  type AuthzOptions,
  type AvatarsOptions,
  type ProxyOptions,
  type RoleMembers,
  rolesFromDomain,
  rolesFromEmails,
  rolesFromGroups,
  rolesFromOwner,
  rolesFromUsername,
  type RuleOptions,
  type WwwOptions,
} from './www/options.js';
export { github, type GithubDefinition, type GithubOptions } from './www/providers/github.js';
export { htpasswd, type HtpasswdDefinition, type HtpasswdOptions } from './www/providers/htpasswd.js';
export { ldap, type LdapDefinition, type LdapOptions } from './www/providers/ldap.js';
export {
  type ClaimOptions,
  gitlab,
  type GitlabOptions,
  google,
  keycloak,
  type KeycloakOptions,
  oidc,
  type OidcCommonOptions,
  type OidcDefinition,
  type OidcOptions,
} from './www/providers/oidc.js';
export type { ProviderDefinition } from './www/providers/registry.js';
