export {
  AdoptionStore,
  type RecordedBuild,
  type RecordedCommand,
  type RecordedStep,
  type WorkersClaim,
} from './adoptions.js';
export { ApiTokenStore, type ApiToken, type NewApiToken, type TokenHolder } from './accounts/api-tokens.js';
export { type AuditLimits, AuditStore, type RecordedDeed } from './accounts/audit.js';
export { PASSWORD_CHARACTERS } from './accounts/passwords.js';
export { type NewSession, SessionStore } from './accounts/sessions.js';
export { type Account, type Identity, isUsername, type NewAccount, UserStore } from './accounts/users.js';
export { createBuildset, type CreatedBuildset, type NewBuildset } from './buildsets.js';
export { REVISION_DIFFERENCE_SHAPE, RevisionReads, REVISIONS, type StoredRevision } from './revisions.js';
export { type AskedMaster, type FileStanding, REVERT_SHAPE, RevertStore } from './reverts.js';
export { type CollapsedRequest } from './collapsing.js';
export { completeRequest } from './completing.js';
export { type CollapseQuestion, CollapseQuestionStore, type CollapsibleRequest } from './intake/collapse-questions.js';
export { ChoiceStore, type RequestToChoose } from './claims/choices.js';
export { ClaimStore, type Orphan, type QueuedRequest } from './claims/claim-store.js';
export { type WaitingClaim } from './claims/claim-locks.js';
export { type ClaimCandidate, type ClaimedBuild, type Claims } from './claims/claiming.js';
export { ATTEMPTS_ALLOWED, type BuildEnd, DEATHS_ALLOWED, type EndedBuild } from './claims/ending.js';
export { type BuildKey } from './claims/fence.js';
export {
  type AncestorBuild,
  type ChildPlan,
  type Triggered,
  type TriggeredBuildset,
  TriggerStore,
} from './triggers.js';
export { ConfigurationStore, type DefinitionIds, type Definitions } from './configuration.js';
export { BuildActionStore, type Force } from './actions/builds.js';
export { type Cancelled } from './actions/cancelling.js';
export { CommandStore, type MasterCommand, type Poll, type StopBuild } from './actions/commands.js';
export { WorkerActionStore } from './actions/workers.js';
export { ChangeSourceStore, type SourceState } from './intake/change-sources.js';
export { type Change, IntakeStore, type NewChange } from './intake/changes.js';
export { type CallKept, type KeptCall } from './intake/kept-calls.js';
export { type FinishedBuildset, FinishedBuildsetStore } from './intake/finished-buildsets.js';
export { type FailedRequestRow, type OlderRequestRow, type OpenRequestRow, ServiceStore } from './intake/services.js';
export { DeliveryStore, type Wanted } from './intake/deliveries.js';
export {
  type DeliveryOutcome,
  HookDeliveryStore,
  type NewHookDelivery,
  type Settled,
  type ReadDelivery,
  type WaitingDelivery,
} from './intake/hook-deliveries.js';
export {
  type ChangeMark,
  type Decided,
  type SchedulerBuildset,
  type SchedulerCursors,
  type SchedulerDecision,
  type SchedulerRow,
  SchedulerStore,
  type WaitingChange,
} from './intake/schedulers.js';
export { type BuildEntry, type Committed } from './journal/entries.js';
export { countLines } from './journal/entry-writer.js';
export { incompleteText, Journal } from './journal/journal.js';
export { type LockAnswer, LockStore } from './locks/lock-store.js';
export { decodeChunk, logPieces, type LogType, readLogLines } from './logs.js';
export {
  type Incarnation,
  listActiveMasters,
  masterNamed,
  type MasterRole,
  type MasterState,
  MasterStore,
  type Registration,
} from './masters.js';
export { type Ownership, ownershipName, type OwnershipName, OwnershipStore } from './ownerships.js';
export { type AbsentWorker, type Failed, FleetStore } from './fleet.js';
export { type NewWorkerToken, type WorkerToken, WorkerTokenStore } from './worker-tokens.js';
export { type SessionKind } from './worker-sessions.js';
export { type WorkerState, WorkerStore } from './workers.js';
export { checkSchema, migrate, migrateDown, migrationStatus, type MigrationStatus } from './migrate.js';
export { keepFolderPrivate, keepSqlitePrivate, readSecretFile, secretFile } from './private-files.js';
export { type DatabaseUrl, sqliteFile } from './data-source.js';
export { intercepted, type Interceptor, type Statement } from './intercepted.js';
export { isUniqueViolation, openDatabase } from './open.js';
export {
  chunked,
  type Database,
  databaseNowMs,
  type Dialect,
  placeholders,
  type Queryable,
  type Row,
  rowPlaceholders,
  type SqlValue,
  type Transaction,
  type Written,
} from './sql.js';
export { statementKey, type TracedStatement } from './trace.js';
export { AUDIT, AuditReads } from './reads/audit.js';
export { BelongingReads, type LeadingResource } from './reads/belongings.js';
export { ADOPTION_SHAPE, BuildReads, BUILDS } from './reads/builds.js';
export { BUILDSETS, BuildsetReads, SOURCE_STAMPS } from './reads/buildset-reads.js';
export { CATALOG, CatalogReads } from './reads/catalog.js';
export { ChangeReads, CHANGES } from './reads/changes.js';
export { DECISIONS, DELIVERIES, DeliveryReads } from './reads/deliveries.js';
export { evaluate } from './reads/evaluate.js';
export { type AccessPath, type HistoryTable, plan as planQuery } from './reads/plan.js';
export {
  CATALOG_LIMIT,
  EVERYTHING,
  type Examined,
  fieldKind,
  type FieldKind,
  type FieldType,
  type Filter,
  type FilterValue,
  HISTORY_LIMIT,
  type Operator,
  type OrderKey,
  type Page,
  type ResourceQuery,
  type ResourceShape,
  shapeOf,
  WALK,
  withFilter,
} from './reads/query.js';
export {
  type ChangingResource,
  type EndedRow,
  type EndingResource,
  type GrowingResource,
  RecentReads,
  type RowState,
} from './reads/recent.js';
export { LOCK_SHAPE, LockReads } from './reads/locks.js';
export { BUILD_REQUESTS, BuildRequestReads } from './reads/requests.js';
export { BRANCHES, CODEBASE_SHAPE, CodebaseReads, COMMIT_GRAPH_SHAPE, COMMITS } from './reads/codebases.js';
export { BUILD_DATA_SHAPE, RecordReads, TEST_RESULT_SETS, TEST_RESULTS } from './reads/records.js';
export { LOG_SHAPE, type LogPlace, STEP_SHAPE, StepReads } from './reads/steps.js';
export { WaitingReads } from './reads/waiting.js';
export { sealLogs } from './seal.js';
export { type Stores, storesOf } from './stores.js';
