import { Module } from '@nestjs/common';
import {
  AuditReads,
  BelongingReads,
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  CatalogReads,
  ChangeReads,
  CodebaseReads,
  DeliveryReads,
  LockReads,
  RecentReads,
  RecordReads,
  RevisionReads,
  StepReads,
  WaitingReads,
} from '@millrace/database';
import { madeOfDatabase } from '@millrace/master';
import { Reads } from './reads.js';

/** Parts of the reads, for providers that need only one of them. */
const PARTS = [
  AuditReads,
  BelongingReads,
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  CatalogReads,
  ChangeReads,
  CodebaseReads,
  DeliveryReads,
  LockReads,
  RecentReads,
  RecordReads,
  RevisionReads,
  StepReads,
  WaitingReads,
];

/** All reads of pages, events and commands. */
@Module({ providers: [Reads, ...PARTS.map((Part) => madeOfDatabase<object>(Part))], exports: [Reads, ...PARTS] })
export class ReadsModule {}
