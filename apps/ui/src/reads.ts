import { Inject, Injectable } from '@nestjs/common';
import {
  AuditReads,
  BelongingReads,
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  CatalogReads,
  ChangeReads,
  CodebaseReads,
  type Database,
  DeliveryReads,
  LockReads,
  RecentReads,
  RecordReads,
  RevisionReads,
  StepReads,
  WaitingReads,
} from '@millrace/database';
import { DATABASE } from '@millrace/master';

/** All reads of pages, events and commands. */
@Injectable()
export class Reads {
  constructor(
    readonly builds: BuildReads,
    readonly requests: BuildRequestReads,
    readonly buildsets: BuildsetReads,
    readonly changes: ChangeReads,
    readonly deliveries: DeliveryReads,
    readonly steps: StepReads,
    readonly catalog: CatalogReads,
    readonly waiting: WaitingReads,
    readonly locks: LockReads,
    readonly recent: RecentReads,
    readonly records: RecordReads,
    readonly codebases: CodebaseReads,
    readonly revisions: RevisionReads,
    readonly audit: AuditReads,
    readonly belongings: BelongingReads,
    /** For the contents of logs, which are read in pieces. */
    @Inject(DATABASE) readonly db: Database,
  ) {}
}
