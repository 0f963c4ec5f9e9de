import { Module } from '@nestjs/common';
import type { Database } from '@millrace/database';
import { DATABASE, madeOfDatabase } from '@millrace/master';
import { PARTS, READS } from './reads.js';

const parts = Object.values(PARTS);

/** All reads of pages, events and commands, together and one by one. */
@Module({
  providers: [
    ...parts.map((Part) => madeOfDatabase<object>(Part)),
    {
      provide: READS,
      inject: [DATABASE, ...parts],
      useFactory: (db: Database, ...made: readonly object[]) => ({
        ...Object.fromEntries(Object.keys(PARTS).map((name, i) => [name, made[i]])),
        db,
      }),
    },
  ],
  exports: [READS, ...parts],
})
export class ReadsModule {}
