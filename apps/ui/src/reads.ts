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

/** The parts of `Reads`. A provider that needs only one of them has its class injected. */
export const PARTS = {
  builds: BuildReads,
  requests: BuildRequestReads,
  buildsets: BuildsetReads,
  changes: ChangeReads,
  deliveries: DeliveryReads,
  steps: StepReads,
  catalog: CatalogReads,
  waiting: WaitingReads,
  locks: LockReads,
  recent: RecentReads,
  records: RecordReads,
  codebases: CodebaseReads,
  revisions: RevisionReads,
  audit: AuditReads,
  belongings: BelongingReads,
} as const;

/** All reads of pages, events and commands. */
export type Reads = { readonly [Name in keyof typeof PARTS]: InstanceType<(typeof PARTS)[Name]> } & {
  /** For the contents of logs, which are read in pieces. */
  readonly db: Database;
};

/** `Reads`. */
export const READS = Symbol('READS');
