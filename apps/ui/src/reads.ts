import { Inject, Injectable } from '@nestjs/common';
import {
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  CatalogReads,
  ChangeReads,
  type Database,
  RecentReads,
  StepReads,
  WaitingReads,
} from '@millrace/database';
import { DATABASE } from '@millrace/master';

/** Everything that pages, events and commands read. */
@Injectable()
export class Reads {
  readonly builds: BuildReads;
  readonly requests: BuildRequestReads;
  readonly buildsets: BuildsetReads;
  readonly changes: ChangeReads;
  readonly steps: StepReads;
  readonly catalog: CatalogReads;
  readonly waiting: WaitingReads;
  readonly recent: RecentReads;

  constructor(@Inject(DATABASE) readonly db: Database) {
    this.builds = new BuildReads(db);
    this.requests = new BuildRequestReads(db);
    this.buildsets = new BuildsetReads(db);
    this.changes = new ChangeReads(db);
    this.steps = new StepReads(db);
    this.catalog = new CatalogReads(db);
    this.waiting = new WaitingReads(db);
    this.recent = new RecentReads(db);
  }
}
