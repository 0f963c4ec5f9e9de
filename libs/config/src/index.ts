export * from './for-configurations.js';
export * from './hooks/index.js';
export { checkedLocks } from './locks.js';
export { checkAddedSteps } from './compile-step.js';
export { ConfigHost, type ConfigHostOptions } from './host.js';
export { KeptRevisions } from './kept-revisions.js';
export { type InForce, loadInForce, type LoadInForceOptions } from './load-in-force.js';
export { type ConfigSnapshot, loadAndCompile, loadConfig, type LoadedConfig } from './load.js';
export {
  type Answer,
  type Answers,
  type Call,
  type Decision,
  type FinishedBuildset,
  type Mark,
  type PlannedBuildset,
  type Question,
  type SchedulerKind,
  type SchedulerState,
  type SeenChange,
  type TimeCause,
  unchanged,
  type WaitingChange,
} from './schedulers/kind.js';
export {
  type Choice,
  questionAbout,
  type Refused,
  withBuilders,
  without,
  withPriority,
} from './schedulers/choosing.js';
export { type OpenRequest, type ServiceKind } from './services/kind.js';
export { PER_PAGE, type PullRequest, type PullRequestForge } from './pull-requests/kind.js';
export { pullRequestForge } from './pull-requests/registry.js';
export { Payload } from './hooks/payload.js';
export { serviceKind } from './services/registry.js';
export { schedulerKind } from './schedulers/registry.js';
export type { OnChange } from './schedulers/on-change/compile.js';
