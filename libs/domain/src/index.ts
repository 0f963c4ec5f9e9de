export {
  admitted,
  type ClaimLocks,
  refusalOf,
  refusalOfAll,
  type Wanted,
  type WorkerFacts,
} from './admissions/admissions.js';
export { type Admission, type AdmissionFacts, type Refusal, type WorkerPlace } from './admissions/facts.js';
export { hasReadableUser, redactAddresses, schemeOf, secretInAddress } from './addresses.js';
export {
  type ChangeFilter,
  filterChange,
  type FilterDecision,
  FILTERED_ATTRIBUTES,
  type FilteredAttribute,
  type FilteredChange,
  type ValueMatch,
} from './change-filter.js';
export { type Collapsible, collapseKey, placeKey } from './collapse.js';
export { type BudgetOptions, Budgets } from './budgets.js';
export { addressGroup, type CapLimits, ConnectionCap } from './connection-cap.js';
export { harmlessEnvironment } from './environment.js';
export { FencedError, MillraceError, messageOf, OperationalError, UnexpectedError, UserError } from './errors.js';
export { LineSplitter } from './lines.js';
export { isUuid, type Uuid, uuidFromBytes, uuidToBytes, uuidv7 } from './ids.js';
export { type DiffLine, diffJson } from './json-diff.js';
export { checkJsonLimits, type JsonLimits, parseJson } from './json-limits.js';
export { httpServerOptions, LISTENER_LIMITS, type ListenerLimits } from './listener-limits.js';
export {
  type Asking,
  isLoopback,
  type ListenerNames,
  type ListenerRefusal,
  type ListenerRule,
  listenerRule,
  withoutPublicPath,
  readAllowedHosts,
  refusedBy,
} from './listener-rule.js';
export { deadlockOf, type DeadlockMember, type LockGraph, requestsWaitingFor, victimOf } from './locks/deadlock.js';
export {
  type LockHold,
  type LockObstacle,
  type LockParty,
  LockTable,
  type LockWait,
  WHOLE_BUILD,
} from './locks/lock-table.js';
export {
  type KnownLock,
  type LockAccess,
  type LockDefinition,
  type LockNeed,
  needsOf,
  type LockPlace,
} from './locks/needs.js';
export { loggable, loggableText } from './loggable.js';
export { monotonicMs } from './monotonic.js';
export { compilePattern, type Pattern } from './patterns.js';
export { PerMinute } from './per-minute.js';
export { printable } from './printable.js';
export {
  checkProperties,
  hasPlaceholders,
  type InterpolationSources,
  interpolate,
  type JsonValue,
  mergeProperties,
  propertiesGiven,
  secretProblem,
  type PropertyGiver,
  type Properties,
  propertiesFrom,
  PROPERTY_LIMITS,
  type TemplateRules,
  withCodebaseValue,
} from './properties.js';
export {
  afterStep,
  BUILD_BEGINS,
  type BuildProgress,
  DEFAULT_STEP_FLAGS,
  isResult,
  Result,
  resultName,
  type ResultName,
  type StepFlags,
  worse,
  worstOf,
} from './results.js';
export {
  countsOf,
  OTHER_SECTION,
  type RevisionCounts,
  type RevisionDifference,
  revisionDifferences,
} from './revision-differences.js';
export { LoginThrottle } from './login-throttle.js';
export { mayDeliver } from './rights/delivering.js';
export { matchesName } from './rights/names.js';
export { ANYONE, type Person, SIGNED_IN } from './rights/person.js';
export {
  asksForPlaces,
  type Deed,
  EVERYBODY_MAY,
  isRightsAction,
  mayEverybody,
  refusedEverywhere,
  RIGHTS_ACTIONS,
  RIGHTS_PLACES,
  type RightsAction,
  type RightsPolicy,
  type RightsRule,
  type Verdict,
  verdict,
} from './rights/rights.js';
export { type RoleSource, rolesOf } from './rights/roles.js';
export { type Belongings, Sight } from './rights/sight.js';
export { NO_PROJECT, type ProjectVisibility, type VisibilityPolicy, visibleProjects } from './rights/visibility.js';
export { commandPlaceholders, interpolateCommand, interpolatePath } from './shell-template.js';
export { shellWord } from './shell-words.js';
export {
  byCodebase,
  withGotRevisions,
  checkAddresses,
  checkSourceStamps,
  checkPatch,
  mainSourceStamp,
  NO_SOURCE,
  type Patch,
  PATCH_LIMITS,
  stampForUsers,
  type SourceStamp,
  sourceProperties,
  sourceStampOf,
  SOURCE_STAMP_LIMITS,
} from './source-stamps.js';
export {
  countTests,
  isPass,
  TEST_CATEGORIES,
  type TestCategory,
  type TestCounts,
  type TestResult,
} from './test-results.js';
export { isWorkerName, isWorkerTemplate, workerEntries } from './worker-names.js';
