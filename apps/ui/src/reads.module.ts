import { Module } from '@nestjs/common';
import {
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  CatalogReads,
  ChangeReads,
  RecentReads,
  StepReads,
  WaitingReads,
} from '@millrace/database';
import { madeOfDatabase } from '@millrace/master';
import { Reads } from './reads.js';

/** Single reads, for what needs no more than one. */
const PARTS = [
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  CatalogReads,
  ChangeReads,
  RecentReads,
  StepReads,
  WaitingReads,
];

/** Everything that pages, events and commands read. */
@Module({ providers: [Reads, ...PARTS.map((Part) => madeOfDatabase<object>(Part))], exports: [Reads, ...PARTS] })
export class ReadsModule {}
