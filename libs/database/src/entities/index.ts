import { ApiTokenEntity, SessionEntity, UserEntity } from './accounts.js';
import { AuditEntity } from './audit.js';
import { AdoptionEntity, BuildEntity, CommandEntity, LogChunkEntity, LogEntity, StepEntity } from './builds.js';
import {
  ChangeEntity,
  DeliveryEntity,
  HookDeliveryEntity,
  SchedulerChangeEntity,
  PatchEntity,
  SourceStampEntity,
} from './changes.js';
import { CodebaseBranchEntity, CodebaseCommitEntity, CodebaseEntity } from './codebases.js';
import {
  BuilderEntity,
  BuilderMasterEntity,
  ChangeSourceEntity,
  KeptCallEntity,
  ObjectStateEntity,
  ProjectEntity,
  RevertEntity,
  RevisionEntity,
  SchedulerEntity,
  SchedulerMasterEntity,
} from './definitions.js';
import { LockEntity, LockHoldEntity, LockWaitEntity } from './locks.js';
import { CounterEntity, JournalEntity, MasterCommandEntity, MasterEntity, OwnershipEntity } from './masters.js';
import { BuildDataEntity, TestResultEntity, TestResultSetEntity } from './records.js';
import {
  BuildRequestEntity,
  BuildsetChangeEntity,
  BuildsetEntity,
  BuildsetSourceStampEntity,
  ClaimEntity,
  CallbackWaitEntity,
  CollapsedRequestEntity,
  CollapseQuestionEntity,
  QueueEntity,
} from './requests.js';
import { WorkerBuilderEntity, WorkerEntity, WorkerTokenEntity } from './workers.js';

/** Every table except the one that the migrator keeps for itself. The entities describe the schema; migrations are tested against them. */
export const ENTITIES = [
  MasterEntity,
  JournalEntity,
  OwnershipEntity,
  MasterCommandEntity,
  CounterEntity,
  RevertEntity,
  RevisionEntity,
  ProjectEntity,
  BuilderEntity,
  BuilderMasterEntity,
  SchedulerEntity,
  KeptCallEntity,
  SchedulerMasterEntity,
  ChangeSourceEntity,
  ObjectStateEntity,
  WorkerEntity,
  WorkerBuilderEntity,
  WorkerTokenEntity,
  PatchEntity,
  SourceStampEntity,
  ChangeEntity,
  SchedulerChangeEntity,
  CodebaseEntity,
  CodebaseBranchEntity,
  CodebaseCommitEntity,
  DeliveryEntity,
  HookDeliveryEntity,
  BuildsetEntity,
  BuildsetSourceStampEntity,
  BuildsetChangeEntity,
  BuildRequestEntity,
  QueueEntity,
  CallbackWaitEntity,
  CollapsedRequestEntity,
  CollapseQuestionEntity,
  ClaimEntity,
  BuildEntity,
  AdoptionEntity,
  StepEntity,
  CommandEntity,
  LogEntity,
  LogChunkEntity,
  BuildDataEntity,
  TestResultSetEntity,
  TestResultEntity,
  LockEntity,
  LockHoldEntity,
  LockWaitEntity,
  UserEntity,
  SessionEntity,
  ApiTokenEntity,
  AuditEntity,
];

export { ColumnNames } from './columns.js';
